"""Metrics as a collector receives them by OTLP."""

import gzip

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from harness import proxied
from pilotfish.app import App
from pilotfish.errors import StartError
from pilotfish.settings import Settings
from pilotfish.simulated import SimulatedVendor
from pilotfish.telemetry import series as s
from pilotfish.telemetry.otlp_metrics import INTERVAL_S, MetricsPusher
from pilotfish.telemetry.registry import Registry


class Collector:
    """`pushes`: metrics by name, one mapping for each push."""

    def __init__(self):
        self.pushes, self.resource = [], {}

    async def take(self, request):
        body = await request.read()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            self.resource = attributes(resource.resource.attributes)
            self.pushes.append(
                {m.name: m for scope in resource.scope_metrics for m in scope.metrics}
            )
        return web.Response(body=b"", content_type="application/x-protobuf")


def attributes(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@pytest.fixture
async def collector():
    found = Collector()
    app = web.Application()
    app.router.add_post("/v1/metrics", found.take)
    async with TestServer(app) as server:
        found.base = f"http://127.0.0.1:{server.port}"
        yield found


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("", INTERVAL_S), ("soon", INTERVAL_S), ("-5", INTERVAL_S), ("0", INTERVAL_S), ("1500", 1.5)],
)
def test_an_interval_that_is_none_is_the_default(monkeypatch, given, seconds):
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", given)
    assert MetricsPusher(Registry(), "http://127.0.0.1:9").interval_s == seconds


async def test_a_collector_that_is_away_is_said_once(capsys):
    pusher = MetricsPusher(Registry((s.RETRIES,)), "http://127.0.0.1:9", timeout_s=0.01)
    for _ in range(2):
        await pusher.push()
    assert capsys.readouterr().out.count("metrics_not_pushed") == 1


async def test_numbers_are_those_of_the_registry(collector):
    registry = Registry((s.RETRIES, s.IN_FLIGHT, s.OVERHEADS, s.CALL_DURATION, s.COST))
    registry.before_scrape.append(lambda: registry[s.IN_FLIGHT].gauge("chat").set(2))
    registry[s.RETRIES].counter("chat").inc(3)
    for value in (0.00001, 0.002, 7.0):
        registry[s.OVERHEADS].histogram("true").observe(value)
    at = ("chat", "p", "ask", "m")
    registry[s.CALL_DURATION].histogram(*at, "").observe(1.0)
    registry[s.CALL_DURATION].histogram(*at, "timeout").observe(1.0)
    pusher = MetricsPusher(registry, collector.base)
    await pusher.push()
    await pusher.close()
    first, last = collector.pushes
    retries = first["pilotfish_retries_total"].sum
    assert (retries.is_monotonic, retries.data_points[0].as_double) == (True, 3.0)
    assert attributes(retries.data_points[0].attributes) == {"rule": "chat"}
    assert first["pilotfish_requests_in_flight"].gauge.data_points[0].as_double == 2.0
    (overhead,) = first["pilotfish_overhead_seconds"].histogram.data_points
    assert (overhead.count, sum(overhead.bucket_counts)) == (3, 3)
    assert overhead.sum == pytest.approx(7.00201)
    assert list(overhead.explicit_bounds) == list(s.OVERHEAD)
    assert not overhead.HasField("min")
    call = first["gen_ai.client.operation.duration"]
    errors = [
        attributes(point.attributes).get("error.type") for point in call.histogram.data_points
    ]
    assert (call.unit, errors) == ("s", [None, "timeout"])
    assert attributes(call.histogram.data_points[0].attributes)["gen_ai.request.model"] == "ask"
    assert "pilotfish_cost_usd_total" not in first  # without children there is nothing to say
    starts = {
        push["pilotfish_retries_total"].sum.data_points[0].start_time_unix_nano
        for push in (first, last)
    }
    assert len(starts) == 1
    assert collector.resource["service.name"] == "pilotfish"


@pytest.mark.parametrize("true", [True, False])
async def test_a_proxy_that_ends_pushes_what_it_counted_last(tmp_path, collector, true):
    """A Job that nobody scrapes loses nothing."""
    rules = """
providers: {{p: {{kind: openai, api_base: "{base}", no_key_required: true}}}}
rules: [{{name: chat, request_model: gpt, services: [{{provider: p, model: sim-large}}]}}]
"""
    where = (
        {"otlp_endpoint": collector.base, "otlp_metrics": "true"}
        if true
        else {"otlp_metrics": collector.base}
    )
    async with SimulatedVendor() as vendor:
        async with proxied(tmp_path, rules.format(base=vendor.base), **where) as proxy:
            assert (await proxy.chat("gpt")).status == 200
        requests = collector.pushes[-1]["pilotfish_requests_total"].sum.data_points
    found = {tuple(attributes(p.attributes).values()): p.as_double for p in requests}
    assert found["chat", "openai", "200"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"otlp_metrics": "true"}, "PILOTFISH_OTLP_METRICS is true, but PILOTFISH_OTLP_ENDPOINT"),
        ({"otlp_metrics": "user:hush@collector:4317"}, "PILOTFISH_OTLP_METRICS: expected http"),
    ],
)
def test_what_is_no_address_is_refused_at_start(settings, message):
    with pytest.raises(StartError, match=message):
        App(Settings(**settings))


@pytest.mark.parametrize("value", ["", "false"])
def test_nothing_is_pushed_unless_it_is_asked_for(value):
    assert App(Settings(otlp_metrics=value)).pusher is None
