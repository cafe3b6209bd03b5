"""Metrics pushed by OTLP over HTTP, for processes that end before anybody scrapes them (Jobs) and for
collectors that are not scraping. The same numbers as at a scrape, cumulative since the start.

Imported only where PILOTFISH_OTLP_METRICS is set (`pip install 'pilotfish[otlp]'`).
OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_HEADERS and
OTEL_METRIC_EXPORT_INTERVAL (milliseconds, by default a minute) have their usual meaning.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import export as otlp
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from pilotfish import __version__
from pilotfish.telemetry import series as s
from pilotfish.telemetry.registry import Child, Histogram, Registry
from pilotfish.telemetry.series import Series

PATH = "/v1/metrics"
INTERVAL_S = 60.0
# About half a millisecond's work.
CHILDREN_A_PIECE = 64
# What Prometheus makes of the conventions' names cannot be turned back: their dots and units.
NAMES = {
    s.CALL_DURATION: ("gen_ai.client.operation.duration", "s"),
    s.CALL_FIRST_CHUNK: ("gen_ai.client.operation.time_to_first_chunk", "s"),
    s.SPENT_INPUT: ("gen_ai.client.inference.usage.input_tokens", "{token}"),
    s.SPENT_OUTPUT: ("gen_ai.client.inference.usage.output_tokens", "{token}"),
    s.SPENT_CACHE_READ: ("gen_ai.client.inference.usage.cache_read.input_tokens", "{token}"),
    s.SPENT_CACHE_WRITE: ("gen_ai.client.inference.usage.cache_write.input_tokens", "{token}"),
    s.SPENT_REASONING: ("gen_ai.client.inference.usage.reasoning.output_tokens", "{token}"),
    s.GEN_AI_TOKENS: ("gen_ai.client.token.usage", "{token}"),
    s.GEN_AI_DURATION: ("gen_ai.server.request.duration", "s"),
    s.GEN_AI_FIRST_TOKEN: ("gen_ai.server.time_to_first_token", "s"),
    s.GEN_AI_PER_TOKEN: ("gen_ai.server.time_per_output_token", "s"),
}
_ATTRIBUTES = {
    "gen_ai_operation_name": "gen_ai.operation.name",
    "gen_ai_provider_name": "gen_ai.provider.name",
    "gen_ai_request_model": "gen_ai.request.model",
    "gen_ai_response_model": "gen_ai.response.model",
    "gen_ai_token_type": "gen_ai.token.type",
    "gen_ai_token_modality": "gen_ai.token.modality",
    "error_type": "error.type",
}

log = structlog.get_logger(__name__)


class MetricsPusher:
    """Sends all numbers of a registry now and then, and a last time at the end."""

    def __init__(self, registry: Registry, endpoint: str, *, timeout_s: float = 5.0) -> None:
        base = endpoint.rstrip("/")
        self._registry = registry
        self._exporter = OTLPMetricExporter(
            endpoint=base if base.endswith(PATH) else base + PATH, timeout=timeout_s
        )
        named = {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "pilotfish"),
            "service.version": __version__,
            "service.instance.id": f"{os.environ.get('HOSTNAME', '')}-{os.getpid()}",
        }
        self._resource = Resource.create(named)
        self._scope = InstrumentationScope("pilotfish", __version__)
        self._started = time.time_ns()
        self._failed = False
        self.interval_s = _interval_s(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", ""))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self.interval_s)
            await self.push()

    async def push(self) -> None:
        """Waits for the collector in a thread. A collector that is away is logged once."""
        data = await self._data()
        result = await asyncio.to_thread(self._exporter.export, data)
        failed = result is not otlp.MetricExportResult.SUCCESS
        if failed and not self._failed:
            log.warning("metrics_not_pushed", next_in_s=self.interval_s)
        self._failed = failed

    async def close(self) -> None:
        """What was counted since the last push, then the end."""
        await self.push()
        await asyncio.to_thread(self._exporter.shutdown)

    async def _data(self) -> otlp.MetricsData:
        """All numbers as they are now. Requests are served in between."""
        for prepare in self._registry.before_scrape:
            prepare()
        now, metrics = time.time_ns(), []
        for series, children in self._registry.shown():
            if children:
                points = []
                for point in _points(
                    series, children, self._registry.owner_of(series), (self._started, now)
                ):
                    points.append(point)
                    if len(points) % CHILDREN_A_PIECE == 0:
                        await asyncio.sleep(0)
                name, unit = NAMES.get(series, (series.name, ""))
                metrics.append(
                    otlp.Metric(
                        name=name, description=series.help, unit=unit, data=_of(series, points)
                    )
                )
                await asyncio.sleep(0)
        scope = otlp.ScopeMetrics(scope=self._scope, metrics=metrics, schema_url="")
        resource = otlp.ResourceMetrics(
            resource=self._resource, scope_metrics=[scope], schema_url=""
        )
        return otlp.MetricsData(resource_metrics=[resource])


def _interval_s(milliseconds: str) -> float:
    """The variable's value in seconds; the default where it is not a positive number."""
    try:
        given = float(milliseconds) / 1000
    except ValueError:
        return INTERVAL_S
    return given if given > 0 else INTERVAL_S


def _of(series: Series, points: list[Any]) -> Any:
    since_start = otlp.AggregationTemporality.CUMULATIVE
    if series.kind == "gauge":
        return otlp.Gauge(data_points=points)
    if series.kind == "histogram":
        return otlp.Histogram(data_points=points, aggregation_temporality=since_start)
    return otlp.Sum(data_points=points, aggregation_temporality=since_start, is_monotonic=True)


def _points(
    series: Series,
    children: list[tuple[tuple[str, ...], Child]],
    owner: Mapping[str, str],
    span: tuple[int, int],
) -> Iterator[Any]:
    """`owner`: attributes of each point; `span`: from when until when they were counted."""
    started, now = span
    names = [_ATTRIBUTES.get(label, label) for label in series.labels]
    for values, child in children:
        # `error.type` is there only where there was an error.
        attributes = {name: value for name, value in zip(names, values, strict=True) if value}
        attributes.update(owner)
        if isinstance(child, Histogram):
            yield otlp.HistogramDataPoint(
                attributes=attributes,
                start_time_unix_nano=started,
                time_unix_nano=now,
                count=sum(child.counts),
                sum=child.total,
                bucket_counts=list(child.counts),
                explicit_bounds=list(series.buckets),
                min=None,  # not kept
                max=None,
            )
        else:
            yield otlp.NumberDataPoint(
                attributes=attributes,
                start_time_unix_nano=started,
                time_unix_nano=now,
                value=float(child.value),
            )
