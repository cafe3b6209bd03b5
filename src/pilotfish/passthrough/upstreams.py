"""Connections of aiohttp's client for requests that are passed on: one session for each origin,
made as those of all other traffic (`http1.proxies`), so that a provider's proxy and certificate
authority are honoured in the same way.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from pilotfish.credentials.fetch import FetchError
from pilotfish.http1.exchange import Header
from pilotfish.http1.origin import Connect, Origin, is_local, reason, tls_context

IDLE_S = 45.0  # as for all other connections to vendors


class Upstreams:
    """`session` gives the session of an origin; its connections are kept until they are idle for
    too long.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._sessions: dict[tuple[Origin, bool], aiohttp.ClientSession] = {}

    def session(self, origin: Origin, connect_s: float, *, fresh: bool) -> aiohttp.ClientSession:
        """`fresh`: on a new connection, for what cannot be sent twice if a kept one turns out to be
        closed. `connect_s`: how long a connection may take to make.
        """
        found = self._sessions.get((origin, fresh))
        if found is None:
            found = self._sessions[origin, fresh] = aiohttp.ClientSession(
                connector=OneOriginConnector(self._connect, origin, fresh=fresh),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=None),
                skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
                auto_decompress=False,
                trust_env=False,
            )
        connector = found.connector
        assert isinstance(connector, OneOriginConnector)
        connector.connect_s = connect_s
        return found

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()


class OneOriginConnector(aiohttp.BaseConnector):
    """Makes connections to one origin, by a `Connect`. Raises FetchError."""

    def __init__(self, connect: Connect, origin: Origin, *, fresh: bool) -> None:
        if fresh:
            super().__init__(force_close=True, limit=0)
        else:
            super().__init__(keepalive_timeout=IDLE_S, limit=0)
        self.connect_s = 5.0
        self._connect_by, self._origin = connect, origin
        self._context: ssl.SSLContext | None = None

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: Any,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> ResponseHandler:
        origin = self._origin
        where = f"{origin.host}:{origin.port}"
        try:
            async with asyncio.timeout(self.connect_s):
                if origin.scheme == "https" and self._context is None:
                    # A thread: reading all authorities takes long enough to be felt by streams.
                    self._context = await asyncio.to_thread(tls_context, origin.ca_file)
                _, protocol = await self._connect_by(self._factory, origin, self._context)
        except TimeoutError:
            raise FetchError(
                "connect", f"no connection to {where} within {self.connect_s:g} s"
            ) from None
        except (OSError, ValueError) as e:
            kind = "local" if is_local(e) else "connect"
            raise FetchError(kind, f"cannot connect to {where}: {reason(e)}") from e
        made: ResponseHandler = protocol
        return made


def leads_here(header: Header, host: str) -> bool:
    """Whether it is a `location` at this proxy."""
    name, value = header
    here = tuple(f"{scheme}://{host}/".encode("latin-1", "replace") for scheme in ("http", "https"))
    return name == b"location" and (
        value.startswith(here) or (value.startswith(b"/") and value[1:2] not in (b"/", b"\\"))
    )
