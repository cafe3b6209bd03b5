"""Going on with a stream that broke: what the next service is asked, and how its words join those
the client has.
"""

from __future__ import annotations

import msgspec

from pilotfish.core.formats.deltas import (
    Delta,
    MessageStart,
    TextDelta,
    ThinkingDelta,
    ThinkingEnd,
    ToolStart,
    UsageDelta,
)
from pilotfish.core.formats.neutral import Chat, Text, Turn
from pilotfish.core.formats.usage import Usage

# The user turn for a model that takes no prefill. Its own text is the assistant turn before it.
INSTRUCTION = (
    "Your last answer was cut off by a network error. Continue it from exactly where it stops, "
    "starting with the very next character. "
    "Do not repeat anything, do not comment, do not apologise."
)
# A repetition shorter than this is more likely chance than a repetition.
MIN_OVERLAP = 8
MAX_OVERLAP = 400


def continuation(chat: Chat, text: str, *, prefill: bool) -> Chat:
    """The client's request with what was already answered. `prefill`: as a last assistant turn,
    which the answer then goes on from.
    """
    # Vendors refuse a prefill that ends in blanks; the seam is then sewn by `OverlapTrimmer`.
    turns = (*chat.turns, Turn("assistant", (Text(text.rstrip() if prefill else text),)))
    if not prefill:
        turns = (*turns, Turn("user", (Text(INSTRUCTION),)))
    return msgspec.structs.replace(chat, turns=turns, thinking=None)


class Transcript:
    """What a client has seen of a stream, for as long as another service could go on from it."""

    __slots__ = ("_parts", "has_tool", "is_signed")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.has_tool = self.is_signed = False

    def note(self, delta: Delta) -> None:
        if isinstance(delta, TextDelta):
            self._parts.append(delta.text)
            self.is_signed = self.is_signed or delta.signature is not None
        elif isinstance(delta, ToolStart):
            self.has_tool = True
        elif isinstance(delta, ThinkingEnd) and (delta.signature is not None or delta.redacted):
            self.is_signed = True

    @property
    def text(self) -> str:
        return "".join(self._parts)

    @property
    def can_be_resumed(self) -> bool:
        """Some text, no tool call begun (its arguments cannot be continued), no thinking that only
        its own vendor can go on from.
        """
        return not self.has_tool and not self.is_signed and any(self._parts)


class OverlapTrimmer:
    """Leaves out what a continuation repeats of the text so far."""

    __slots__ = ("_ends", "_held", "_open")

    def __init__(self, text: str) -> None:
        tail = text[-MAX_OVERLAP:]
        self._ends = [tail[-n:] for n in range(len(tail), MIN_OVERLAP - 1, -1)]  # the longest first
        # A prefill goes without its trailing blanks, so the answer may begin with them again.
        blanks = tail[len(tail.rstrip()) :]
        if blanks:
            self._ends.append(blanks)
        self._held = ""
        self._open = bool(self._ends)

    def feed(self, text: str) -> str:
        """What of this is new; held back as long as it could still be a repetition."""
        if not self._open:
            return text
        self._held += text
        for end in self._ends:
            if self._held.startswith(end):
                return self._close(self._held[len(end) :])
            if end.startswith(self._held):
                return ""
        return self._close(self._held)

    def flush(self) -> str:
        """The stream is over: what was held is no repetition, unless it is all of one that a longer
        one could have begun with.
        """
        held = self._held
        repeated = next((end for end in self._ends if held.startswith(end)), "")
        return self._close(held[len(repeated) :])

    def _close(self, new: str) -> str:
        self._open, self._held = False, ""
        return new


class Continuation:
    """Turns a second answer's deltas into the rest of the first one: no second start, no thinking
    anew, no repetition, one usage.
    """

    __slots__ = ("_before", "_seam")

    def __init__(self, text: str, before: Usage | None) -> None:
        self._seam = OverlapTrimmer(text)
        self._before = before

    def fit(self, delta: Delta) -> list[Delta]:
        if isinstance(delta, MessageStart | ThinkingDelta | ThinkingEnd):
            return []
        if isinstance(delta, TextDelta):
            new = self._seam.feed(delta.text)
            return [TextDelta(new)] if new else []
        if isinstance(delta, UsageDelta):
            before = self._before
            return [UsageDelta(delta.usage if before is None else before.plus(delta.usage))]
        return [*self.rest(), delta]

    def rest(self) -> list[Delta]:
        """What was held back as a possible repetition, now that something else follows it, or
        nothing any more.
        """
        held = self._seam.flush()
        return [TextDelta(held)] if held else []
