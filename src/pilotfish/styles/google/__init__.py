"""Google's generateContent, as Gemini API and Vertex AI speak it. Model and streaming are in the
path, not in the body.

Source: Gemini API reference, "Generating content" (ai.google.dev/api/generate-content), read
2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.style import ResponseInspector
from pilotfish.styles._style import BaseStyle
from pilotfish.styles.google.errors import error_body, read_error
from pilotfish.styles.google.inspector import GoogleInspector


class Google(BaseStyle):
    """See `core.formats.style.Style`. Services are always asked for Server-Sent Events; a client
    that did not ask for `alt=sse` gets `application/json`."""

    name = "google"
    # Calls, too: those of other vendors' models lack the signature that Gemini 3 asks for.
    _foreign_marks = (b"cGlsb3RmaXNo", b"functionCall")
    prompt_stub = ("contents", b'[{"role":"user","parts":[{"text":"-"}]}]')

    def with_system_prompt(self, members: Mapping[str, msgspec.Raw], text: str) -> dict[str, bytes]:
        from pilotfish.styles._system_prompt import before_parts

        name = "system_instruction" if "system_instruction" in members else "systemInstruction"
        return before_parts(members, name, text)

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
