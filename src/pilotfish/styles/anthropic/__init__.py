"""Anthropic Messages.

Source: Claude API reference, "Messages" (platform.claude.com/docs/en/api/messages), read 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotfish.styles._errors import error_from_body
from pilotfish.styles.anthropic.errors import error_body, error_event
from pilotfish.styles.anthropic.watch import AnthropicWatcher

if TYPE_CHECKING:
    from pilotfish.core.style import ErrorInfo, Watcher


class Anthropic:
    """See `core.style.Style`."""

    name = "anthropic"
    stream_content_type = "text/event-stream"

    def watcher(self) -> Watcher:
        return AnthropicWatcher()

    def read_error(self, status: int, body: bytes) -> ErrorInfo:
        return error_from_body(status, body)

    def write_error(self, status: int, error: ErrorInfo) -> bytes:
        return error_body(error, status)

    def error_event(self, error: ErrorInfo) -> bytes:
        return error_event(error)

    def ping_event(self) -> bytes:
        return b'event: ping\ndata: {"type":"ping"}\n\n'


STYLE = Anthropic()
