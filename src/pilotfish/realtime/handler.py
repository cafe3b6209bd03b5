"""Takes requests for WebSockets: which session they are for, and what those are told that are for
none.
"""

from __future__ import annotations

import asyncio
import time

from aiohttp import WSMsgType, web

from pilotfish.core.exchange.endpoints import Endpoint
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.exchange.socket_events import close_code, error_event, reason_of
from pilotfish.core.exchange.sockets import LIVE, SocketPath, model_of_event, socket_path
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.errors import ClientError
from pilotfish.proxy.local_reply import LocalReply
from pilotfish.realtime.attempt import SocketFailed
from pilotfish.realtime.client import ClientSocket
from pilotfish.realtime.context import SocketContext
from pilotfish.realtime.session import SocketSession
from pilotfish.telemetry.record import RequestRecord

FIRST_EVENT_S = 30.0  # how long a client may take to say which model it wants
EVENTS_BEFORE = 16  # that may come before the one which names the model
_clock = time.monotonic


class Sockets:
    """`handle` answers a request for a WebSocket, or gives None for one at a path that has none."""

    def __init__(self, shared: SocketContext) -> None:
        self._shared = shared
        self._router, self._replies = shared.router, shared.replies
        self._sessions: set[SocketSession] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def drain(self) -> None:
        """Sessions end at their next pause."""
        for session in self._sessions:
            session.drain()

    def end(self) -> None:
        """Sessions end now, and their clients are told so."""
        for session in list(self._sessions):
            session.end("this proxy is shutting down")

    async def close(self) -> None:
        """Waits until what sessions have left open is closed."""
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def handle(self, request: web.Request) -> web.StreamResponse | None:
        raw = request.raw_path.encode("utf-8", "surrogateescape")
        path, _, query = raw.decode("latin-1").partition("?")
        asked = socket_path(path, query)
        if asked is None:
            return None
        client = ClientSocket(request, self._replies.request_id(_given_id(request)))
        try:
            return await self._take(request, asked, path, client)
        except SocketFailed as e:  # in log and metrics already
            failure = e.failure
            error = ClientError(failure.status, failure.code or "upstream_error", failure.message)
            told = self._replies.written(error, asked.style, client.request_id)
            return _response(told, failure.wait_s)
        except ClientError as e:
            told = self._replies.error(e, path, request.raw_headers, asked.style)
            if not client.is_open:
                return _response(told, None)
            await self._tell(client, asked, e)
            return client.socket

    async def _take(
        self, request: web.Request, asked: SocketPath, path: str, client: ClientSocket
    ) -> web.StreamResponse:
        self._shared.may_serve()
        first: list[tuple[WSMsgType, bytes]] = []
        model, body = asked.model, b"{}"
        if model is None:
            await client.accept(client.protocols[0] if client.protocols else None, ())
            model, body, first = await self._first_events(client, asked)
        endpoint = Endpoint(asked.op, asked.style, asked.scenario, model, True)
        headers = list(request.raw_headers)
        peer = request.remote or ""
        inbound = Inbound(endpoint, path, asked.query, headers, body, client.request_id, peer)
        taken = self._router.take(inbound)
        started, wall = _clock(), time.time()
        plan = self._router.plan(taken.rule_state, inbound, started, wall)
        record = RequestRecord(
            rule=plan.rule,
            known=taken.known,
            plan=plan,
            request_id=client.request_id,
            style=inbound.style,
            op=inbound.op,
            path=path,
            model=inbound.model,
            scenario=inbound.scenario,
            stream=True,
            started=started,
            started_wall=wall,
        )
        session = SocketSession(self._shared, asked, inbound, plan, record, client, first)
        self._sessions.add(session)
        self._shared.in_flight.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
            # Not awaited: the client's connection may be lost meanwhile, and with it this task.
            closing = asyncio.create_task(session.release(), name="socket-release")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self._shared.in_flight.remove(session)
        return client.socket

    async def _first_events(
        self, client: ClientSocket, asked: SocketPath
    ) -> tuple[str, bytes, list[tuple[WSMsgType, bytes]]]:
        """The model, the event that names it, and all that came until then. Raises ClientError."""
        came: list[tuple[WSMsgType, bytes]] = []
        try:
            async with asyncio.timeout(FIRST_EVENT_S):
                while len(came) < EVENTS_BEFORE:
                    message = await client.socket.receive()
                    if message.type is WSMsgType.PING:
                        await client.socket.pong(message.data)
                    elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                        came.append((message.type, message.data))
                        model = model_of_event(asked.op, message.data)
                        if model is not None:
                            return model, message.data, came
                        if asked.op == LIVE:
                            break
                    elif message.type is not WSMsgType.PONG:
                        raise ClientError(499, "client_gone", "the client left before it began")
        except TimeoutError:
            message_ = f"no event named a model within {FIRST_EVENT_S:g} s"
            raise ClientError(408, "timeout", message_) from None
        where = "setup.model" if asked.op == LIVE else "model"
        raise ClientError(400, "invalid_model", f"the first event names no model in {where!r}")

    async def _tell(self, client: ClientSocket, asked: SocketPath, error: ClientError) -> None:
        """An error before there is a session, to a client that is accepted already."""
        info = ErrorInfo(message=error.message, code=error.code, status=error.status)
        event = error_event(asked.op, info, error.status)
        if event:
            await client.socket.send_frame(event, WSMsgType.TEXT)
        await client.close(close_code(error.status), reason_of(error.message))


def _response(told: LocalReply, wait_s: float | None) -> web.Response:
    """An error before the upgrade, by status. `wait_s`: how long the vendor asked to wait."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in told.head}
    if wait_s is not None:
        headers["retry-after"] = str(max(1, -int(-wait_s // 1)))
    return web.Response(status=told.status, body=told.body, headers=headers)


def _given_id(request: web.Request) -> bytes | None:
    """The id that the client gave its request."""
    return next((value for name, value in request.raw_headers if name == b"x-request-id"), None)
