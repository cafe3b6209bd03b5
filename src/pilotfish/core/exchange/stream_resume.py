"""Going on with a stream that broke: what the next service is asked, and how its words join those
the client has.
"""

from __future__ import annotations

import msgspec

from pilotfish.core.formats.deltas import (
    BlockEnd,
    CitationDelta,
    Delta,
    Finish,
    LogprobsDelta,
    MessageStart,
    PartDelta,
    RefusalDelta,
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
_NOT_CONTINUABLE = (ToolStart, PartDelta, RefusalDelta)
# A repetition of the end shorter than this is more likely chance than a repetition. So are fewer
# characters that begin as the answer began, and, since tables and code repeat themselves, fewer
# that stand somewhere in its middle.
MIN_OVERLAP = 8
MIN_RESTART = 12
MIN_PASSAGE = 120
# A text may repeat itself without end. Of the places that a repetition may have begun at, so many are
# followed: the earliest, and those nearest to the end.
MAX_PLACES = 64
# A text longer than so many characters is not kept for another service to go on with.
MOST_TEXT = 1_000_000
JOINED_PARTS = 512


def continuation(chat: Chat, text: str, *, prefill: bool) -> Chat:
    """The client's request with what was already answered. `prefill`: as a last assistant turn,
    which the answer then goes on from.
    """
    # Vendors refuse a prefill that ends in blanks; the seam is then sewn by `OverlapTrimmer`.
    turns = (*chat.turns, Turn("assistant", (Text(text.rstrip() if prefill else text),)))
    if not prefill:
        turns = (*turns, Turn("user", (Text(INSTRUCTION),)))
    return msgspec.structs.replace(chat, turns=turns, thinking=None)


def asks_for_words(chat: Chat) -> bool:
    """Whether a request asks for one answer in words, so that another service could go on with it:
    several answers cannot be told apart in one text, and a format (JSON, a schema) is kept by the
    service that began to write it."""
    if chat.response_format is not None:
        return False
    names = [path for fields in chat.extras.values() for path in fields]
    return not any(path.rpartition(".")[2] in _SEVERAL for path in (*names, *chat.lost))


_SEVERAL = ("n", "candidateCount")


class Transcript:
    """What a client has seen of a stream, for as long as another service could go on from it.
    `text`: what it has seen already, of a stream that was passed through.
    """

    __slots__ = ("_parts", "_text", "has_other", "is_signed")

    def __init__(self, text: str = "") -> None:
        self._text = text
        self._parts: list[str] = []
        self.has_other = self.is_signed = False

    def note(self, delta: Delta) -> None:
        if isinstance(delta, TextDelta):
            self._parts.append(delta.text)
            if len(self._parts) >= JOINED_PARTS and len(self.text) > MOST_TEXT:
                self.has_other, self._text = True, ""
        self.look(delta)

    def look(self, delta: Delta) -> None:
        """As `note`, but for text that is known already."""
        if isinstance(delta, TextDelta):
            self.is_signed = self.is_signed or delta.signature is not None
        elif isinstance(delta, _NOT_CONTINUABLE):
            self.has_other = True
        elif isinstance(delta, ThinkingEnd) and (delta.signature is not None or delta.redacted):
            self.is_signed = True

    @property
    def text(self) -> str:
        if self._parts:
            self._text = "".join((self._text, *self._parts))
            self._parts.clear()
        return self._text

    @property
    def can_be_resumed(self) -> bool:
        """Some text, no tool call begun (its arguments cannot be continued) nor anything else that
        is no text, no thinking that only its own vendor can go on from.
        """
        return not self.has_other and not self.is_signed and bool(self.text.strip())


class OverlapTrimmer:
    """Leaves out what a continuation repeats of the text so far: an end of it, however long, or all
    of it where the answer is begun anew. Text is held back as long as it could still be such a
    repetition.

    `diverged`: it repeated the answer's beginning, or a long passage, and went on otherwise. It is
    of no use then, and none of it is given out.
    """

    __slots__ = (
        "_ends",
        "_first",
        "_lead",
        "_matched",
        "_open",
        "_restarted",
        "_starts",
        "_text",
        "diverged",
    )

    def __init__(self, text: str) -> None:
        self._text = text
        self._first = len(text) - len(text.lstrip())  # where the answer's own text begins
        self._lead = ""  # the blanks that the continuation begins with
        self._starts: list[int] | None = None  # places of the text that all of it matches from
        self._ends: list[int] = []  # places from which it repeats the text to its end
        self._matched = 0  # how many characters of it match, blanks before them not counted
        self._restarted = 0  # how many of them as the answer began
        self._open = bool(text.strip())
        self.diverged = False

    def feed(self, text: str) -> str:
        """What of this is new."""
        if not self._open or not text:
            return "" if self.diverged else text
        if self._starts is not None:
            return self._match(text, self._starts)
        body = (self._lead + text).lstrip()
        self._lead = (self._lead + text)[: len(self._lead + text) - len(body)]
        return self._match(body, self._candidates(body[0])) if body else ""

    def flush(self) -> str:
        """The stream is over, or something else than text follows: what was held is no repetition,
        unless it is all of one that a longer one could have begun with.
        """
        if not self._open:
            return ""
        starts = self._starts or []
        held = self._text[starts[0] : starts[0] + self._matched] if starts else ""
        return self._decide(held, starts, "")

    def _candidates(self, char: str) -> list[int]:
        """The places where a repetition may begin: the answer's beginning, and all that this
        character follows the same blanks at.
        """
        text, lead, found = self._text, self._lead, []
        at = text.find(char)
        while at >= 0:
            if at == self._first or not lead or text.endswith(lead, 0, at):
                found.append(at)
            at = text.find(char, at + 1)
        return found

    def _match(self, piece: str, starts: list[int]) -> str:
        text, matched = self._text, self._matched
        alive = []
        for start in starts:
            here = start + matched
            if len(piece) < len(text) - here:
                if text.startswith(piece, here):
                    alive.append(start)
            elif piece.startswith(text[here:]):
                self._ends.append(start)
        if starts and starts[0] == self._first:
            self._restarted = matched + _common(piece, text, self._first + matched)
        if len(alive) > MAX_PLACES:
            alive[1 : 1 - MAX_PLACES] = []
        if alive:
            self._starts, self._matched = alive, matched + len(piece)
            return ""
        held = text[starts[0] : starts[0] + matched] if starts else ""
        return self._decide(held + piece, starts, piece)

    def _decide(self, said: str, starts: list[int], last: str) -> str:
        """What is new of `said`, which matches the text from `starts` on but for its `last`
        piece."""
        self._open = False
        text, self._starts = self._text, []
        start = min(self._ends, default=len(text))
        overlap = len(text) - start
        if overlap >= MIN_OVERLAP or (start == self._first and overlap > 1):
            return said[overlap:]
        passage = max(
            (self._matched + _common(last, text, s + self._matched) for s in starts), default=0
        )
        whole = len(text) - self._first
        if self._restarted >= min(MIN_RESTART, whole) > 1 or passage >= MIN_PASSAGE:
            self.diverged = True
            return ""
        return self._blanks() + said

    def _blanks(self) -> str:
        """The blanks that new text begins with. A prefill goes without its trailing ones, so the
        answer may begin with them again.
        """
        blanks, lead = self._text[len(self._text.rstrip()) :], self._lead
        if blanks and lead.startswith(blanks):
            return lead[len(blanks) :]
        return "" if blanks.endswith(lead) else lead


def _common(piece: str, text: str, at: int) -> int:
    """How many characters of `piece` stand in `text` from `at` on."""
    if text.startswith(piece, at):
        return len(piece)
    return next(
        (
            i
            for i, (a, b) in enumerate(zip(piece, text[at : at + len(piece)], strict=False))
            if a != b
        ),
        min(len(piece), max(0, len(text) - at)),
    )


class Continuation:
    """Turns a second answer's deltas into the rest of the first one: no second start, no thinking
    anew, no repetition, one usage. Nothing comes out before it is known that there is something
    new (`has_begun`), so that the client's stream is as it was where the answer turns out to be of
    no use.
    """

    __slots__ = ("_before", "_seam", "_waiting", "has_begun")

    def __init__(self, text: str, before: Usage | None) -> None:
        self._seam = OverlapTrimmer(text)
        self._before = before
        self.has_begun = False
        self._waiting: list[Delta] = []

    @property
    def diverged(self) -> bool:
        """It left the answer that it began anew: what it says is not to be used."""
        return self._seam.diverged

    def fit(self, delta: Delta) -> list[Delta]:
        if isinstance(delta, MessageStart | ThinkingDelta | ThinkingEnd):
            return []
        if isinstance(delta, TextDelta):
            new = self._seam.feed(delta.text)
            return self._out([TextDelta(new)]) if new else []
        if isinstance(delta, UsageDelta):
            before = self._before
            counted = UsageDelta(delta.usage if before is None else before.plus(delta.usage))
            return [counted] if self.has_begun else self._wait(counted)
        if self.has_begun:
            return [delta]
        if isinstance(delta, LogprobsDelta | CitationDelta):
            return []  # of text that is repeated, or held back
        held = self._seam.flush()
        if self.diverged:
            return []
        if held:
            return self._out([TextDelta(held), delta])
        if isinstance(delta, BlockEnd):
            return []  # of a block that held nothing new
        return self._wait(delta) if isinstance(delta, Finish) else self._out([delta])

    def rest(self) -> list[Delta]:
        """What was held back as a possible repetition, now that nothing follows it any more."""
        held = self._seam.flush()
        if self.diverged:
            return []
        return self._out([TextDelta(held)] if held else [])

    def _wait(self, delta: Delta) -> list[Delta]:
        self._waiting.append(delta)
        return []

    def _out(self, deltas: list[Delta]) -> list[Delta]:
        self.has_begun = True
        waiting, self._waiting = self._waiting, []
        return [*deltas, *waiting]
