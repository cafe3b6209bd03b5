"""The neutral form of a stream: what readers give and writers take. `Delta` is the union of all of
it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import (
    Audio,
    Citation,
    Document,
    FinishReason,
    Image,
    Opaque,
    Signature,
    TokenLogprob,
)
from pilotfish.core.formats.usage import Usage


class MessageStart(msgspec.Struct, frozen=True):
    """The answer begins. Comes at most once and first; a writer copes without it."""

    id: str = ""
    model: str = ""


class TextDelta(msgspec.Struct, frozen=True):
    text: str
    signature: Signature | None = None


class RefusalDelta(msgspec.Struct, frozen=True):
    text: str


class ThinkingDelta(msgspec.Struct, frozen=True):
    """`id`: of the item that it belongs to, where that is known before its end (Responses)."""

    text: str
    summary: bool = False
    id: str = ""


class ThinkingEnd(msgspec.Struct, frozen=True):
    """The current run of thinking is complete. `signature` proves it; `redacted`: there was no
    text, the data is in `signature`.
    """

    signature: Signature | None = None
    redacted: bool = False
    id: str = ""


class ToolStart(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call begins. `index` counts the calls of this answer from 0 and is how later
    `ToolArgs` name it.
    """

    index: int
    id: str
    name: str
    kind: Literal["function", "custom"] = "function"
    signature: Signature | None = None


class ToolArgs(msgspec.Struct, frozen=True):
    index: int
    text: str


class BlockEnd(msgspec.Struct, frozen=True):
    """The current text or tool call is complete (Anthropic and Bedrock say so, the others do not).
    A hint: writers must not need it.
    """


class CitationDelta(msgspec.Struct, frozen=True):
    """Belongs to the text that is being written."""

    citation: Citation


class LogprobsDelta(msgspec.Struct, frozen=True):
    tokens: tuple[TokenLogprob, ...]


class PartDelta(msgspec.Struct, frozen=True):
    """A whole part at once: an image or audio that the model made, or an opaque block."""

    part: Image | Audio | Document | Opaque


class Finish(msgspec.Struct, frozen=True):
    """`canned`: the text until now is what a guardrail was set up to say, and no answer."""

    reason: FinishReason
    stop_sequence: str = ""
    details: str = ""
    canned: bool = False


class UsageDelta(msgspec.Struct, frozen=True):
    """Counts so far, cumulative; a later one replaces an earlier one."""

    usage: Usage


class StreamError(msgspec.Struct, frozen=True):
    """The upstream said that it failed."""

    error: ErrorInfo


class End(msgspec.Struct, frozen=True):
    """The style's proper end was seen ([DONE], message_stop, response.completed ...)."""


class Ping(msgspec.Struct, frozen=True):
    pass


class Malformed(msgspec.Struct, frozen=True):
    """An event that its style cannot have; left out and counted."""

    event: bytes


Delta = (
    MessageStart | TextDelta | RefusalDelta | ThinkingDelta | ThinkingEnd | ToolStart | ToolArgs
    | BlockEnd | CitationDelta | LogprobsDelta | PartDelta | Finish | UsageDelta | StreamError
    | End | Ping | Malformed
)  # fmt: skip
