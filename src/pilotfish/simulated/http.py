"""HTTP/1.1 as bytes: requests parsed however they are cut, heads and chunks written. Pure.

Written here rather than taken from a library, since a server that must also break the protocol
needs its hands on every byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

MAX_HEAD_BYTES = 256 * 1024
LAST_CHUNK = b"0\r\n\r\n"


class HttpError(Exception):
    """What came is not an HTTP/1.1 request."""


@dataclass(frozen=True, slots=True)
class VendorRequest:
    """`headers` have lower-case names; of a repeated one the last counts. `path` is decoded and
    without the query.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class RequestParser:
    """Takes bytes as they come and gives whole requests."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: tuple[str, str, dict[str, str]] | None = None
        self._chunks: bytearray | None = None

    @property
    def awaits_body(self) -> bool:
        """Whether a head with `Expect: 100-continue` was read whose body has not come."""
        return self._head is not None and self._head[2].get("expect", "").lower() == "100-continue"

    def feed(self, data: bytes) -> list[VendorRequest]:
        """The requests that `data` completes. Raises HttpError."""
        self._buffer += data
        found = []
        while (request := self._next()) is not None:
            found.append(request)
        return found

    def _next(self) -> VendorRequest | None:
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEAD_BYTES:
                    raise HttpError(f"head of more than {MAX_HEAD_BYTES} bytes")
                return None
            self._head = _head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
        method, target, headers = self._head
        body = self._body(headers)
        if body is None:
            return None
        self._head = None
        parts = urlsplit(target)
        query = {
            name: values[-1]
            for name, values in parse_qs(parts.query, keep_blank_values=True).items()
        }
        return VendorRequest(method, unquote(parts.path), query, headers, body)

    def _body(self, headers: dict[str, str]) -> bytes | None:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunked()
        try:
            length = int(headers.get("content-length", "0"))
        except ValueError as error:
            raise HttpError(
                f"content-length: found {headers['content-length']!r}, expected a number"
            ) from error
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _chunked(self) -> bytes | None:
        if self._chunks is None:
            self._chunks = bytearray()
        while True:
            line_end = self._buffer.find(b"\r\n")
            if line_end < 0:
                return None
            try:
                size = int(bytes(self._buffer[:line_end]).split(b";")[0], 16)
            except ValueError as error:
                raise HttpError("chunk without a size") from error
            if len(self._buffer) < line_end + 2 + size + 2:
                return None
            self._chunks += self._buffer[line_end + 2 : line_end + 2 + size]
            del self._buffer[: line_end + 2 + size + 2]
            if size == 0:  # trailers are not supported: none of the clients sends any
                body, self._chunks = bytes(self._chunks), None
                return body


def _head(raw: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = raw.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise HttpError(f"request line: found {first[:80]!r}, expected METHOD TARGET HTTP/1.1")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise HttpError(f"header line without a colon: {line[:80]!r}")
        headers[name.strip().lower()] = value.strip()
    return words[0], words[1], headers


def response_head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """Status line and headers with the blank line."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:  # 529 and other vendors' own
        reason = "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; nothing for nothing, since an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
