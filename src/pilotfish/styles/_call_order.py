"""Tool calls one after the other, for styles whose blocks must not overlap.

Some upstreams write the arguments of parallel calls in alternation. What comes while a call is not
complete waits until it is.
"""

from __future__ import annotations

import re
from collections import deque

from pilotfish.core.formats.deltas import (
    BlockEnd,
    Delta,
    Finish,
    LogprobsDelta,
    Ping,
    StreamError,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from pilotfish.styles._errors import json_or_none

# What changes anything: outside of strings brackets and quotes, inside quotes and escapes.
_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')


class CallOrder:
    """Gives deltas in an order in which no tool call begins, and nothing else is written, while
    another is open.
    """

    __slots__ = ("_arguments", "_early", "_ended", "_open", "_waiting")

    def __init__(self) -> None:
        self._open: int | None = None
        self._ended = False  # the upstream itself said that the open call is complete
        self._arguments = _Arguments()
        self._waiting: deque[Delta] = deque()
        # Arguments of calls that wait, by their index.
        self._early: dict[int, list[ToolArgs]] = {}

    def feed(self, delta: Delta) -> list[Delta]:
        if self._open is None and not isinstance(delta, ToolStart):
            # No call is open: nearly every delta. Arguments then come too late: their call is
            # closed.
            return [] if isinstance(delta, ToolArgs) else [delta]
        if isinstance(delta, Ping | UsageDelta | LogprobsDelta):
            return [delta]
        if isinstance(delta, Finish | StreamError):
            return [*self.rest(), delta]
        if isinstance(delta, ToolArgs):
            return self._feed_arguments(delta)
        if isinstance(delta, BlockEnd) and not self._waiting:
            self._ended = True
            return [delta]
        if isinstance(delta, ToolStart):
            self._early[delta.index] = []
        self._waiting.append(delta)
        return self._next()

    def _feed_arguments(self, delta: ToolArgs) -> list[Delta]:
        if delta.index == self._open:
            self._arguments.add(delta.text)
            return [delta, *self._next()]
        early = self._early.get(delta.index)
        if early is not None:
            early.append(delta)
        return self._next()

    def rest(self) -> list[Delta]:
        """Everything that waits, complete or not: the answer is at its end."""
        out: list[Delta] = []
        while self._waiting:
            out += self._advance()
        self._open = None
        return out

    def _next(self) -> list[Delta]:
        out: list[Delta] = []
        while self._waiting and (
            self._open is None or self._ended or self._arguments.are_complete()
        ):
            out += self._advance()
        return out

    def _advance(self) -> list[Delta]:
        """The first that waits, and for a call all of its arguments that came so far."""
        delta = self._waiting.popleft()
        self._open, self._ended, self._arguments = None, False, _Arguments()
        if not isinstance(delta, ToolStart):
            return [delta]
        own = self._early.pop(delta.index, [])
        self._open = delta.index
        for args in own:
            self._arguments.add(args.text)
        return [delta, *own]


class _Arguments:
    """One call's arguments as they come. Brackets are counted as far as they are here, so that the
    whole is read as JSON once: when the last of them is closed.
    """

    __slots__ = ("_depth", "_in_string", "_is_escaped", "_pieces", "_seen", "_verdict")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._seen = 0  # pieces whose brackets are counted
        self._depth = 0
        self._in_string = self._is_escaped = False
        self._verdict: bool | None = None

    def add(self, text: str) -> None:
        self._pieces.append(text)

    def are_complete(self) -> bool:
        """Whether they are a whole JSON object."""
        while self._verdict is None and self._seen < len(self._pieces):
            if self._closes(self._pieces[self._seen]):
                # What comes after a whole value, or makes it none, mends nothing.
                text = "".join(self._pieces)
                self._verdict = isinstance(
                    json_or_none(text.encode("utf-8", "surrogatepass")), dict
                )
            self._seen += 1
        return bool(self._verdict)

    def _closes(self, text: str) -> bool:
        """Counts the brackets of a piece; true where the last one that is open is closed."""
        at = 1 if self._is_escaped and text else 0
        self._is_escaped = self._is_escaped and not text
        while found := (_INSIDE if self._in_string else _OUTSIDE).search(text, at):
            mark, at = found.group(), found.end()
            if mark == '"':
                self._in_string = not self._in_string
            elif mark == "\\":
                self._is_escaped = at == len(text)
                at += 1
            elif mark in "{[":
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth <= 0:
                    return True
        return False
