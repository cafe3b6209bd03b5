"""What a request's head must be like: limits, versions, the headers that frame a message. Pure.

llhttp has checked the syntax by then: one length or chunks but never both, no line ends or NUL
within headers, no folded lines.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import httptools

from pilotfish.http1.exchange import Exchange, Header

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 128

_LOOKED_AT = frozenset(
    (
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"expect",
        b"origin",
        b"sec-fetch-site",
    )
)
_UPGRADING = frozenset((b"upgrade", b"connection", b"http2-settings"))
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
# What aiohttp's parser takes once only. The hot path lets them pass.
_ONCE = frozenset(
    (
        b"content-location",
        b"content-range",
        b"content-type",
        b"etag",
        b"max-forwards",
        b"server",
        b"user-agent",
    )
)


class RefusedRequest(NamedTuple):
    """Why a request is not served; its connection ends after the answer."""

    status: int
    message: str


class Callers(Protocol):
    """Who may call (`http1.callers`). `good_hosts`: values of `host` that are known to be ours."""

    good_hosts: set[bytes]

    def refusal(
        self, host: bytes | None, origin: bytes | None, site: bytes | None
    ) -> RefusedRequest | None: ...
    def page_of(self, origin: bytes | None) -> bytes: ...


_TOO_LARGE = RefusedRequest(
    431,
    f"the request's head is too large, at most {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers "
    "are read",
)


def refusal_for(error: httptools.HttpParserError) -> RefusedRequest:
    """The answer to bytes that llhttp does not accept."""
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return RefusedRequest(501, "the request's method is not one that this proxy knows")
    return RefusedRequest(400, "the request is not HTTP/1.1 that this proxy accepts")


def check_head(
    exchange: Exchange, version: str, at_most: int, max_body_bytes: int, callers: Callers
) -> RefusedRequest | bool:
    """A refusal, or whether the client waits for `100 Continue`.

    `at_most`: bytes that have been read since the head began, perhaps more than it has. What is
    handed over is also held to what the other parser refuses, and its body may have any size.
    """
    headers = exchange.headers
    too_long = at_most > MAX_HEAD_BYTES and _size(exchange) > MAX_HEAD_BYTES
    if too_long or len(headers) > MAX_HEADERS:
        return _TOO_LARGE
    if version != "1.1" and version != "1.0":
        return RefusedRequest(505, f"HTTP/{version} is not served here, only 1.1 and 1.0")
    hosts = origins = 0
    waits = framed = False
    host: bytes | None = None
    origin: bytes | None = None
    site: bytes | None = None
    if not _LOOKED_AT.isdisjoint(exchange.fields):
        for name, value in [h for h in headers if h[0] in _LOOKED_AT]:
            if name == b"host":
                hosts += 1
                host = value
            elif name == b"expect":
                waits = version == "1.1" and value.lower() == b"100-continue"
            elif name == b"origin":
                origins += 1
                origin = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"content-length":
                length = int(value)
                if length > max_body_bytes and not exchange.handed_over:
                    return RefusedRequest(
                        413,
                        f"the request body is larger than {max_body_bytes} bytes: "
                        f"content-length is {length}",
                    )
                framed = length > 0
            elif version == "1.1" and value.lower() == b"chunked":
                framed = True
            else:
                return _refused_coding(version)
    if exchange.method == b"CONNECT":
        return RefusedRequest(405, "CONNECT is not served: this is not a forward proxy")
    if hosts != 1 and (hosts or version == "1.1"):
        return RefusedRequest(400, f"a request has one host header, found {hosts}")
    if origins > 1:
        return RefusedRequest(400, f"a request has one origin header, found {origins}")
    if origin is not None or site is not None or host not in callers.good_hosts:
        refused = callers.refusal(host, origin, site)
        if refused is not None:
            return refused
        exchange.page = callers.page_of(origin)
    if exchange.target == b"*" and exchange.method != b"OPTIONS":
        return RefusedRequest(400, "the target * is for OPTIONS")
    if exchange.handed_over and (twice := _repeated(headers)):
        return RefusedRequest(400, f"a request has one {twice} header")
    return waits and framed


def _refused_coding(version: str) -> RefusedRequest:
    if version == "1.0":
        return RefusedRequest(
            400,
            "HTTP/1.0 knows no transfer-encoding: "
            "other servers on the way may frame this body differently",
        )
    return RefusedRequest(
        501, "the request's transfer-encoding is not one that this proxy knows, only chunked is"
    )


def check_unfinished_head(read: int, headers: int) -> RefusedRequest | None:
    """`read`: bytes of it so far."""
    return _TOO_LARGE if read > MAX_HEAD_BYTES or headers > MAX_HEADERS else None


def origin_form(target: bytes) -> bytes:
    """The target without its scheme and authority. Clients that take this server for a forward
    proxy send `http://host/path`, which RFC 9112 3.2.2 asks every server to read.
    """
    _, scheme, rest = target.partition(b"://")
    if not scheme:
        return target
    authority = min((i for i in (rest.find(b"/"), rest.find(b"?")) if i >= 0), default=len(rest))
    path = rest[authority:]
    return path if path.startswith(b"/") else b"/" + path


def _repeated(headers: list[Header]) -> str:
    """The first of the headers that may come once and comes twice; empty if there is none."""
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen:
            return name.decode()
        if name in _ONCE:
            seen.add(name)
    return ""


def without_upgrade(headers: list[Header]) -> list[Header]:
    """The headers without a wish for another protocol, and with no more of `connection` than
    whether the connection is kept.
    """
    wishes = {
        wish.strip(b" \t").lower()
        for name, value in headers
        if name == b"connection"
        for wish in value.split(b",")
    }
    kept = [header for header in headers if header[0] not in _UPGRADING]
    return [
        *kept,
        *((b"connection", wish) for wish in (b"close", b"keep-alive") if wish in wishes),
    ]


def head_bytes(exchange: Exchange, headers: list[Header]) -> bytes:
    """The request line and these headers, as another parser reads them."""
    version = b"1.0" if exchange.is_http10 else b"1.1"
    lines = [b"%b %b HTTP/%b" % (exchange.method, exchange.target, version)]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join([*lines, b"", b""])


def wants_websocket(exchange: Exchange) -> bool:
    """Whether the request asks to go on as a WebSocket (RFC 6455 4.1), with nothing in the way of
    that: it has no body.
    """
    headers = exchange.headers
    return (
        exchange.method == b"GET"
        and not exchange.is_http10
        and any(name == b"upgrade" and value.lower() == b"websocket" for name, value in headers)
        and not any(name in _FRAMING for name, _ in headers)
    )


def _size(exchange: Exchange) -> int:
    """Bytes of a head without its white space, within a few of what was sent."""
    return len(exchange.target) + sum(
        len(name) + len(value) + 4 for name, value in exchange.headers
    )
