"""The vendor's side of a session: its WebSocket is opened, or the vendor says why not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType
from yarl import URL

from pilotfish.http1.origin import Connect, Origin, host_header
from pilotfish.passthrough.upstreams import OneOriginConnector

# The largest message either way. The vendors' own limit is 15 MiB of audio in one event.
MESSAGE_BYTES = 16 * 1024 * 1024
# A peer that answers no ping for half of this, after it sent nothing for all of it, is gone.
HEARTBEAT_S = 30.0
CLOSE_S = 2.0  # how long a peer may take to answer a close frame
ERROR_BYTES = 64 * 1024

Socket = aiohttp.ClientWebSocketResponse[bool]


class HandshakeRefused(Exception):
    """The vendor answered with another status than 101. `headers`: (lower-case name, value)."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        super().__init__(f"the upstream answered the handshake with status {status}")
        self.status, self.headers, self.body = status, headers, body


class UpstreamSocket:
    """One WebSocket to a vendor, on a connection of its own. `protocol`: the subprotocol that the
    vendor chose, None without one.
    """

    def __init__(self, session: aiohttp.ClientSession, socket: Socket) -> None:
        self._session, self.socket = session, socket
        self.protocol = socket.protocol

    async def close(self, code: int, reason: bytes = b"") -> None:
        try:
            await self.socket.close(code=code, message=reason)
        finally:
            await self._session.close()


async def open_socket(
    connect: Connect,
    origin: Origin,
    target: str,
    headers: Sequence[tuple[bytes, bytes]],
    protocols: Sequence[str],
    *,
    connect_s: float,
    answer_s: float,
) -> UpstreamSocket:
    """Raises HandshakeRefused, `credentials.fetch.FetchError` where there is no connection,
    aiohttp.ClientError where the vendor's answer is none, and TimeoutError where there is none
    within `answer_s` seconds.
    """
    connector = OneOriginConnector(connect, origin, fresh=True)
    connector.connect_s = connect_s
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=None),
        middlewares=(_with_reasons,),
        skip_auto_headers=("accept", "accept-encoding", "user-agent"),
        trust_env=False,
    )
    try:
        async with asyncio.timeout(connect_s + answer_s):
            socket: Socket = await session.ws_connect(
                URL(f"{origin.scheme}://{host_header(origin)}{target}", encoded=True),
                headers=[(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers],
                protocols=protocols,
                timeout=aiohttp.ClientWSTimeout(ws_receive=None, ws_close=CLOSE_S),
                autoclose=False,
                autoping=False,
                heartbeat=HEARTBEAT_S,
                max_msg_size=MESSAGE_BYTES,
                decode_text=False,
            )
    except BaseException:
        await session.close()
        raise
    return UpstreamSocket(session, socket)


async def _with_reasons(
    request: aiohttp.ClientRequest, handler: ClientHandlerType
) -> aiohttp.ClientResponse:
    """aiohttp drops the body of a refused handshake, where the vendor says why."""
    response = await handler(request)
    if response.status == 101:
        return response
    try:
        body = await response.content.read(ERROR_BYTES)
    except (aiohttp.ClientError, OSError):
        body = b""  # the status says enough
    response.close()
    headers = [(name.lower(), value) for name, value in response.raw_headers]
    raise HandshakeRefused(response.status, headers, body)
