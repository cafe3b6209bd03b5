"""A stream of Server-Sent Events as the JSON array that a Google client gets without `alt=sse`,
payloads byte for byte.

For pass-through: services are always asked for events, since only these tell a cut stream from a
whole one.
"""

from __future__ import annotations

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.styles.google.errors import error_body
from pilotfish.styles.google.inspector import payload_of


class ArrayFraming:
    """One per stream. `feed` takes events that the client may see; `end` and `error` close the
    array.
    """

    __slots__ = ("_begun", "_closed")

    def __init__(self) -> None:
        self._begun = self._closed = False

    def go_on(self) -> None:
        """The client has had the array's beginning already."""
        self._begun = True

    def feed(self, event: bytes) -> bytes:
        """The event's payload as an element; white space for an event without one, which keeps the
        connection alive.
        """
        payload = payload_of(event)
        if self._closed:
            return b""
        return self.element(payload) if payload else b"\n"

    def element(self, payload: bytes) -> bytes:
        begun, self._begun = self._begun, True
        return (b",\r\n" if begun else b"[") + payload

    def error(self, error: ErrorInfo) -> bytes:
        """The error as the last element. After it nothing comes."""
        return self._last(self.element(error_body(error, error.status)))

    def end(self) -> bytes:
        return self._last(b"" if self._begun else b"[")

    def _last(self, element: bytes) -> bytes:
        if self._closed:
            return b""
        self._closed = True
        return element + b"]"
