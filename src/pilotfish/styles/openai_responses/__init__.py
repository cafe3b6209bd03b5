"""OpenAI Responses.

Source: OpenAI API reference, "Responses" (platform.openai.com/docs/api-reference/responses), read
2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotfish.core.formats.sse import SseDecoder
from pilotfish.styles._errors import error_from_body
from pilotfish.styles.openai.errors import error_body
from pilotfish.styles.openai_responses.errors import error_event
from pilotfish.styles.openai_responses.inspector import ResponsesInspector

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


class OpenAIResponses:
    """See `core.formats.style.Style`. Translations are imported when one is first needed."""

    name = "openai_responses"
    stream_content_type = "text/event-stream"
    terminal_event = (
        b""  # `response.completed` holds the whole answer: what is missing cannot be made up
    )

    def event_decoder(self) -> SseDecoder:
        return SseDecoder()

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Chat:
        from pilotfish.styles.openai_responses.request_in import read_request

        return read_request(body, model=model, stream=stream)

    def write_request(self, chat: Chat, target: Target) -> Written:
        from pilotfish.styles.openai_responses.request_out import write_request

        return write_request(chat, target)

    def read_reply(self, body: bytes) -> Reply:
        from pilotfish.styles.openai_responses.reply import read_reply

        return read_reply(body)

    def write_reply(self, reply: Reply, *, model: str, request_id: str, now: float) -> bytes:
        from pilotfish.styles.openai_responses.reply import write_reply

        return write_reply(reply, model=model, request_id=request_id, now=now)

    def stream_reader(self) -> StreamReader:
        from pilotfish.styles.openai_responses.stream_in import ResponsesStreamReader

        return ResponsesStreamReader()

    def stream_writer(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> StreamWriter:
        from pilotfish.styles.openai_responses.stream_out import ResponsesStreamWriter

        return ResponsesStreamWriter(model=model, request_id=request_id, now=now, options=options)

    def inspector(self) -> ResponseInspector:
        return ResponsesInspector()

    def read_error(self, status: int, body: bytes, type_header: str = "") -> ErrorInfo:
        return error_from_body(status, body)

    def write_error(self, status: int, error: ErrorInfo) -> bytes:
        return error_body(error, status)

    def error_event(self, error: ErrorInfo) -> bytes:
        return error_event(error, sequence_number=0)

    def ping_event(self) -> bytes:
        return b": ping\n\n"


STYLE = OpenAIResponses()
