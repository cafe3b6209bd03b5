"""What the styles have in common. Each fills in its name, its inspector and its errors; where its
translations lie is the same for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import Chat, Opaque, Part, Reply, Text, ToolCall
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
from pilotfish.styles._media import made_up_id


@cache
def translation(style: str, module: str, name: str) -> Any:
    """What a module of a style's folder exports by that name; imported when first asked for."""
    return exported(f"pilotfish.styles.{style}", module, name)


def with_call_ids(reply: Reply, request_id: str) -> Reply:
    """An answer whose calls all have ids, since a client answers them by id."""
    parts: list[Part] = []
    count = 0
    for part in reply.parts:
        if isinstance(part, ToolCall):
            identity = part.id or made_up_id(request_id, count)
            part = msgspec.structs.replace(part, id=identity)
            count += 1
        parts.append(part)
    return msgspec.structs.replace(reply, parts=tuple(parts)) if count else reply


def with_words(chat: Chat, style: str) -> Chat:
    """A request whose parts that only another vendor knows are text, where they have one."""

    def plain(part: Part) -> Part:
        foreign = isinstance(part, Opaque) and part.origin != style and part.text
        return Text(f"{foreign}\n\n") if foreign else part

    if not any(isinstance(part, Opaque) for turn in chat.turns for part in turn.parts):
        return chat
    turns = [
        msgspec.structs.replace(turn, parts=tuple(map(plain, turn.parts))) for turn in chat.turns
    ]
    return msgspec.structs.replace(chat, turns=tuple(turns))


class BaseStyle:
    """The part of `core.formats.style.Style` that all styles share.

    A style's folder has `request_in.read_request`, `request_out.write_request`, `reply.read_reply`,
    `reply.write_reply`, `stream_in.READER` and `stream_out.WRITER`. Each is imported when a request
    first needs it, since most sidecars only pass bytes through.
    """

    name: str
    stream_content_type = "text/event-stream"
    terminal_event = b""
    request_id_header = b""
    canned_chars = 0
    # What a request has in it that may hold other vendors' proofs: their seal, also in base64.
    _foreign_marks: tuple[bytes, ...] = ()
    prompt_stub = ("messages", b'[{"role":"user","content":"-"}]')

    def event_decoder(self) -> EventDecoder:
        return SseDecoder()

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Chat:
        read = translation(self.name, "request_in", "read_request")
        chat: Chat = read(body, model=model, stream=stream)
        return chat

    def write_request(self, chat: Chat, target: Target) -> Written:
        write = translation(self.name, "request_out", "write_request")
        written: Written = write(with_words(chat, self.name), target)
        return written

    def same_style_edits(
        self, members: Mapping[str, msgspec.Raw], quirks: Quirks
    ) -> dict[str, bytes]:
        return {}

    def without_foreign_proofs(
        self, body: bytes, members: Mapping[str, msgspec.Raw], target: Target
    ) -> dict[str, bytes]:
        if not any(mark in body for mark in self._foreign_marks):
            return {}
        from pilotfish.styles._foreign_proofs import without_proofs

        return without_proofs(self.name, members, target)

    def same_style_answer(self, quirks: Quirks, request_id: str) -> Callable[[bytes], bytes]:
        return bytes

    def with_system_prompt(self, members: Mapping[str, msgspec.Raw], text: str) -> dict[str, bytes]:
        from pilotfish.styles._system_prompt import before_messages

        return before_messages(members, text)

    def read_reply(self, body: bytes) -> Reply:
        reply: Reply = translation(self.name, "reply", "read_reply")(body)
        return reply

    def write_reply(self, reply: Reply, *, model: str, request_id: str, now: float) -> bytes:
        write = translation(self.name, "reply", "write_reply")
        named = with_call_ids(reply, request_id)
        body: bytes = write(named, model=model, request_id=request_id, now=now)
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
