"""The pieces that all wires share."""

from __future__ import annotations

from pilotfish.simulated.wires.wire import ABSENT, BROKEN_JSON, present, sse


def test_an_event_is_a_value_or_bytes_as_they_are():
    assert sse({"a": 1}) == b'data: {"a":1}\n\n'
    assert sse(b"[DONE]") == b"data: [DONE]\n\n"
    assert sse(BROKEN_JSON, "delta") == b'event: delta\ndata: {"broken": [1, 2\n\n'


def test_what_is_absent_is_left_out_and_null_is_not():
    assert present(a=None, b=ABSENT, c=0) == {"a": None, "c": 0}
