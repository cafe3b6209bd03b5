"""Tool calls one after the other, for styles whose blocks must not overlap.

Some upstreams write the arguments of parallel calls in alternation. What comes while a call is not
complete waits until it is.
"""

from __future__ import annotations

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


class CallOrder:
    """Gives deltas in an order in which no tool call begins, and nothing else is written, while
    another is open.
    """

    __slots__ = ("_arguments", "_ended", "_open", "_waiting")

    def __init__(self) -> None:
        self._open: int | None = None
        self._ended = False  # the upstream itself said that the open call is complete
        self._arguments: list[str] = []
        self._waiting: list[Delta] = []

    def feed(self, delta: Delta) -> list[Delta]:
        if self._open is None and not isinstance(delta, ToolStart):
            # No call is open: nearly every delta. Arguments then come too late: their call is
            # closed.
            return [] if isinstance(delta, ToolArgs) else [delta]
        if isinstance(delta, Ping | UsageDelta | LogprobsDelta):
            return [delta]
        if isinstance(delta, Finish | StreamError):
            return [*self.rest(), delta]
        if isinstance(delta, ToolArgs) and delta.index == self._open:
            self._arguments.append(delta.text)
            return [delta, *self._next()] if self._waiting else [delta]
        if isinstance(delta, BlockEnd) and not self._waiting:
            self._ended = True
            return [delta]
        self._waiting.append(delta)
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
        while self._waiting and self._is_complete():
            out += self._advance()
        return out

    def _is_complete(self) -> bool:
        return (
            self._open is None
            or self._ended
            or isinstance(json_or_none("".join(self._arguments).encode()), dict)
        )

    def _advance(self) -> list[Delta]:
        """The first that waits, and for a call all of its arguments that came so far. Arguments of
        a closed call come too late.
        """
        delta = self._waiting.pop(0)
        self._open, self._ended, self._arguments = None, False, []
        if isinstance(delta, ToolArgs):
            return []
        if not isinstance(delta, ToolStart):
            return [delta]
        own = [
            later
            for later in self._waiting
            if isinstance(later, ToolArgs) and later.index == delta.index
        ]
        self._waiting = [
            later
            for later in self._waiting
            if not (isinstance(later, ToolArgs) and later.index == delta.index)
        ]
        self._open = delta.index
        self._arguments = [args.text for args in own]
        return [delta, *own]
