"""Server-Sent Events, as the WHATWG standard has them (9.2.6): cut out of a stream without losing a
byte, read and written.

An event stays the bytes it came as, its blank line included, so that joining what `feed` gave is
the stream again. Only who needs the data takes the event apart. Extra blank lines stand at the head
of the event after them, however many they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LIMIT_BYTES = 2 * 1024 * 1024
# How many events one read may complete. The smallest that means anything takes thirty bytes, so
# a read of 256 KiB has fewer; each takes microseconds, in which nobody else is served.
MAX_EVENTS = 8192

# Where an event ends: two line ends in a row. LF, CRLF and CR may be mixed. A CR after an LF is a
# line end of its own only if no LF follows, which takes one more byte to know; all other cases are
# known at once, so an event is never held back.
_BLANK = re.compile(rb"\n\n|\r\r|\n\r\n|\n\r(?=[^\n])")
_CONTENT = re.compile(rb"[^\r\n]")
_BOM = b"\xef\xbb\xbf"
_NEWLINE = ord("\n")
# The lines of a field: its name alone, or a colon, a blank that does not count, and the value.
_LINES: Mapping[bytes, re.Pattern[bytes]] = {
    name: re.compile(rb"(?:\A|\r\n|\n|\r)%b(?:: ?([^\r\n]*))?(?=[\r\n]|\Z)" % name)
    for name in (b"data", b"event")
}


class EventTooLong(ValueError):
    """An event grew over the limit. `events` are the whole ones that came before it in the same
    read.
    """

    def __init__(self, size: int, limit: int, events: list[bytes]) -> None:
        super().__init__(f"event of at least {size} bytes, expected at most {limit}")
        self.events = events


class TooManyEvents(EventTooLong):
    """One read completed more events than `MAX_EVENTS`. `events` are those before."""

    def __init__(self, events: list[bytes]) -> None:
        ValueError.__init__(self, f"more than {MAX_EVENTS} events in one read")
        self.events = events[:MAX_EVENTS]


class SseDecoder:
    """Cuts a byte stream into events; one per stream."""

    __slots__ = ("_buffer", "_has_content", "_limit", "_searched")

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._has_content = False  # the event in the buffer is more than blank lines
        self._limit = limit_bytes

    @property
    def rest(self) -> bytes:
        """What came after the last whole event."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes. Raises `EventTooLong`; the stream is of no use after
        that.
        """
        if (
            not self._buffer
            and data.endswith(b"\n\n")
            and b"\r" not in data
            and len(data) <= self._limit
        ):
            # The common case: whole events in one read, and no blank lines but their ends.
            if data.find(b"\n\n") == len(data) - 2 and data[0] != _NEWLINE:
                return [data]
            if data[0] != _NEWLINE and b"\n\n\n" not in data:
                events = data.split(b"\n\n")
                events.pop()
                if len(events) <= MAX_EVENTS:
                    return [event + b"\n\n" for event in events]
        return self._feed_in_pieces(data)

    def _feed_in_pieces(self, data: bytes) -> list[bytes]:
        buffer = self._buffer
        buffer += data
        events: list[bytes] = []
        start, position = 0, self._searched
        while len(events) <= MAX_EVENTS:
            if not self._has_content:
                content = _CONTENT.search(buffer, position)
                if content is None:
                    position = len(buffer)
                    break
                position, self._has_content = content.start(), True
            found = _BLANK.search(buffer, position)
            if found is None:
                # The longest blank line is three bytes and one of look-ahead, so the last three
                # bytes are looked at again.
                position = max(position, len(buffer) - 3)
                break
            end = found.end()
            if end - start > self._limit:
                raise EventTooLong(end - start, self._limit, events)
            events.append(bytes(buffer[start:end]))
            start = position = end
            self._has_content = False
        else:
            raise TooManyEvents(events)
        if start:
            del buffer[:start]
        self._searched = position - start
        if len(buffer) > self._limit:
            raise EventTooLong(len(buffer), self._limit, events)
        return events


def data_of(event: bytes) -> bytes:
    """The data of an event: its `data` lines joined by newlines; empty if it has none."""
    last = len(event) - 2
    first = event.find(b"\n")
    if event.endswith(b"\n\n") and b"\r" not in event:
        if first == last and event.startswith(b"data: "):
            return event[6:-2]
        if (
            event.startswith(b"event: ")
            and event.startswith(b"\ndata: ", first)
            and event.find(b"\n", first + 1) == last
        ):
            return event[first + 7 : -2]
    return b"\n".join(_fields(event, b"data"))


def name_of(event: bytes) -> bytes:
    """The event's type as its `event` line says; empty if it has none."""
    names = _fields(event, b"event")
    return names[-1] if names else b""


def _fields(event: bytes, name: bytes) -> list[bytes]:
    """The values of all lines of one field."""
    if name not in event:
        return []
    return _LINES[name].findall(event.removeprefix(_BOM))


def event_from(data: bytes, name: bytes = b"") -> bytes:
    """An event of one line of data, with its type if it has one. `data` must hold no line end, as
    compact JSON does not.
    """
    if name:
        return b"event: %b\ndata: %b\n\n" % (name, data)
    return b"data: %b\n\n" % data
