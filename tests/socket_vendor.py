"""Vendors that take WebSockets, and check what they get: OpenAI's Realtime and Responses, Gemini's
Live. A model's name says how its vendor behaves:

`refuse-STATUS`: the handshake is answered with that status. `first-error`: the first event is an
error. `close-CODE`: the session is closed before its first event. `mute`: nothing ever comes.
`die`: the connection breaks after the first event.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from planted import PROVIDER_KEY

OPENAI_USAGE = {
    "total_tokens": 30,
    "input_tokens": 10,
    "output_tokens": 20,
    "input_token_details": {"cached_tokens": 4, "text_tokens": 10},
    "output_token_details": {"text_tokens": 20},
}
RESPONSES_USAGE = {
    "input_tokens": 7,
    "output_tokens": 5,
    "total_tokens": 12,
    "input_tokens_details": {"cached_tokens": 1},
    "output_tokens_details": {"reasoning_tokens": 2},
}
LIVE_USAGE = {
    "promptTokenCount": 8,
    "responseTokenCount": 3,
    "thoughtsTokenCount": 2,
    "totalTokenCount": 13,
}


class SocketVendor:
    """`sessions`: path with query of each handshake; `headers` of the last one; `events`: what
    came, parsed where it is JSON; `closed`: the code and reason with which clients ended sessions.
    """

    def __init__(self) -> None:
        self.base = ""
        self.sessions: list[str] = []
        self.headers: dict[str, str] = {}
        self.events: list[Any] = []
        self.pings: list[bytes] = []
        self.closed: list[tuple[int | None, str]] = []
        self.sockets: list[web.WebSocketResponse[bool]] = []
        self.over = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> SocketVendor:
        app = web.Application()
        app.router.add_get("/v1/realtime", self.realtime)
        app.router.add_get("/openai/realtime", self.realtime)
        app.router.add_get("/openai/v1/realtime", self.realtime)
        app.router.add_get("/v1/responses", self.responses)
        app.router.add_get("/ws/{service:.*}", self.live)
        runner = self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        for socket in self.sockets:
            await socket.close()
        assert self._runner is not None
        await self._runner.cleanup()

    # ---- handshakes

    async def _accept(self, request: web.Request, key: str | None) -> web.WebSocketResponse[bool]:
        self.sessions.append(request.raw_path)
        self.headers = {name.lower(): value for name, value in request.headers.items()}
        if key != PROVIDER_KEY:
            error = {"message": f"Incorrect API key provided: {key}", "code": "invalid_api_key"}
            raise _refused(401, error)
        model = request.query.get("model") or request.query.get("deployment") or ""
        if model.startswith("refuse-"):
            status = int(model.removeprefix("refuse-"))
            raise _refused(status, {"message": f"refused with {status}", "type": "x"})
        offered = [p.strip() for p in self.headers.get("sec-websocket-protocol", "").split(",")]
        socket = web.WebSocketResponse(
            protocols=[p for p in offered if p == "realtime"], autoping=False, max_msg_size=0
        )
        await socket.prepare(request)
        self.sockets.append(socket)
        return socket

    async def _each(self, socket: web.WebSocketResponse[bool]) -> Any:
        """The client's events, one after the other."""
        async for message in socket:
            if message.type is WSMsgType.PING:
                self.pings.append(message.data)
                await socket.pong(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                try:
                    event = json.loads(message.data)
                except ValueError:
                    event = message.data
                self.events.append(event)
                yield event
        self.closed.append((socket.close_code, ""))
        self.over.set()

    # ---- OpenAI

    async def realtime(self, request: web.Request) -> web.WebSocketResponse[bool]:
        azure = request.path.startswith("/openai")
        key = request.headers.get("api-key")
        if not azure:
            key = request.headers.get("authorization", "").removeprefix("Bearer ")
        socket = await self._accept(request, key)
        model = request.query.get("model") or request.query.get("deployment") or ""
        if await self._misbehaves(socket, model):
            return socket
        await socket.send_json({"type": "session.created", "session": {"model": model}})
        if model == "die":
            assert request.transport is not None
            request.transport.abort()
            return socket
        number = 0
        async for event in self._each(socket):
            number += 1
            kind = event.get("type") if isinstance(event, dict) else None
            if kind == "input_audio_buffer.append":
                await socket.send_json({"type": "echo", "n": number, "audio": event["audio"]})
            elif kind == "response.create":
                await socket.send_json({"type": "response.created", "n": number})
                if event.get("hold"):
                    continue
                await self.finish_response(socket)
            elif kind == "say.goodbye":
                await socket.close(code=4001, message=b"as you like")
            else:
                await socket.send_json({"type": "seen", "kind": kind})
        return socket

    async def finish_response(self, socket: web.WebSocketResponse[bool]) -> None:
        await socket.send_json({"type": "response.output_text.delta", "delta": "hi"})
        await socket.send_json({"type": "response.done", "response": {"usage": OPENAI_USAGE}})

    async def responses(self, request: web.Request) -> web.WebSocketResponse[bool]:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        socket = await self._accept(request, key)
        async for event in self._each(socket):
            if await self._misbehaves(socket, event.get("model", "")):
                return socket
            response = {"id": "resp_1", "model": event.get("model"), "usage": RESPONSES_USAGE}
            await socket.send_json({"type": "response.created", "response": {"id": "resp_1"}})
            await socket.send_json({"type": "response.output_text.delta", "delta": "hi"})
            await socket.send_json({"type": "response.completed", "response": response})
        return socket

    # ---- Gemini

    async def live(self, request: web.Request) -> web.WebSocketResponse[bool]:
        key = request.headers.get("x-goog-api-key")
        if "aiplatform" in request.path:
            key = request.headers.get("authorization", "").removeprefix("Bearer ")
        socket = await self._accept(request, key)
        async for event in self._each(socket):
            if "setup" in event:
                if await self._misbehaves(socket, event["setup"]["model"].rpartition("/")[2]):
                    return socket
                await _binary(socket, {"setupComplete": {}})
            elif event.keys() & {"clientContent", "client_content", "realtimeInput"}:
                said = {"modelTurn": {"parts": [{"text": "hi"}]}}
                await _binary(socket, {"serverContent": said})
                over = {"serverContent": {"turnComplete": True}, "usageMetadata": LIVE_USAGE}
                await _binary(socket, over)
        return socket

    # ---- faults

    async def _misbehaves(self, socket: web.WebSocketResponse[bool], model: str) -> bool:
        if model == "first-error":
            error = {"type": "server_error", "code": "server_error", "message": "broken inside"}
            await socket.send_json({"type": "error", "error": error})
            await socket.close()
        elif model.startswith("close-"):
            code = int(model.removeprefix("close-"))
            await socket.close(code=code, message=b"not for you")
        elif model == "mute":
            async for _ in self._each(socket):
                pass
        else:
            return False
        return True

    async def go_away(self) -> None:
        await self.sockets[-1].close(code=WSCloseCode.GOING_AWAY, message=b"restart")


async def _binary(socket: web.WebSocketResponse[bool], event: Any) -> None:
    """Gemini sends JSON in binary messages."""
    await socket.send_bytes(json.dumps(event).encode())


def _refused(status: int, error: dict[str, str]) -> web.HTTPException:
    class Refused(web.HTTPException):
        status_code = status

    body = json.dumps({"error": error})
    return Refused(text=body, content_type="application/json", headers={"retry-after": "30"})


def provider_key_set(monkeypatch: Any) -> None:
    """The key that these vendors ask for, where rules find it."""
    monkeypatch.setenv("SOCKET_KEY", PROVIDER_KEY)
