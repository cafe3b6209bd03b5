"""OpenAI Chat Completions, and what most vendors and servers speak in its likeness.

Source: OpenAI API reference, "Chat" (platform.openai.com/docs/api-reference/chat), read 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotfish.styles._errors import error_from_body
from pilotfish.styles.openai.errors import error_body, error_event
from pilotfish.styles.openai.watch import OpenAIWatcher

if TYPE_CHECKING:
    from pilotfish.core.style import ErrorInfo, Watcher


class OpenAI:
    """See `core.style.Style`."""

    name = "openai"
    stream_content_type = "text/event-stream"

    def watcher(self) -> Watcher:
        return OpenAIWatcher()

    def read_error(self, status: int, body: bytes) -> ErrorInfo:
        return error_from_body(status, body)

    def write_error(self, status: int, error: ErrorInfo) -> bytes:
        return error_body(error, status)

    def error_event(self, error: ErrorInfo) -> bytes:
        return error_event(error)

    def ping_event(self) -> bytes:
        return b": ping\n\n"


STYLE = OpenAI()
