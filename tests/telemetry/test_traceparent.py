import pytest

from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.telemetry.traceparent import TraceContext, read_traceparent, trace_id_of, written

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def inbound(*values):
    headers = [(b"host", b"x"), *((b"traceparent", v.encode()) for v in values)]
    path = "/v1/chat/completions"
    return Inbound(endpoints.find(path), path, "", headers, b"{}", "r-1", "")


@pytest.mark.parametrize(
    "value",
    ["", "00", f"00-{TRACE}-{SPAN}", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE}-{SPAN}-1g"],
)  # fmt: skip
def test_what_is_no_trace_context_is_taken_for_none(value):
    assert read_traceparent(inbound(value)) is None
    assert trace_id_of(inbound(value)) == ""


def test_a_context_is_read_and_written_as_it_was():
    assert read_traceparent(inbound(f"00-{TRACE}-{SPAN}-01")) == TraceContext(TRACE, SPAN, 1)
    assert written(TraceContext(TRACE, SPAN, 1)) == f"00-{TRACE}-{SPAN}-01".encode()
    assert read_traceparent(inbound()) is None


def test_a_later_version_is_read_as_far_as_it_is_known():
    assert trace_id_of(inbound(f"01-{TRACE}-{SPAN}-03-more")) == TRACE
