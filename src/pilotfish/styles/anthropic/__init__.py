"""Anthropic Messages.

Source: Claude API reference, "Messages" (platform.claude.com/docs/en/api/messages), read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.style import ResponseInspector
from pilotfish.styles._style import BaseStyle
from pilotfish.styles.anthropic.errors import error_body, error_event
from pilotfish.styles.anthropic.inspector import AnthropicInspector


class Anthropic(BaseStyle):
    """See `core.formats.style.Style`."""

    name = "anthropic"
    request_id_header = b"request-id"
    _foreign_marks = (b'"pilotfish:',)
    terminal_event = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    def with_system_prompt(self, members: Mapping[str, msgspec.Raw], text: str) -> dict[str, bytes]:
        from pilotfish.styles._system_prompt import before_text

        return before_text(members, "system", text)

    def inspector(self) -> ResponseInspector:
        return AnthropicInspector()

    def write_error(self, status: int, error: ErrorInfo) -> bytes:
        return error_body(error, status)

    def error_event(self, error: ErrorInfo) -> bytes:
        return error_event(error)

    def ping_event(self) -> bytes:
        return b'event: ping\ndata: {"type":"ping"}\n\n'


STYLE = Anthropic()
