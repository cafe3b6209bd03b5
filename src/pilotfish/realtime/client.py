"""The client's side of a session."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from aiohttp import web

from pilotfish.realtime.upstream import CLOSE_S, HEARTBEAT_S, MESSAGE_BYTES

# Subprotocols by which web pages give their own key, since they cannot set a header.
_KEYS = ("openai-insecure-api-key.", "openai-organization.", "openai-project.")


class ClientSocket:
    """`protocols`: the subprotocols that the client offers, without those that hold a key.
    `is_open` once its WebSocket is accepted.
    """

    def __init__(self, request: web.Request, request_id: str) -> None:
        self._request, self.request_id = request, request_id
        offered = request.headers.get("sec-websocket-protocol", "")
        names = [name.strip() for name in offered.split(",")]
        self.protocols = [name for name in names if name and not name.startswith(_KEYS)]
        self.is_open = False
        self.socket = self._made(())

    def _made(self, protocols: Sequence[str]) -> web.WebSocketResponse[bool]:
        return web.WebSocketResponse(
            timeout=CLOSE_S,
            autoclose=False,
            autoping=False,
            heartbeat=HEARTBEAT_S,
            protocols=protocols,
            compress=False,
            max_msg_size=MESSAGE_BYTES,
            decode_text=False,
        )

    async def accept(self, protocol: str | None, headers: Sequence[tuple[str, str]]) -> None:
        """Switches to WebSocket; `protocol` is the subprotocol, None for none."""
        self.socket = self._made((protocol,) if protocol else ())
        self.socket.headers["x-request-id"] = self.request_id
        for name, value in headers:
            self.socket.headers[name] = value
        await self.socket.prepare(self._request)
        self.is_open = True

    async def close(self, code: int, reason: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            await self.socket.close(code=code, message=reason)
