"""OpenAI Chat Completions, and what most vendors and servers speak in its likeness.

Source: OpenAI API reference, "Chat" (platform.openai.com/docs/api-reference/chat), read 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotfish.core.formats.sse import SseDecoder
from pilotfish.styles._errors import error_from_body
from pilotfish.styles.openai.errors import error_body, error_event
from pilotfish.styles.openai.inspector import OpenAIWatcher

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pilotfish.core.formats.error_info import ErrorInfo
    from pilotfish.core.formats.neutral import Chat, Reply
    from pilotfish.core.formats.style import (
        ResponseInspector,
        StreamReader,
        StreamWriter,
        Target,
        Written,
    )


class OpenAI:
    """See `core.formats.style.Style`. Translations are imported when one is first needed."""

    name = "openai"
    stream_content_type = "text/event-stream"
    terminal_event = b"data: [DONE]\n\n"

    def event_decoder(self) -> SseDecoder:
        return SseDecoder()

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Chat:
        from pilotfish.styles.openai.request_in import read_request

        return read_request(body, model=model, stream=stream)

    def write_request(self, chat: Chat, target: Target) -> Written:
        from pilotfish.styles.openai.request_out import write_request

        return write_request(chat, target)

    def read_reply(self, body: bytes) -> Reply:
        from pilotfish.styles.openai.reply import read_reply

        return read_reply(body)

    def write_reply(self, reply: Reply, *, model: str, request_id: str, now: float) -> bytes:
        from pilotfish.styles.openai.reply import write_reply

        return write_reply(reply, model=model, request_id=request_id, now=now)

    def stream_reader(self) -> StreamReader:
        from pilotfish.styles.openai.stream_in import OpenAIStreamReader

        return OpenAIStreamReader()

    def stream_writer(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> StreamWriter:
        from pilotfish.styles.openai.stream_out import OpenAIStreamWriter

        return OpenAIStreamWriter(model=model, request_id=request_id, now=now, options=options)

    def inspector(self) -> ResponseInspector:
        return OpenAIWatcher()

    def read_error(self, status: int, body: bytes, type_header: str = "") -> ErrorInfo:
        return error_from_body(status, body)

    def write_error(self, status: int, error: ErrorInfo) -> bytes:
        return error_body(error, status)

    def error_event(self, error: ErrorInfo) -> bytes:
        return error_event(error)

    def ping_event(self) -> bytes:
        return b": ping\n\n"


STYLE = OpenAI()
