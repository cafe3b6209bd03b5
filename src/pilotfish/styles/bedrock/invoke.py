"""Another vendor's stream in Bedrock's frames: InvokeModelWithResponseStream. Each frame's `chunk`
holds one event's data as base64.

Source: Amazon Bedrock API reference, "InvokeModelWithResponseStream"
(docs.aws.amazon.com/bedrock/latest/APIReference), read 2026-11.
"""

from __future__ import annotations

import re

import msgspec

from pilotfish.core.formats import eventstream
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.sse import EventTooLong, event_from
from pilotfish.styles._loose import BAD_JSON
from pilotfish.styles.bedrock.errors import damage_error, message_error

# Every event of Anthropic's begins with its type, by which its SDKs know it.
_TYPE = re.compile(rb'\s*\{\s*"type"\s*:\s*"([a-z_]+)"')
_LINE_END = re.compile(rb"[\r\n]")


class _Chunk(msgspec.Struct, gc=False):
    """Beside the bytes stands `p`: padding, so that the length does not give away the text."""

    data: bytes = msgspec.field(name="bytes")


_chunks = msgspec.json.Decoder(_Chunk)


class ChunkDecoder:
    """A `core.formats.style.EventDecoder`: frames in, Anthropic's events out, as Anthropic itself
    would send them.

    An exception comes out as an error event, and so does a frame that is damaged: what it held is
    missing from the answer, and an answer with a hole must not look whole. Nothing comes after
    either. What is not JSON is passed on for the inspector to judge.
    """

    __slots__ = ("_frames", "over")

    def __init__(self) -> None:
        self._frames = eventstream.EventStreamDecoder()
        self.over = False

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes. Raises `core.formats.sse.EventTooLong`."""
        try:
            return self._events(self._frames.feed(data))
        except EventTooLong as error:
            error.events = self._events(error.events)
            raise

    def _events(self, frames: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        for frame in frames:
            if self.over:
                break
            event = self._event(frame)
            if event:
                events.append(event)
        return events

    def _event(self, frame: bytes) -> bytes:
        """Empty for a frame of a kind that has nothing for the client."""
        try:
            message = eventstream.read(frame)
        except eventstream.FrameError as damage:
            return self._ended_by(damage_error(damage))
        if message.headers.get(":message-type") != "event":
            return self._ended_by(message_error(message))
        if message.headers.get(":event-type") != "chunk":
            return b""
        try:
            data = _chunks.decode(message.payload).data
        except msgspec.ValidationError as damage:
            return self._ended_by(damage_error(damage))
        except BAD_JSON:
            data = message.payload
        if _LINE_END.search(data):
            data = _on_one_line(data)
        found = _TYPE.match(data)
        return event_from(data, found[1] if found else b"")

    def _ended_by(self, error: ErrorInfo) -> bytes:
        self.over = True
        fields = {"type": error.type, "message": error.message, "status": error.status}
        return event_from(msgspec.json.encode({"type": "error", "error": fields}), b"error")


def _on_one_line(data: bytes) -> bytes:
    """JSON may be written over several lines, an event's data may not."""
    try:
        return msgspec.json.format(data, indent=-1)
    except BAD_JSON:
        return _LINE_END.sub(b" ", data)
