"""What a request's head must be like: limits, versions, the headers that frame a message. Pure.

llhttp has checked the syntax by then: one length or chunks but never both, no line ends or NUL
within headers, no folded lines.
"""

from __future__ import annotations

from typing import NamedTuple

import httptools

from pilotfish.http1.exchange import Exchange

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 128

_LOOKED_AT = frozenset((b"host", b"content-length", b"transfer-encoding", b"expect"))
_UPGRADING = frozenset((b"upgrade", b"connection", b"http2-settings"))


class BadRequest(NamedTuple):
    """Why a request is not served; its connection ends after the answer."""

    status: int
    message: str


_TOO_LARGE = BadRequest(
    431,
    f"the request's head is too large, at most {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers are read",
)


def refusal_for(error: httptools.HttpParserError) -> BadRequest:
    """What the client is told when llhttp cannot go on."""
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return BadRequest(501, "the request's method is not one that this proxy knows")
    return BadRequest(400, "the request is not HTTP/1.1 that this proxy accepts")


def check_head(
    exchange: Exchange, version: str, at_most: int, max_body_bytes: int
) -> BadRequest | bool:
    """A refusal, or whether the client waits for `100 Continue`. Makes an absolute target relative.

    `at_most`: bytes that have been read since the head began, perhaps more than it has.
    """
    headers = exchange.headers
    if len(headers) > MAX_HEADERS or (
        at_most > MAX_HEAD_BYTES and _size(exchange) > MAX_HEAD_BYTES
    ):
        return _TOO_LARGE
    if version != "1.1" and version != "1.0":
        return BadRequest(505, f"HTTP/{version} is not served here, only 1.1 and 1.0")
    hosts = 0
    waits = framed = False
    for name, value in headers:
        if name in _LOOKED_AT:
            if name == b"host":
                hosts += 1
            elif name == b"expect":
                waits = version == "1.1" and value.lower() == b"100-continue"
            elif name == b"content-length":
                length = int(value)
                if length > max_body_bytes:
                    return BadRequest(
                        413,
                        f"the request body is larger than {max_body_bytes} bytes: content-length is {length}",
                    )
                framed = length > 0
            elif version == "1.0":
                return BadRequest(
                    400,
                    "HTTP/1.0 knows no transfer-encoding: other servers on the way may frame this body differently",
                )
            elif value.lower() == b"chunked":
                framed = True
            else:
                return BadRequest(
                    501,
                    "the request's transfer-encoding is not one that this proxy knows, only chunked is",
                )
    if exchange.method == b"CONNECT":
        return BadRequest(405, "CONNECT is not served: this is not a forward proxy")
    if hosts != 1 and (hosts or version == "1.1"):
        return BadRequest(400, f"a request has one host header, found {hosts}")
    if not exchange.target.startswith(b"/"):
        _make_relative(exchange)
    return waits and framed


def check_unfinished_head(read: int, headers: int) -> BadRequest | None:
    """`read`: bytes of it so far."""
    return _TOO_LARGE if read > MAX_HEAD_BYTES or headers > MAX_HEADERS else None


def head_without_upgrade(exchange: Exchange) -> bytes:
    """The head once more as it is sent, for a parser that shall see no wish for another protocol in
    it.
    """
    lines = [
        b"%b %b HTTP/%b" % (exchange.method, exchange.target, b"1.0" if exchange.old else b"1.1")
    ]
    lines += [b"%b: %b" % h for h in exchange.headers if h[0] not in _UPGRADING]
    wishes = (
        b",".join(v for n, v in exchange.headers if n == b"connection")
        .lower()
        .replace(b" ", b"")
        .replace(b"\t", b"")
        .split(b",")
    )
    lines += [b"connection: %b" % wish for wish in (b"close", b"keep-alive") if wish in wishes]
    return b"\r\n".join([*lines, b"", b""])


def _size(exchange: Exchange) -> int:
    """Bytes of a head without its white space, within a few of what was sent."""
    return len(exchange.target) + sum(
        len(name) + len(value) + 4 for name, value in exchange.headers
    )


def _make_relative(exchange: Exchange) -> None:
    """Clients that take us for a forward proxy send `http://host/path`, which RFC 9112 3.2.2 asks
    every server to read.
    """
    _, scheme, rest = exchange.target.partition(b"://")
    if scheme:
        authority = min(
            (i for i in (rest.find(b"/"), rest.find(b"?")) if i >= 0), default=len(rest)
        )
        path = rest[authority:]
        exchange.target = path if path.startswith(b"/") else b"/" + path
