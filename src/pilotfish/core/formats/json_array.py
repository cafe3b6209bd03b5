"""A JSON array of objects that arrives in pieces, cut into its elements: the form in which Google
streams where SSE was not asked for.

`[{...},\\n{...}]` gives three events: `[{...}`, `,\\n{...}` and `]`. Each holds what stands before
its element, so joining what `feed` gave is the stream again, and the closing bracket is an event of
its own, since it is the proper end.
"""

from __future__ import annotations

import re

from pilotfish.core.formats.sse import LIMIT_BYTES, MAX_EVENTS, EventTooLong, TooManyEvents

# What changes anything: outside of strings brackets and quotes, inside quotes and backslashes.
_OUTSIDE = re.compile(rb'["\[\]{}]')
_INSIDE = re.compile(rb'["\\]')

_BETWEEN = b"[, \t\r\n"


class JsonArrayDecoder:
    """Cuts a byte stream into elements; one per stream. Whether they are JSON is for the reader to
    say.
    """

    __slots__ = ("_buffer", "_depth", "_in_string", "_limit", "_searched", "closed")

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._buffer = bytearray()
        self._limit = limit_bytes
        self._searched = 0
        self._depth = 0  # of objects, and of arrays inside the outer one, which does not count
        self._in_string = False
        self.closed = False

    @property
    def rest(self) -> bytes:
        """What came after the last whole element."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The elements that `data` completes. Raises `core.formats.sse.EventTooLong`; the stream is
        of no use after that.
        """
        buffer = self._buffer
        buffer += data
        events: list[bytes] = []
        start = 0
        while (end := self._next_end()) is not None:
            if end - start > self._limit:
                raise EventTooLong(end - start, self._limit, events)
            events.append(bytes(buffer[start:end]))
            start = end
            if len(events) > MAX_EVENTS:
                raise TooManyEvents(events)
        if start:
            del buffer[:start]
            self._searched -= start
        if len(buffer) > self._limit:
            raise EventTooLong(len(buffer), self._limit, events)
        return events

    def _next_end(self) -> int | None:
        """Where the next element ends; None where it is not there yet. Goes on where it stopped."""
        buffer = self._buffer
        while found := (_INSIDE if self._in_string else _OUTSIDE).search(buffer, self._searched):
            mark, self._searched = found.group(), found.end()
            if mark == b'"':
                self._in_string = not self._in_string
            elif mark == b"\\":
                if self._searched == len(buffer):  # what it escapes has not come yet
                    self._searched -= 1
                    return None
                self._searched += 1
            elif mark in b"{[":
                # The outer bracket is the first one outside of everything.
                if mark == b"{" or self._depth:
                    self._depth += 1
            elif self._depth:
                self._depth -= 1
                if not self._depth:
                    return self._searched
            elif mark == b"]" and not self.closed:
                self.closed = True
                return self._searched
        self._searched = len(buffer)
        return None


def value_of(event: bytes) -> bytes:
    """The element without what separates it from its neighbours; empty for the closing bracket."""
    value = event.strip(_BETWEEN)
    return b"" if value == b"]" else value
