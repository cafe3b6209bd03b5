"""Anthropic's style as a client of Bedrock reads it: streams in Bedrock's frames, errors in its
words. Whole answers are Anthropic's own.

Source: Amazon Bedrock API reference, "InvokeModelWithResponseStream"
(docs.aws.amazon.com/bedrock/latest/APIReference), read 2026-11.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from pilotfish.core.formats import eventstream
from pilotfish.core.formats.deltas import Delta
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.sse import SseDecoder, data_of
from pilotfish.core.formats.style import StreamWriter
from pilotfish.styles.anthropic import Anthropic
from pilotfish.styles.bedrock.errors import error_body, error_frame

_HEADERS = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
_PING = b"event: ping"


def chunk(event: bytes) -> bytes:
    """An event of Anthropic's as a frame; empty for one that says nothing. Bedrock sends no pings,
    and its SDKs would take one for an event of the answer.
    """
    data = b"" if event.startswith(_PING) else data_of(event)
    return eventstream.write(_HEADERS, b'{"bytes":"%b"}' % b64encode(data)) if data else b""


def framing(rename: Callable[[bytes], bytes] | None) -> Callable[[bytes], bytes]:
    """What makes a frame of an event after `rename` has gone over it."""
    return chunk if rename is None else lambda event: chunk(rename(event))


class FramedWriter:
    """A `StreamWriter` whose events go out as frames."""

    def __init__(self, writer: StreamWriter) -> None:
        self._writer, self._split = writer, SseDecoder().feed

    def _framed(self, events: bytes) -> bytes:
        return b"".join(map(chunk, self._split(events)))

    def write(self, deltas: list[Delta]) -> bytes:
        return self._framed(self._writer.write(deltas))

    def take_over(self, events: list[bytes], text: str) -> None:
        """`events` are Anthropic's, as they were before they were framed."""
        self._writer.take_over(events, text)

    def ping(self) -> bytes:
        return b""

    def error(self, error: ErrorInfo) -> bytes:
        return error_frame(error)

    def end(self) -> bytes:
        return self._framed(self._writer.end())


class Invoked(Anthropic):
    """See `core.formats.style.Style`. It is no style of a service's: what goes upstream is
    Anthropic's."""

    request_id_header = b"x-amzn-requestid"
    stream_content_type = "application/vnd.amazon.eventstream"
    terminal_event = chunk(Anthropic.terminal_event)

    def stream_writer(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> StreamWriter:
        return FramedWriter(
            super().stream_writer(model=model, request_id=request_id, now=now, options=options)
        )

    def write_error(self, status: int, error: ErrorInfo) -> bytes:
        return error_body(error, status)

    def error_event(self, error: ErrorInfo) -> bytes:
        return error_frame(error)

    def ping_event(self) -> bytes:
        return b""


INVOKED = Invoked()
