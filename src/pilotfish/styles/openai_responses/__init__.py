"""OpenAI Responses.

Source: OpenAI API reference, "Responses" (platform.openai.com/docs/api-reference/responses), read 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotfish.styles._errors import error_from_body
from pilotfish.styles.openai.errors import error_body
from pilotfish.styles.openai_responses.errors import error_event
from pilotfish.styles.openai_responses.watch import ResponsesWatcher

if TYPE_CHECKING:
    from pilotfish.core.style import ErrorInfo, Watcher


class OpenAIResponses:
    """See `core.style.Style`."""

    name = "openai_responses"
    stream_content_type = "text/event-stream"

    def watcher(self) -> Watcher:
        return ResponsesWatcher()

    def read_error(self, status: int, body: bytes) -> ErrorInfo:
        return error_from_body(status, body)

    def write_error(self, status: int, error: ErrorInfo) -> bytes:
        return error_body(error, status)

    def error_event(self, error: ErrorInfo) -> bytes:
        return error_event(error, sequence_number=0)

    def ping_event(self) -> bytes:
        return b": ping\n\n"


STYLE = OpenAIResponses()
