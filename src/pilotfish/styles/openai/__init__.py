"""OpenAI Chat Completions, and what most vendors and servers speak in its likeness.

Source: OpenAI API reference, "Chat" (platform.openai.com/docs/api-reference/chat), read 2026-11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.style import Quirks, ResponseInspector
from pilotfish.styles._style import BaseStyle, translation
from pilotfish.styles.openai.errors import error_body, error_event
from pilotfish.styles.openai.inspector import OpenAIInspector


class OpenAI(BaseStyle):
    """See `core.formats.style.Style`."""

    name = "openai"
    terminal_event = b"data: [DONE]\n\n"

    def same_style_edits(
        self, members: Mapping[str, msgspec.Raw], quirks: Quirks
    ) -> dict[str, bytes]:
        edits: dict[str, bytes] = translation(self.name, "same_style", "edits")(members, quirks)
        return edits

    def same_style_answer(self, quirks: Quirks, request_id: str) -> Callable[[bytes], bytes]:
        if not quirks.odd_calls:
            return bytes
        editor = translation(self.name, "same_style", "AnswerEditor")(request_id)
        edit: Callable[[bytes], bytes] = editor.edit
        return edit

    def inspector(self) -> ResponseInspector:
        return OpenAIInspector()

    def write_error(self, status: int, error: ErrorInfo) -> bytes:
        return error_body(error, status)

    def error_event(self, error: ErrorInfo) -> bytes:
        return error_event(error)


STYLE = OpenAI()
