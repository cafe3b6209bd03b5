"""Traces, as a collector receives them by OTLP."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness import proxied
from pilotfish.app import App
from pilotfish.errors import StartError
from pilotfish.settings import Settings
from pilotfish.simulated import Fault, Profile, SimulatedVendor

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1"}
SECRET = "open sesame"


class Collector:
    """`spans` by name, in the order received."""

    def __init__(self):
        self.spans, self.resource, self.raw = [], {}, b""

    async def take(self, request):
        body = await request.read()
        if request.headers.get("content-encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource = attributes(resource.resource)
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return web.Response(body=b"", content_type="application/x-protobuf")

    @property
    def request(self):
        return next(s for s in self.spans if s.kind == s.SPAN_KIND_SERVER)

    @property
    def attempts(self):
        return sorted(
            (s for s in self.spans if s.kind == s.SPAN_KIND_CLIENT),
            key=lambda s: s.start_time_unix_nano,
        )


def attributes(one):
    def value(v):
        kind = v.WhichOneof("value")
        return (
            [value(x) for x in v.array_value.values] if kind == "array_value" else getattr(v, kind)
        )

    return {a.key: value(a.value) for a in one.attributes}


@pytest.fixture
async def collector():
    found = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", found.take)
    async with TestServer(app) as server:
        found.base = f"http://127.0.0.1:{server.port}"
        yield found


def rules(vendor, more=""):
    return f"""
providers:
  one: {{kind: openai, api_base: {vendor.base}, no_key_required: true}}
  two: {{kind: anthropic, api_base: {vendor.base}, no_key_required: true}}
rules:
  - name: chat
    request_model: gpt
    retries: {{max_retries: 0}}
    services: [{{provider: one, model: sim-large}}, {{provider: two, model: sim-small, tier: 1}}]
    {more}
