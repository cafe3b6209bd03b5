"""Everything that clients ask for on the client port and that is not routed by model, on aiohttp:
what is passed on to a provider (`pilotfish.passthrough`), the lists of models, and what to say of
paths and methods that do not exist.

`http1.server` hands such requests over one at a time (`http1.handover`). New surfaces that are not
on the hot path are routes of this application.
"""

from __future__ import annotations

import logging
from asyncio import Protocol as AsyncioProtocol
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web

from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import shown
from pilotfish.core.routing.router import Router
from pilotfish.errors import ClientError
from pilotfish.http1.exchange import readable_by
from pilotfish.http1.handover import RequestTransport
from pilotfish.http1.request_head import MAX_HEAD_BYTES, MAX_HEADERS
from pilotfish.proxy.local_reply import LocalReplies, unknown_path
from pilotfish.proxy.model_list import models_answer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Answers a request that is passed on to a provider, or gives None for one that is not.
PassesOn = Callable[[web.Request], Awaitable[web.StreamResponse | None]]

PREFLIGHT_S = "600"  # how long a browser need not ask again
# Requests under way when the proxy ends get this long to finish.
LAST_ANSWERS_S = 0.2


class OtherRequests:
    """`protocol` answers one request that was handed over, between `start` and `close`."""

    def __init__(self, replies: LocalReplies, router: Router, passes_on: PassesOn) -> None:
        self._replies, self._router, self._passes_on = replies, router, passes_on
        app = web.Application(middlewares=[written_whole, self._in_the_clients_style])
        app.on_response_prepare.append(without_own_headers)
        app.router.add_route("*", "/{path:.*}", self.answer)
        self._runner = web.AppRunner(
            app,
            handler_cancellation=True,
            access_log=None,
            logger=_logger(),
            shutdown_timeout=LAST_ANSWERS_S,
            # The limits of `http1` are checked by then, and its head has two more headers.
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            max_headers=MAX_HEADERS + 2,
        )

    async def start(self) -> None:
        await self._runner.setup()

    def protocol(self) -> AsyncioProtocol:
        server = self._runner.server
        assert server is not None
        return server()

    async def finish(self) -> None:
        """Waits for the requests under way."""
        if self._runner.server is not None:
            await self._runner.server.shutdown()

    async def close(self) -> None:
        await self._runner.cleanup()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """What a provider answers to a request that is passed on; the models; or that there is no
        such path.
        """
        if request.method == "OPTIONS":
            allowed = preflight(request)
            if allowed is not None:
                return allowed
        passed = await self._passes_on(request)
        if passed is not None:
            return passed
        listed = endpoints.models_path(path_of(request))
        if listed is None or request.method not in ("GET", "HEAD"):
            raise not_found(request)
        return self._models(request, listed)

    def _models(self, request: web.Request, listed: tuple[str, str | None]) -> web.Response:
        """The models that clients may ask for, or one of them, in the form of the vendor whose
        client asks.
        """
        headers = request.raw_headers
        names = {name for name, _ in headers}
        if b"x-goog-api-key" in names:
            listed = ("v1beta", listed[1])  # Google's own SDK also asks below /v1
        status, body = models_answer(self._router.snapshot, listed, b"anthropic-version" in names)
        request_id = self._replies.request_id(dict(reversed(headers)).get(b"x-request-id"))
        return web.Response(
            status=status,
            body=body,
            content_type="application/json",
            headers={"x-request-id": request_id},
        )

    @web.middleware
    async def _in_the_clients_style(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Errors as the engine has them: in the style of the path, counted and logged."""
        try:
            return await handler(request)
        except ClientError as e:
            error = e
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            error = not_found(request)
        except web.HTTPException as e:
            error = ClientError(e.status, "bad_request", e.reason.lower())
        except Exception:
            self._replies.report_bug()
            error = ClientError(
                500, "internal_error", "an error inside the proxy; its log has more"
            )
        status, head, body = self._replies.error(error, path_of(request), request.raw_headers)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head]
        return web.Response(status=status, body=body, headers=headers)


def preflight(request: web.Request) -> web.Response | None:
    """The answer to a browser that asks whether a page may send a request; None for anything else,
    and for pages that may not. The request itself is checked when it comes.
    """
    page: bytes = _info(request, "page") or b""
    method = request.headers.get("access-control-request-method")
    if not page or method is None:
        return None
    allowed = {"access-control-allow-methods": method, "access-control-max-age": PREFLIGHT_S}
    asked = request.headers.get("access-control-request-headers")
    if asked is not None:
        allowed["access-control-allow-headers"] = asked
    if request.headers.get("access-control-request-private-network") == "true":
        allowed["access-control-allow-private-network"] = "true"
    return web.Response(status=204, headers=allowed)


def _info(request: web.Request, name: str) -> Any:
    return request.transport.get_extra_info(name) if request.transport is not None else None


def path_of(request: web.Request) -> str:
    """The path as it was sent, each byte one character."""
    return endpoints.path_of(request.raw_path.encode("utf-8", "surrogateescape"))


def not_found(request: web.Request) -> ClientError:
    path = path_of(request)
    if endpoints.find(path) is not None:
        return ClientError(
            405, "method_not_allowed", f"{shown(path)} takes POST, found {request.method}"
        )
    return unknown_path(request.method, path)


@web.middleware
async def written_whole(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Writes the answer, and says when all of it is written: only then may the connection go on
    with another request.
    """
    try:
        response = await handler(request)
    except web.HTTPException as e:
        await _write(request, e)
        raise
    await _write(request, response)
    return response


async def _write(request: web.Request, response: web.StreamResponse) -> None:
    await response.prepare(request)
    await response.write_eof()
    if request.transport is not None:
        cast(RequestTransport, request.transport).answer_complete()


async def without_own_headers(request: web.Request, response: web.StreamResponse) -> None:
    """aiohttp names itself and its version, and says of the one request that it is given that the
    connection ends with it; the client's does not.
    """
    response.headers.pop("server", None)
    response.headers.pop("date", None)
    transport, own = request.transport, response.headers.get("connection")
    if own == "close" and transport is not None and transport.get_extra_info("keep_alive"):
        del response.headers["connection"]
    page = _info(request, "page")
    for name, value in readable_by(page) if page else ():
        response.headers[name.decode()] = value.decode("latin-1")


def _logger() -> logging.Logger:
    """Of what aiohttp cannot do only the kind is logged: its errors quote the request."""
    logger = logging.getLogger(__name__)
    logger.addFilter(_kind_only)
    return logger


def _kind_only(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[0] is not None:
        record.msg, record.args = f"{record.msg.split('%')[0]}: {record.exc_info[0].__name__}", None
        record.exc_info = None
    return True
