"""Small requests and their whole answers, over one aiohttp session: for tokens, probes and models
lists, never for a client's request.

The session's connections are made as those of real traffic (`http1.proxies`), so a provider's proxy
and certificate authority are honoured in the same way and fail with the same words; a proxy named
in the environment is not used. Redirects are not followed: a credential must not travel to a host
that nobody configured.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from pilotfish.http1.origin import Connect, Origin, is_local, reason, tls_context
from pilotfish.http1.proxies import connect as connect_by_proxy

TIMEOUT_S = 30.0
MAX_BODY_BYTES = 1024 * 1024
USER_AGENT = "pilotfish"

Header = tuple[bytes, bytes]

# Where the request that is being sent goes: aiohttp hands its connectors no CA file, and of a proxy
# only what its own way of using one needs.
_ORIGIN: ContextVar[Origin] = ContextVar("origin")


class FetchError(Exception):
    """No answer. `kind` as in `http1.pending.Listener.on_lost`, or `timeout`, or `too_large`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class HttpAnswer(NamedTuple):
    """A whole answer; header names in lower case."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


class Fetcher:
    """Sends small requests. The session is opened by the first of them, and closed with `close`.
    `connect` is how connections are made.
    """

    def __init__(self, connect: Connect = connect_by_proxy) -> None:
        self._connect = connect
        self._session: aiohttp.ClientSession | None = None

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
        origin = Origin(
            parts.scheme,
            parts.hostname or "",
            parts.port or (443 if parts.scheme == "https" else 80),
            proxy_url,
            ca_file,
        )
        own = [(name.decode(), value.decode()) for name, value in headers]
        where = f"{origin.host}:{origin.port}"
        sending = _ORIGIN.set(origin)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._fetch(method, URL(url, encoded=True), where, own, body)
        except TimeoutError:
            raise FetchError("timeout", f"no answer from {where} within {timeout_s:g} s") from None
        finally:
            _ORIGIN.reset(sending)

    async def _fetch(
        self, method: str, url: URL, where: str, headers: list[tuple[str, str]], body: bytes
    ) -> HttpAnswer:
        status = 0
        try:
            async with self._opened().request(
                method,
                url.with_user(None),
                headers=headers,
                data=body or None,
                allow_redirects=False,
            ) as answer:
                status, size = answer.status, 0
                pieces = []
                async for piece in answer.content.iter_any():
                    pieces.append(piece)
                    size += len(piece)
                    if size > MAX_BODY_BYTES:
                        raise FetchError(
                            "too_large", f"the answer is larger than {MAX_BODY_BYTES} bytes"
                        )
                lower = tuple((name.lower(), value) for name, value in answer.raw_headers)
                return HttpAnswer(status, lower, b"".join(pieces))
        except aiohttp.ClientPayloadError:
            raise FetchError("cut", f"{where} closed the connection in its answer") from None
        except aiohttp.ClientResponseError:
            raise FetchError("protocol", f"the answer of {where} is not HTTP/1.1") from None
        except (aiohttp.ClientConnectionError, OSError):
            kind, when = ("cut", "in its answer") if status else ("reset", "before it answered")
            raise FetchError(kind, f"{where} closed the connection {when}") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=OriginConnector(self._connect),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                headers={"user-agent": USER_AGENT},
                skip_auto_headers=("accept", "accept-encoding", "content-type"),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class OriginConnector(aiohttp.BaseConnector):
    """Connections of aiohttp's client, made by a `Connect`.

    None is kept: these calls are minutes apart, no server keeps a connection that long, and aiohttp
    does not know by which proxy one was made.
    """

    def __init__(self, connect: Connect) -> None:
        super().__init__(force_close=True)
        self._connect_by = connect
        self._system: ssl.SSLContext | None = None

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: Any,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> ResponseHandler:
        """Raises FetchError."""
        origin = _ORIGIN.get()
        try:
            context = await self._tls(origin.ca_file) if origin.scheme == "https" else None
            _, protocol = await self._connect_by(self._factory, origin, context)
        except (OSError, ValueError) as e:
            raise FetchError(
                "local" if is_local(e) else "connect",
                f"cannot connect to {origin.host}:{origin.port}: {reason(e)}",
            ) from e
        made: ResponseHandler = protocol
        return made

    async def _tls(self, ca_file: str) -> ssl.SSLContext:
        """Reading all the system's authorities takes long enough to be felt by every stream that
        is open: it is done once, and in a thread.
        """
        if ca_file:
            return await asyncio.to_thread(tls_context, ca_file)
        if self._system is None:
            self._system = await asyncio.to_thread(tls_context, "")
        return self._system
