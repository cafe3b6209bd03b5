"""What all stream writers do alike."""

from __future__ import annotations

import pytest

from pilotfish import styles
from pilotfish.core.formats import deltas
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import FinishReason
from pilotfish.core.formats.style import StreamWriter
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._stream_writer import BaseStreamWriter

EVERY_STYLE = pytest.mark.parametrize("style", styles.names())


def writer_of(style: str) -> StreamWriter:
    return styles.get(style).stream_writer(model="m", request_id="r", now=0.0, options={})


class Noted(BaseStreamWriter):
    """Notes which methods were called."""

    def __init__(self, **options):
        super().__init__(**options)
        self.ids = []

    def _begin(self, first):
        self._out.append(b"begin ")

    def _finish_stream(self):
        self._out.append(b"end:%b" % self._reason().encode())

    def _on_text(self, delta):
        self._out.append(b"text:%b " % delta.text.encode())

    def _on_arguments(self, delta):
        self._out.append(b"args ")

    def _on_tool(self, delta):
        self.ids.append(delta.id)
        self._out.append(b"tool ")

    def _error(self, error):
        return b"error"


def noted(*given: deltas.Delta) -> bytes:
    writer = Noted(model="m", request_id="r", now=0.0, options={})
    return writer.write(list(given)) + writer.end()


CALL = deltas.ToolStart(index=0, id="a", name="f")
STOP = deltas.Finish(FinishReason.STOP)


def test_what_comes_before_all_else_comes_once_even_where_nothing_else_does():
    assert noted() == b"begin end:stop"
    assert noted(deltas.TextDelta("a"), deltas.TextDelta("b")) == b"begin text:a text:b end:stop"


def test_a_stop_after_a_call_or_a_refusal_is_theirs():
    assert noted(CALL, STOP) == b"begin tool end:tool_calls"
    assert noted(deltas.RefusalDelta("no"), STOP) == b"begin text:no end:refusal"
    assert noted(CALL, deltas.Finish(FinishReason.LENGTH)) == b"begin tool end:length"


def test_a_call_without_an_id_gets_one_that_no_other_has():
    calls = [deltas.ToolStart(index=index, id="", name="f") for index in range(2)]
    found = []
    for request in ("one", "two"):
        writer = Noted(model="m", request_id=request, now=0.0, options={})
        writer.write([*calls, CALL])
        writer.end()
        found += writer.ids
    assert all(found)
    assert len(set(found)) == 5
    assert found[2] == found[5] == "a"


def test_the_first_finish_counts():
    assert noted(deltas.Finish(FinishReason.LENGTH), STOP) == b"begin end:length"


def test_nothing_comes_after_an_error():
    assert noted(deltas.StreamError(ErrorInfo(message="broken"))) == b"begin error"


@EVERY_STYLE
def test_no_style_writes_after_an_error_or_twice_an_end(style):
    writer = writer_of(style)
    writer.write([deltas.TextDelta("a")])
    assert writer.error(ErrorInfo(message="broken"))
    assert writer.end() == b""
    writer = writer_of(style)
    assert writer.end()
    assert writer.end() + writer.error(ErrorInfo(message="late")) == b""


@EVERY_STYLE
def test_every_style_writes_every_delta(style):
    """None is forgotten by a style that was not thought of when it came."""
    every: list[deltas.Delta] = [
        deltas.MessageStart("r", "m"),
        deltas.ThinkingDelta("hm"),
        deltas.ThinkingEnd(),
        deltas.LogprobsDelta(()),
        deltas.RefusalDelta("no"),
        CALL,
        deltas.ToolArgs(0, "{}"),
        deltas.BlockEnd(),
        deltas.UsageDelta(Usage()),
        deltas.Ping(),
        STOP,
    ]
    writer = writer_of(style)
    assert b"no" in writer.write(every) + writer.end()
