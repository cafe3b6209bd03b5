"""The admin port: an aiohttp application behind a listening socket, and the middlewares for each of
its answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from pilotfish.http1.callers import AllowedCallers
from pilotfish.settings import Address

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# A connection without a request, or with one whose head does not end. Prometheus asks at least
# once a minute.
IDLE_S = 75.0
# From the end of a request's head until its answer is sent: slow clients hold no memory for ever.
ANSWER_S = 60.0
# Answers under way when the port closes get this long.
LAST_ANSWERS_S = 0.2


class AdminPort:
    """Serves `app` between `open` and `close`."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=IDLE_S,
            shutdown_timeout=LAST_ANSWERS_S,
        )

    async def open(self, at: Address) -> Address:
        """Where it listens. Raises OSError."""
        await self._runner.setup()
        await web.TCPSite(self._runner, *at).start()
        return Address(self._runner.addresses[0][:2])

    async def close(self) -> None:
        await self._runner.cleanup()


@web.middleware
async def bounded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ends the connection of a client that sends or reads too slowly."""
    transport = request.transport
    if transport is not None:
        transport.set_write_buffer_limits(0)  # data counts as written when the kernel has it
    try:
        async with asyncio.timeout(ANSWER_S):
            response = await handler(request)
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        if transport is not None:
            transport.abort()
        return web.Response()  # the connection is gone; aiohttp wants a response
    return response


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as `{"error": {"message": ...}}`. A bug costs one answer and not the connection; its
    text is only in the log.
    """
    try:
        return await handler(request)
    except web.HTTPNotFound:
        routes = request.app.router.resources()
        known = ", ".join(sorted(resource.canonical for resource in routes))
        return wrong(404, f"no such path: {request.path}; known: {known}")
    except web.HTTPMethodNotAllowed as e:
        allowed = ", ".join(sorted(e.allowed_methods))
        answer = wrong(405, f"{request.path} takes {allowed}, not {request.method}")
        answer.headers["allow"] = allowed
        return answer
    except web.HTTPRequestEntityTooLarge:
        return wrong(413, f"the request body is larger than {request.client_max_size} bytes")
    except web.HTTPException as e:
        return wrong(e.status, e.reason.lower())
    except Exception:
        log.exception("admin_failed", method=request.method, path=request.path)
        return wrong(500, "an error inside the proxy; its log has more")


def only_for(callers: AllowedCallers) -> Middleware:
    """Refuses what comes from other web pages, or to a name that is not ours."""

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        found = {name: _single(request, name) for name in ("host", "origin", "sec-fetch-site")}
        refused = callers.refusal(found["host"], found["origin"], found["sec-fetch-site"])
        if refused is not None:
            return wrong(refused.status, refused.message)
        return await handler(request)

    return checked


def _single(request: web.Request, name: str) -> bytes | None:
    """A header's value; several of them are no value that anybody allows."""
    values = request.headers.getall(name, [])
    return ", ".join(values).encode("utf-8", "surrogateescape") if values else None


async def without_own_name(request: web.Request, response: web.StreamResponse) -> None:
    """Takes the `server` header away, which names versions."""
    response.headers.pop("server", None)


def json_answer(data: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json")


def wrong(status: int, message: str) -> web.Response:
    return json_answer({"error": {"message": message}}, status)
