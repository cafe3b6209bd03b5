"""What the styles have in common. Each fills in its name, its inspector and its errors; where its
translations lie is the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import Chat, Reply
from pilotfish.core.formats.sse import SseDecoder
from pilotfish.core.formats.style import (
    EventDecoder,
    Quirks,
    StreamReader,
    StreamWriter,
    Target,
    Written,
)
from pilotfish.core.model.variants import exported
from pilotfish.styles._errors import error_from_body


@cache
def translation(style: str, module: str, name: str) -> Any:
    """What a module of a style's folder exports by that name; imported when first asked for."""
    return exported(f"pilotfish.styles.{style}", module, name)


class BaseStyle:
    """The part of `core.formats.style.Style` that all styles share.

    A style's folder has `request_in.read_request`, `request_out.write_request`, `reply.read_reply`,
    `reply.write_reply`, `stream_in.READER` and `stream_out.WRITER`. Each is imported when a request
    first needs it, since most sidecars only pass bytes through.
    """

    name: str
    stream_content_type = "text/event-stream"
    terminal_event = b""
    canned_chars = 0

    def event_decoder(self) -> EventDecoder:
        return SseDecoder()

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Chat:
        read = translation(self.name, "request_in", "read_request")
        chat: Chat = read(body, model=model, stream=stream)
        return chat

    def write_request(self, chat: Chat, target: Target) -> Written:
        written: Written = translation(self.name, "request_out", "write_request")(chat, target)
        return written

    def same_style_edits(
        self, members: Mapping[str, msgspec.Raw], quirks: Quirks
    ) -> dict[str, bytes]:
        return {}

    def read_reply(self, body: bytes) -> Reply:
        reply: Reply = translation(self.name, "reply", "read_reply")(body)
        return reply

    def write_reply(self, reply: Reply, *, model: str, request_id: str, now: float) -> bytes:
        write = translation(self.name, "reply", "write_reply")
        body: bytes = write(reply, model=model, request_id=request_id, now=now)
        return body

    def stream_reader(self) -> StreamReader:
        reader: StreamReader = translation(self.name, "stream_in", "READER")()
        return reader

    def stream_writer(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> StreamWriter:
        """See `core.formats.style.Style.stream_writer`; a style's writer says which options it
        has."""
        make = translation(self.name, "stream_out", "WRITER")
        writer: StreamWriter = make(model=model, request_id=request_id, now=now, options=options)
        return writer

    def read_error(self, status: int, body: bytes, type_header: str = "") -> ErrorInfo:
        return error_from_body(status, body)

    def ping_event(self) -> bytes:
        return b": ping\n\n"
