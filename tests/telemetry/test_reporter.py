"""One place that requests report to: metrics, log and traces hear the same, in this order."""

import orjson
import pytest

from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.telemetry import series as s
from pilotfish.telemetry.access_log import AccessLog
from pilotfish.telemetry.recorder import MetricsRecorder
from pilotfish.telemetry.registry import Registry
from pilotfish.telemetry.reporter import Reporter
from telemetry.rules import attempt, request, snapshot

RULES = snapshot("chat")
TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def traced():
    """A client's request that names its trace."""
    path = "/v1/chat/completions"
    headers = [(b"traceparent", TRACEPARENT)]
    return Inbound(endpoints.find(path), path, "", headers, b"{}", "r-1", "")


class Trace:
    trace_id = "ab" * 16

    def __init__(self):
        self.heard = []

    def headers(self, attempt):
        return []

    def attempt_over(self, attempt):
        self.heard.append("attempt")

    def over(self):
        self.heard.append("over")


class Tracer:
    def begin(self, record, inbound):
        return Trace()


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def written():
    return []


@pytest.fixture
def make(registry, written):
    def make(tracer=None):
        recorder = MetricsRecorder(registry)
        recorder.adopt(RULES)
        return Reporter(recorder, AccessLog(written.append), tracer)

    return make


def over(reporter, trace=None):
    rule = RULES.rules[0]
    made = request(rule, attempt(rule.services[0]))
    for each in made.attempts:
        reporter.attempt_over(each, made, trace)
    reporter.request_over(made, trace)


async def test_without_a_tracer_there_is_no_trace_and_all_else_is_told(make, registry, written):
    reporter = make()
    assert reporter.begin(request(RULES.rules[0]), traced()) is None
    over(reporter)
    reporter.access_log.flush()
    assert registry[s.REQUESTS].children["chat", "openai", "200"].value == 1
    assert [orjson.loads(line)["rule"] for line in b"".join(written).splitlines()] == ["chat"]


async def test_a_trace_hears_of_attempts_and_then_of_the_end(make):
    reporter = make(Tracer())
    trace = reporter.begin(request(RULES.rules[0]), traced())
    over(reporter, trace)
    assert trace.heard == ["attempt", "over"]


@pytest.mark.parametrize(
    ("tracer", "trace_id"), [(None, TRACEPARENT[3:35].decode()), (Tracer(), "ab" * 16)]
)
def test_measurements_name_the_trace_only_where_somebody_reads_them(
    make, registry, tracer, trace_id
):
    reporter, made = make(tracer), request(RULES.rules[0])
    reporter.begin(made, traced())
    assert made.trace_id == ""
    registry.exemplars = True
    reporter.begin(made, traced())
    assert made.trace_id == trace_id


async def test_a_local_reply_is_counted_and_logged(make, registry, written):
    reporter = make()
    reporter.local_reply(
        request_id="r", rule="", style="openai", path="/v1/x", code=404, reason="no rule"
    )
    reporter.access_log.flush()
    (line,) = map(orjson.loads, written)
    assert (line["code"], line["reason"], line["rule"]) == (404, "no rule", None)
    assert registry[s.REQUESTS].children["", "openai", "404"].value == 1
