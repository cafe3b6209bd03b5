"""OpenAI Responses.

Source: OpenAI API reference, "Responses" (platform.openai.com/docs/api-reference/responses), read
2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.style import ResponseInspector
from pilotfish.styles._style import BaseStyle
from pilotfish.styles.openai.errors import error_body
from pilotfish.styles.openai_responses.errors import error_event
from pilotfish.styles.openai_responses.inspector import ResponsesInspector


class OpenAIResponses(BaseStyle):
    """See `core.formats.style.Style`. There is no terminal event to add to a stream that lacks it:
    `response.completed` holds the whole answer."""

    name = "openai_responses"
    _foreign_marks = (b'"pilotfish:',)
    prompt_stub = ("input", b'"-"')

    def with_system_prompt(self, members: Mapping[str, msgspec.Raw], text: str) -> dict[str, bytes]:
        from pilotfish.styles._system_prompt import before_text

        return before_text(members, "instructions", text)

    def inspector(self) -> ResponseInspector:
        return ResponsesInspector()

    def write_error(self, status: int, error: ErrorInfo) -> bytes:
        return error_body(error, status)

    def error_event(self, error: ErrorInfo) -> bytes:
        return error_event(error, sequence_number=0)


STYLE = OpenAIResponses()