"""


async def test_a_request_and_its_attempts_are_one_trace_that_continues_the_clients(
    tmp_path, collector
):
    async with SimulatedVendor(profile=Profile(ttft_s=0.02, gap_s=0.001, chunks=8)) as vendor:
        async with proxied(tmp_path, rules(vendor), otlp_endpoint=collector.base) as proxy:
            vendor.script(Fault.status(503))
            body = {
                "model": "gpt",
                "stream": True,
                "messages": [{"role": "user", "content": SECRET}],
            }
            assert (await proxy.post("/v1/chat/completions", body, TRACED)).status == 200
        # Stopped: what was collected has been sent.
        request, (first, second) = collector.request, collector.attempts
        assert {s.trace_id.hex() for s in collector.spans} == {TRACE}
        assert request.parent_span_id.hex() == SPAN
        assert {first.parent_span_id, second.parent_span_id} == {request.span_id}
        # Each attempt's own span is what its vendor was told.
        sent = [seen.headers for seen in vendor.requests]
        assert [h["traceparent"] for h in sent] == [
            f"00-{TRACE}-{s.span_id.hex()}-01" for s in (first, second)
        ]
        assert [h["tracestate"] for h in sent] == ["vendor=1", "vendor=1"]
        said = attributes(request)
        assert (request.name, said["gen_ai.operation.name"], said["gen_ai.request.model"]) == (
            "chat gpt",
            "chat",
            "gpt",
        )
        assert (said["pilotfish.rule"], said["pilotfish.service"], said["pilotfish.attempts"]) == (
            "chat",
            "two/sim-small",
            2,
        )
        assert (said["http.response.status_code"], said["gen_ai.usage.output_tokens"]) == (200, 8)
        assert "error.type" not in said
        failed, served = attributes(first), attributes(second)
        assert (failed["error.type"], failed["http.response.status_code"], first.status.code) == (
            "overloaded",
            503,
            first.status.STATUS_CODE_ERROR,
        )
        assert (
            served["gen_ai.provider.name"],
            served["gen_ai.request.model"],
            served["pilotfish.provider"],
        ) == (
            "anthropic",
            "sim-small",
            "two",
        )
        assert served["server.port"] == int(vendor.base.rpartition(":")[2])
        assert served["gen_ai.response.id"] == "msg_00000002"
        assert 0.02 <= served["gen_ai.response.time_to_first_chunk"] < 20
        assert (
            said["gen_ai.response.time_to_first_chunk"]
            >= served["gen_ai.response.time_to_first_chunk"]
        )
        (token,) = second.events
        assert token.name == "first_token"
        assert (
            second.start_time_unix_nano
            < token.time_unix_nano
            <= second.end_time_unix_nano
            <= request.end_time_unix_nano
        )
        assert collector.resource["service.name"] == "pilotfish"


async def test_usage_is_told_by_the_conventions_names_of_today_and_of_before(tmp_path, collector):
    async with SimulatedVendor() as vendor:
        made = rules(vendor).replace("model: sim-large", "model: sim-think-cached25")
        async with proxied(tmp_path, made, otlp_endpoint=collector.base) as proxy:
            await proxy.chat("gpt", "x" * 400)
        said = attributes(collector.request)
        assert said["gen_ai.usage.cache_read.input_tokens"] == 25
        assert said["gen_ai.usage.reasoning.output_tokens"] == 4
        collector.spans.clear()
        made = made.replace("kind: openai", "kind: anthropic").replace(
            "think-cached25", "cachewrite50"
        )
        async with proxied(tmp_path, made, otlp_endpoint=collector.base) as proxy:
            await proxy.chat("gpt", "x" * 400)
        said = attributes(collector.request)
        assert said["gen_ai.usage.cache_write.input_tokens"] == 50
        assert said["gen_ai.usage.cache_creation.input_tokens"] == 50


async def test_a_whole_answer_has_an_id_and_no_first_chunk(tmp_path, collector):
    async with SimulatedVendor() as vendor:
        async with proxied(tmp_path, rules(vendor), otlp_endpoint=collector.base) as proxy:
            await proxy.chat("gpt")
        (only,) = map(attributes, collector.attempts)
        assert only["gen_ai.response.id"] == "chatcmpl-00000001"
        assert "gen_ai.response.time_to_first_chunk" not in only


async def test_what_clients_say_is_in_no_span_unless_it_is_switched_on(
    tmp_path, collector, monkeypatch
):
    async with SimulatedVendor() as vendor:
        async with proxied(tmp_path, rules(vendor), otlp_endpoint=collector.base) as proxy:
            await proxy.chat("gpt", f"say:{SECRET}")
        assert collector.spans
        assert SECRET.encode() not in collector.raw
        collector.spans.clear()
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
        async with proxied(tmp_path, rules(vendor), otlp_endpoint=collector.base) as proxy:
            await proxy.chat("gpt", f"say:{SECRET}")
        assert SECRET in attributes(collector.request)["pilotfish.request.body"]


async def test_a_rescue_and_a_hedge_are_events_of_the_request(tmp_path, collector):
    async with SimulatedVendor(profile=Profile(chunks=8)) as vendor:
        async with proxied(
            tmp_path, rules(vendor, "on_stream_break: continue"), otlp_endpoint=collector.base
        ) as proxy:
            vendor.script(Fault.cut_at(50))
            assert (await proxy.chat("gpt", stream=True)).status == 200
        assert [e.name for e in collector.request.events] == ["rescue"]
        assert attributes(collector.attempts[0])["pilotfish.outcome"] == "broken_stream"
        collector.spans.clear()
        async with proxied(
            tmp_path,
            rules(vendor, "hedge: {after: 20, min_ms: 20, budget_percent: 100}"),
            otlp_endpoint=collector.base,
        ) as proxy:
            vendor.script(Fault.silence())
            assert (await proxy.chat("gpt", stream=True)).status == 200
        assert [(e.name, attributes(e)["pilotfish.service"]) for e in collector.request.events] == [
            ("hedge", "two/sim-small")
        ]
        assert attributes(collector.attempts[0])["pilotfish.outcome"] == "lost_race"


async def test_without_a_clients_trace_each_request_begins_its_own(tmp_path, collector):
    async with SimulatedVendor() as vendor:
        async with proxied(tmp_path, rules(vendor), otlp_endpoint=collector.base) as proxy:
            await proxy.chat("gpt")
            await proxy.chat("gpt")
        roots = [s for s in collector.spans if not s.parent_span_id]
        assert len({s.trace_id for s in roots}) == 2


async def test_a_client_that_does_not_sample_its_trace_gets_no_spans_but_its_trace_goes_on(
    tmp_path, collector
):
    async with SimulatedVendor() as vendor:
        async with proxied(tmp_path, rules(vendor), otlp_endpoint=collector.base) as proxy:
            body = {"model": "gpt", "messages": [{"role": "user", "content": "x"}]}
            await proxy.post("/v1/chat/completions", body, {"traceparent": f"00-{TRACE}-{SPAN}-00"})
        assert collector.spans == []
        assert vendor.requests[0].headers["traceparent"].startswith(f"00-{TRACE}-")
        assert vendor.requests[0].headers["traceparent"].endswith("-00")


async def test_with_no_endpoint_the_clients_trace_context_goes_through_as_it_came(tmp_path):
    async with SimulatedVendor() as vendor, proxied(tmp_path, rules(vendor)) as proxy:
        body = {"model": "gpt", "messages": [{"role": "user", "content": "x"}]}
        await proxy.post("/v1/chat/completions", body, TRACED)
        assert {k: vendor.requests[0].headers[k] for k in TRACED} == TRACED
        await proxy.chat("gpt")
        assert "traceparent" not in vendor.requests[1].headers


async def test_a_collector_that_is_away_disturbs_no_request(tmp_path, caplog):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, rules(vendor), otlp_endpoint="http://127.0.0.1:9") as proxy,
    ):
        assert (await proxy.chat("gpt")).status == 200


def test_an_endpoint_that_is_no_url_is_refused_at_start():
    with pytest.raises(StartError, match="PILOTFISH_OTLP_ENDPOINT: expected http"):
        App(Settings(otlp_endpoint="user:hush@collector:4317"))
