"""Paths and who answers them, on our own server (`http1.server`): a port beside the hot path, such
as the admin port.

A sidecar has this server in its memory anyway; a web framework beside it would be a quarter of the
process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

import orjson
import structlog

from pilotfish.http1.server import Exchange

log = structlog.get_logger(__name__)

_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Request:
    """Header names are in lower case; of a header or a query parameter that comes twice, the first
    counts.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    peer: str

    def header(self, name: bytes) -> str:
        """Empty where it is not there."""
        return next((value.decode("latin-1") for at, value in self.headers if at == name), "")


@dataclass(frozen=True, slots=True)
class Response:
    """`content_type` is a header too; `headers` are those beside it."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


def text_answer(content: str, status: int = 200) -> Response:
    return Response(content.encode(), status, "text/plain; charset=utf-8")


def json_answer(data: object, status: int = 200) -> Response:
    return Response(orjson.dumps(data), status)


def wrong(status: int, message: str) -> Response:
    return json_answer({"error": {"message": message}}, status)


Handler = Callable[[Request], Awaitable[Response]]


class Site:
    """What `http1.server.Server` calls: `handle` and `refuse`. `routes`: path -> method -> handler;
    HEAD is answered as GET is.
    """

    def __init__(self, routes: Mapping[str, Mapping[str, Handler]]) -> None:
        self.routes = routes
        self._answering: set[asyncio.Task[None]] = set()

    def handle(self, exchange: Exchange) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(exchange))
        exchange.responder = _Asker(task)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    def refuse(self, exchange: Exchange, status: int, message: str) -> None:
        _send(exchange, wrong(status, message))

    def close(self) -> None:
        """Whoever still waits for an answer gets none."""
        for task in self._answering:
            task.cancel()

    async def _answer(self, exchange: Exchange) -> None:
        request = _read(exchange)
        try:
            answer = await self._found(request)
        except Exception:
            # Ours: whoever looks at this port is looking for what is wrong, and must not lose the
            # connection over it.
            log.exception("admin_failed", method=request.method, path=request.path)
            answer = wrong(500, "an error inside the proxy; its log has more")
        _send(exchange, answer)

    async def _found(self, request: Request) -> Response:
        methods = self.routes.get(request.path)
        if methods is None:
            return wrong(
                404, f"no such path: {request.path}; known: {', '.join(sorted(self.routes))}"
            )
        handler = methods.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            allowed = ", ".join(sorted(methods))
            refusal = wrong(405, f"{request.path} takes {allowed}, not {request.method}")
            return Response(refusal.body, refusal.status, headers={"allow": allowed})
        return await handler(request)


class _Asker:
    """The client: when it leaves, nobody needs the answer."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def on_client_disconnect(self) -> None:
        self._task.cancel()

    def pause(self) -> None:
        """Answers are written at once, so there is nothing to hold back."""

    def resume(self) -> None:
        """Nothing was held back."""


def _read(exchange: Exchange) -> Request:
    path, _, query = exchange.target.decode("latin-1").partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    return Request(
        exchange.method.decode("latin-1"),
        unquote(path),
        dict(reversed(pairs)),
        exchange.headers,
        exchange.body,
        exchange.peer,
    )


def _send(exchange: Exchange, answer: Response) -> None:
    head = [(b"content-type", answer.content_type.encode())]
    head += [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()
    ]
    exchange.respond(answer.status, head, answer.body)
