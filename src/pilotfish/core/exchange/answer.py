"""The answer of one attempt as it comes from the upstream: what kind of answer its head promises,
and its body, unpacked where it is compressed and kept where it must be whole before it is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from pilotfish.core.exchange.inflate import Inflate
from pilotfish.core.model.provider import CHAT_STYLES

Header = tuple[bytes, bytes]

ERROR_BYTES = 64 * 1024  # as much of an error's body is read
WHOLE_BYTES = 64 * 1024 * 1024  # an answer that does not come in pieces is held to this size
TEXT_OPS = frozenset({*CHAT_STYLES, "completions"})
_STREAM_TYPES = (b"text/event-stream", b"application/vnd.amazon.eventstream")
_JSON_TYPES = (b"application/json", b"application/problem+json")

# What kind of answer the head promises. ERROR: a status of 300 or more.
UNKNOWN, ERROR, WHOLE, STREAM, RAW = "", "error", "whole", "stream", "raw"


class Answer:
    """`mode` is one of the kinds above, UNKNOWN until the head is here. `size` counts the bytes
    kept of a body that is read whole."""

    __slots__ = ("_inflate", "_parts", "headers", "mode", "size", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self.mode = UNKNOWN
        self.size = 0
        self._parts: list[bytes] = []
        self._inflate: Inflate | None = None

    def head(self, status: int, headers: list[Header], op: str, *, streams: bool) -> None:
        """The head is here. `op` is the upstream's operation, `streams` whether the client asked
        for a stream. Raises ValueError for an encoding that cannot be undone."""
        self.status, self.headers = status, headers
        content_type = b""
        for name, value in headers:
            if name == b"content-type":
                content_type = value.lower()
            elif name == b"content-encoding" and value.lower() != b"identity":
                self._inflate = Inflate(value.lower())
        if status >= 300:
            self.mode = ERROR
        elif op in TEXT_OPS and streams and content_type.startswith(_STREAM_TYPES):
            self.mode = STREAM
        elif op in TEXT_OPS or content_type.startswith(_JSON_TYPES):
            self.mode = WHOLE
        else:
            self.mode = RAW

    def unpack(self, data: bytes) -> Sequence[bytes]:
        """The body's bytes in what was read. Raises ValueError for a damaged compression."""
        return (data,) if self._inflate is None else self._inflate.feed(data)

    def keep(self, data: bytes) -> bool:
        """More of a body that is read whole; false where it is larger than is kept."""
        self._parts.append(data)
        self.size += len(data)
        return self.size <= (ERROR_BYTES if self.mode == ERROR else WHOLE_BYTES)

    @property
    def is_cut_short(self) -> bool:
        """Whether the body ended within its compression."""
        return self._inflate is not None and not self._inflate.is_complete

    def take_body(self) -> bytes:
        """What was kept of the body, which is forgotten here."""
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)
