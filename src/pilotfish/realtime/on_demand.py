"""The way into this room: what it needs is imported with the first WebSocket, which most sidecars
never see.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from pilotfish.realtime.context import SocketContext

Otherwise = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class SocketHandler(Protocol):
    """`realtime.handler.Sockets`."""

    async def handle(self, request: web.Request) -> web.StreamResponse | None: ...
    def drain(self) -> None: ...
    def end(self) -> None: ...
    async def close(self) -> None: ...


class SocketsOnDemand:
    """`handle` answers a request for a WebSocket; what is none, or is for a path that has none, is
    `otherwise`'s to answer, which gives None for what it does not answer either.
    """

    def __init__(self, shared: SocketContext, otherwise: Otherwise) -> None:
        self._shared, self._otherwise = shared, otherwise
        self._made: SocketHandler | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("upgrade", "").lower() == "websocket":
            if self._made is None:
                from pilotfish.realtime.handler import Sockets

                self._made = Sockets(self._shared)
            answered = await self._made.handle(request)
            if answered is not None:
                return answered
        return await self._otherwise(request)

    def drain(self) -> None:
        """Sessions end at their next pause."""
        if self._made is not None:
            self._made.drain()

    def end(self) -> None:
        """Sessions end now, and their clients are told so."""
        if self._made is not None:
            self._made.end()

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()
