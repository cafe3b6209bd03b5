"""Pass-through for clients without `alt=sse`: the same payloads as one JSON array."""

from __future__ import annotations

import json

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.styles.google.array import ArrayFraming

EVENTS = [b'data: {"a": 1}\r\n\r\n', b": comment\n\n", b'data: {"b":"\xc3\xbc"}\n\n']


def test_a_broken_stream_is_a_whole_array_with_the_error_last():
    framing = ArrayFraming()
    out = framing.feed(EVENTS[0]) + framing.error(ErrorInfo(message="broke", status=503))
    assert json.loads(out)[-1]["error"]["code"] == 503
    assert (
        framing.feed(EVENTS[0]) == framing.end() == framing.error(ErrorInfo(message="again")) == b""
    )


def test_payloads_stay_byte_for_byte():
    framing = ArrayFraming()
    out = b"".join(map(framing.feed, EVENTS)) + framing.end()
    assert out == b'[{"a": 1}\n,\r\n{"b":"\xc3\xbc"}]'


def test_no_events_are_an_empty_array():
    assert ArrayFraming().end() == b"[]"
