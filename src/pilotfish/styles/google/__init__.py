"""Google's generateContent, as Gemini API and Vertex AI speak it. Model and streaming are in the
path, not in the body.

Source: Gemini API reference, "Generating content" (ai.google.dev/api/generate-content), read
2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pilotfish.core.formats.sse import SseDecoder, event_from
from pilotfish.styles.google.errors import error_body, read_error
from pilotfish.styles.google.inspector import GoogleInspector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilotfish.core.formats.error_info import ErrorInfo
    from pilotfish.core.formats.neutral import Chat, Reply
    from pilotfish.core.formats.style import (
        ResponseInspector,
        StreamReader,
        StreamWriter,
        Target,
        Written,
    )


class Google:
    """See `core.formats.style.Style`. Translations are imported when a request first needs them."""

    name = "google"
    stream_content_type = (
        "text/event-stream"  # `application/json` where the client did not ask for `alt=sse`
    )
    terminal_event = b""

    def event_decoder(self) -> SseDecoder:
        """Services are always asked for Server-Sent Events; `core.formats.json_array` cuts the
        other form.
        """
        return SseDecoder()

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Chat:
        from pilotfish.styles.google.request_in import read_request

        return read_request(body, model=model, stream=stream)

    def write_request(self, chat: Chat, target: Target) -> Written:
        from pilotfish.styles.google.request_out import write_request

        return write_request(chat, target)

    def read_reply(self, body: bytes) -> Reply:
        from pilotfish.styles.google.reply import read_reply

        return read_reply(body)

    def write_reply(self, reply: Reply, *, model: str, request_id: str, now: float) -> bytes:
        from pilotfish.styles.google.reply import write_reply

        return write_reply(reply, model=model, request_id=request_id)

    def stream_reader(self) -> StreamReader:
        from pilotfish.styles.google.stream_in import GoogleReader

        return GoogleReader()

    def stream_writer(
        self, *, model: str, request_id: str, now: float, options: Mapping[str, Any]
    ) -> StreamWriter:
        """`options["array"]`: a JSON array instead of Server-Sent Events, as Google answers without
        `alt=sse`.
        """
        from pilotfish.styles.google.stream_out import GoogleWriter

        return GoogleWriter(model=model, request_id=request_id, array=bool(options.get("array")))

    def inspector(self) -> ResponseInspector:
        return GoogleInspector()

    def read_error(self, status: int, body: bytes, type_header: str = "") -> ErrorInfo:
        return read_error(status, body)

    def write_error(self, status: int, error: ErrorInfo) -> bytes:
        return error_body(error, status)

    def error_event(self, error: ErrorInfo, *, array: bool = False, first: bool = False) -> bytes:
        """`array`: the last element of a JSON array, with its bracket; `first`: nothing stands
        before it.
        """
        body = error_body(error, error.status)
        if array:
            return (b"[" if first else b",") + body + b"]"
        return event_from(body)

    def ping_event(self) -> bytes:
        """A blank line. Google's own SDK takes a comment for JSON and fails; white space is nothing
        to it, in an array as in SSE.
        """
        return b"\n\n"


STYLE = Google()
