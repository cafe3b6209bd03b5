"""What the inspectors of all styles share; see `core.formats.style.ResponseInspector`."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from pilotfish.core.formats.bounds import has_too_many_values
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.usage import Usage
from pilotfish.styles._loose import BAD_JSON, decode_as

S = TypeVar("S", bound=msgspec.Struct)

MOST_SAID = 1_000_000
"""How many characters of a stream are kept for a service that would have to go on with it."""


class BaseInspector:
    """The fields of a `core.formats.style.ResponseInspector`, as they are before anything came."""

    __slots__ = ("beyond_text", "error", "finish_reason", "model", "other_chars", "said", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.error: ErrorInfo | None = None
        self.said: list[str] = []
        self.beyond_text = False
        self.other_chars = 0  # of content that is not in `said`

    @property
    def chars(self) -> int:
        return self.other_chars + sum(map(len, self.said))

    def join_said(self) -> None:
        said = "".join(self.said)
        if len(said) > MOST_SAID:
            self.beyond_text = True
        if self.beyond_text:  # then it is only counted
            self.other_chars += len(said)
            said = ""
        self.said = [said]


def whole_answer(decoder: msgspec.json.Decoder[S], body: bytes) -> S | None:
    """The answer in a body; None for what is not JSON, and for a bare text or number, which is JSON
    but no answer of any endpoint, or holds too much to be one."""
    if has_too_many_values(body):
        return None
    try:
        found = decode_as(decoder, body)
    except BAD_JSON:
        return None
    return found if body.lstrip()[:1] in (b"{", b"[") else None
