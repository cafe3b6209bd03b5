"""Traces by OpenTelemetry's GenAI conventions: a span for each request and one for each of its
attempts, sent by OTLP over HTTP.

Imported only where PILOTFISH_OTLP_ENDPOINT is set (`pip install 'pilotfish[otlp]'`). Spans hold
names, numbers and outcomes; what clients and models say is in them only where
OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is true. OTEL_SERVICE_NAME,
OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and OTEL_EXPORTER_OTLP_HEADERS have their usual
meaning.
"""

from __future__ import annotations

import os
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from pilotfish import __version__
from pilotfish.core.exchange.inbound import Inbound, shown
from pilotfish.core.exchange.request_url import origin_of
from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Outcome
from pilotfish.telemetry.operations import operation_of
from pilotfish.telemetry.record import AttemptRecord, RequestRecord, cost_of_attempts
from pilotfish.telemetry.traceparent import TraceContext, read_traceparent, written

PATH = "/v1/traces"
CONTENT_BYTES = 64 * 1024
CONTENT_SWITCH = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_NO_ERROR = (Outcome.SERVED, Outcome.LOST_RACE, Outcome.REFUSED)


class SpanTracer:
    """Makes the trace of a request. `close` sends what is left and blocks meanwhile: call it in a
    thread.
    """

    def __init__(self, endpoint: str, *, content: bool | None = None) -> None:
        base = endpoint.rstrip("/")
        named = {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "pilotfish"),
            "service.version": __version__,
        }
        self._provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(
            endpoint=base if base.endswith(PATH) else base + PATH, timeout=5
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.spans = self._provider.get_tracer("pilotfish", __version__)
        self.content = (
            os.environ.get(CONTENT_SWITCH, "").lower() == "true" if content is None else content
        )

    def begin(self, record: RequestRecord, inbound: Inbound) -> SpanTrace:
        return SpanTrace(self, record, inbound)

    def close(self) -> None:
        self._provider.shutdown()


class SpanTrace:
    """The span of a request and those of its attempts. The client's trace is continued; without one
    a new one begins.
    """

    __slots__ = ("_attempts", "_request", "_span", "_tracer", "_within", "trace_id")

    def __init__(self, tracer: SpanTracer, record: RequestRecord, inbound: Inbound) -> None:
        self._tracer, self._request = tracer, record
        self._attempts: dict[int, Any] = {}
        operation = operation_of(inbound.op)
        came = read_traceparent(inbound)
        # Each attempt has a `traceparent` of its own: the client's must not go along beside it.
        inbound.headers = [h for h in inbound.headers if h[0] != b"traceparent"]
        self._span = tracer.spans.start_span(
            f"{operation} {record.rule.request_model}",
            context=None if came is None else _remote(came),
            kind=SpanKind.SERVER,
            start_time=_ns(record.started_wall),
            attributes={
                "gen_ai.operation.name": operation,
                "gen_ai.request.model": shown(inbound.model),
                "gen_ai.request.stream": inbound.stream,
                "http.request.method": "POST",
                "url.path": shown(inbound.path),
                "pilotfish.rule": record.rule.name,
                "pilotfish.style": inbound.style,
                "pilotfish.request_id": inbound.request_id,
            },
        )
        if tracer.content:
            self._span.set_attribute(
                "pilotfish.request.body", inbound.body[:CONTENT_BYTES].decode("utf-8", "replace")
            )
        self._within = set_span_in_context(self._span)
        self.trace_id = f"{self._span.get_span_context().trace_id:032x}"

    def headers(self, attempt: AttemptRecord) -> list[bytes]:
        """What the attempt's request carries."""
        context = self._of(attempt).get_span_context()
        traceparent = TraceContext(
            f"{context.trace_id:032x}", f"{context.span_id:016x}", int(context.trace_flags)
        )
        return [b"traceparent: %b\r\n" % written(traceparent)]

    def _of(self, attempt: AttemptRecord) -> Any:
        span = self._attempts.get(attempt.n)
        if span is None:
            span = self._attempts[attempt.n] = self._begun(attempt)
        return span

    def _begun(self, attempt: AttemptRecord) -> Any:
        service, began = attempt.service, self._at(attempt.began)
        for event, is_so in ((attempt.extra, attempt.extra), ("rescue", attempt.resumes)):
            if is_so:
                self._span.add_event(event, {"pilotfish.service": service.id}, timestamp=began)
        kind = service.provider.kind
        _, host, port = origin_of(service.provider.base)
        operation = operation_of(self._request.op)
        return self._tracer.spans.start_span(
            f"{operation} {service.model}",
            context=self._within,
            kind=SpanKind.CLIENT,
            start_time=began,
            attributes={
                "gen_ai.operation.name": operation,
                "gen_ai.provider.name": kind.otel_name or kind.name,
                "gen_ai.request.model": service.model,
                "server.address": host,
                "server.port": port,
                "pilotfish.provider": service.provider.name,
                "pilotfish.attempt": attempt.n + 1,
                "pilotfish.forced": attempt.last_resort,
            },
        )

    def attempt_over(self, attempt: AttemptRecord) -> None:
        span, outcome = self._of(attempt), attempt.outcome or Outcome.SERVER_ERROR
        if attempt.first_at:
            span.add_event("first_token", timestamp=self._at(attempt.first_at))
            if self._request.stream:
                waited = attempt.first_at - attempt.sent_at
                span.set_attribute("gen_ai.response.time_to_first_chunk", waited)
        if attempt.response_id:
            span.set_attribute("gen_ai.response.id", attempt.response_id)
        span.set_attribute("pilotfish.outcome", str(outcome))
        if outcome is Outcome.REFUSED:
            said = {"pilotfish.service": attempt.service.id}
            self._span.add_event("refusal", said, timestamp=self._at(attempt.over_at))
        if attempt.status:
            span.set_attribute("http.response.status_code", attempt.status)
        _set_usage(span, attempt.usage)
        if attempt.finish_reason:
            span.set_attribute("gen_ai.response.finish_reasons", [attempt.finish_reason])
        if outcome not in _NO_ERROR:
            # No words of the vendor's: they may quote what the client sent.
            span.set_attribute("error.type", str(outcome))
            span.set_status(Status(StatusCode.ERROR))
        span.end(self._at(attempt.over_at))

    def over(self) -> None:
        request, span, failure = self._request, self._span, self._request.failure
        span.set_attribute("http.response.status_code", request.code)
        span.set_attribute("pilotfish.attempts", len(request.attempts))
        _set_usage(span, request.usage())
        cost_usd, price_source = cost_of_attempts(request.attempts)
        if cost_usd is not None:
            span.set_attribute("pilotfish.cost_usd", cost_usd)
        if price_source is not None:
            span.set_attribute("pilotfish.unit_price_source", price_source)
        if request.relayed is not None and request.stream and request.relayed.first_at:
            waited = request.relayed.first_at - request.started
            span.set_attribute("gen_ai.response.time_to_first_chunk", waited)
        if request.relayed is not None:
            span.set_attribute("gen_ai.response.model", request.relayed.service.model)
            span.set_attribute("pilotfish.service", request.relayed.service.id)
        if failure is not None:
            span.set_attribute("error.type", str(failure.outcome))
            if failure.status >= 500 or failure.outcome is Outcome.BROKEN_STREAM:
                span.set_status(Status(StatusCode.ERROR))
        span.end(self._at(request.finished_at))

    def _at(self, moment: float) -> int:
        """A moment of the monotonic clock in nanoseconds of Unix time."""
        return _ns(self._request.started_wall + moment - self._request.started)


def _ns(wall: float) -> int:
    return int(wall * 1e9)


def _remote(came: TraceContext) -> Any:
    context = SpanContext(
        int(came.trace_id, 16),
        int(came.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(came.flags),
    )
    return set_span_in_context(NonRecordingSpan(context))


def _set_usage(span: Any, usage: Usage | None) -> None:
    if usage is None:
        return
    span.set_attribute("gen_ai.usage.input_tokens", usage.input)
    span.set_attribute("gen_ai.usage.output_tokens", usage.output)
    if usage.cached_input:
        span.set_attribute("gen_ai.usage.cache_read.input_tokens", usage.cached_input)
    if usage.cache_write:
        span.set_attribute("gen_ai.usage.cache_write.input_tokens", usage.cache_write)
        # The conventions' name until 2026; stays until 1.0.
        span.set_attribute("gen_ai.usage.cache_creation.input_tokens", usage.cache_write)
    if usage.reasoning:
        span.set_attribute("gen_ai.usage.reasoning.output_tokens", usage.reasoning)
