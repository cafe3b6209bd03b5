"""One small request and its whole answer: for tokens, probes and models lists, never for a client's
request.

It goes over the same connections code as real traffic (`http1.pool`), so proxies, certificates and
their errors are the same. Redirects are not followed: a credential must not travel to a host that
nobody configured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from pilotfish.http1.pool import Connect, Origin, PendingRequest, Pool, Upstream, connect_directly

TIMEOUT_S = 30.0
MAX_BODY_BYTES = 1024 * 1024
USER_AGENT = "pilotfish"

Header = tuple[bytes, bytes]


class FetchError(Exception):
    """No answer. `kind` as in `http1.pool.Listener.on_lost`, or `timeout`, or `too_large`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class HttpAnswer(NamedTuple):
    """A whole answer; header names in lower case."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


class Fetcher:
    """Sends small requests. `connect` is how connections are made."""

    def __init__(self, connect: Connect = connect_directly) -> None:
        self._connect = connect

    async def fetch(
        self,
        method: str,
        url: str,
        headers: Iterable[Header] = (),
        body: bytes = b"",
        *,
        timeout_s: float = TIMEOUT_S,
        proxy_url: str = "",
        ca_file: str = "",
    ) -> HttpAnswer:
        """The answer, whatever its status. Raises FetchError if none came whole within
        `timeout_s`.
        """
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        origin = Origin(parts.scheme, parts.hostname or "", port, proxy_url, ca_file)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = _request(method, host_header(origin), target, headers, body)
        # A pool for this one request: these calls are minutes apart, no vendor keeps a connection
        # that long.
        pool = Pool(origin, clock=time.monotonic, connect=self._connect)
        collecting = _Collecting()
        ticket = pool.send([request], collecting, timeout_s)
        collecting.ticket = ticket
        try:
            async with asyncio.timeout(timeout_s):
                return await collecting.answer
        except TimeoutError:
            raise FetchError(
                "timeout", f"no answer from {origin.host}:{origin.port} within {timeout_s:g} s"
            ) from None
        finally:
            ticket.cancel()
            pool.close()


class _Collecting:
    """Hears one answer to its end."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
        self.ticket: PendingRequest | None = None
        self._status = 0
        self._headers: tuple[Header, ...] = ()
        self._body: list[bytes] = []
        self._size = 0

    def on_sent(self, upstream: Upstream) -> None:
        pass

    def on_head(self, status: int, headers: list[Header]) -> None:
        self._status, self._headers = status, tuple(headers)

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_BODY_BYTES:
            self.on_lost("too_large", f"the answer is larger than {MAX_BODY_BYTES} bytes")
            if self.ticket is not None:
                self.ticket.cancel()
        else:
            self._body.append(data)

    def on_end(self) -> None:
        if not self.answer.done():
            self.answer.set_result(HttpAnswer(self._status, self._headers, b"".join(self._body)))

    def on_lost(self, kind: str, message: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(FetchError(kind, message))


def form(fields: Iterable[tuple[str, str]]) -> bytes:
    """An application/x-www-form-urlencoded body."""
    return urlencode(list(fields)).encode()


def host_header(origin: Origin) -> str:
    """The Host header of requests to an origin: with the port only where it is not the scheme's
    own.
    """
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return (
        host
        if origin.port == (443 if origin.scheme == "https" else 80)
        else f"{host}:{origin.port}"
    )


def _request(method: str, host: str, target: str, headers: Iterable[Header], body: bytes) -> bytes:
    own = [(b"host", host.encode()), *headers, (b"connection", b"close")]
    if not any(name.lower() == b"user-agent" for name, _ in own):
        own.append((b"user-agent", USER_AGENT.encode()))
    if body or method != "GET":
        own.append((b"content-length", str(len(body)).encode()))
    for name, value in own:
        if b"\n" in value or b"\r" in value:
            raise ValueError(f"header {name.decode('latin-1')!r}: its value holds a line break")
    head = b"".join(b"%b: %b\r\n" % header for header in own)
    return f"{method} {target} HTTP/1.1\r\n".encode() + head + b"\r\n" + body
