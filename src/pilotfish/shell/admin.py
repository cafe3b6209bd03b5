"""The admin port: health, metrics, status, explain, reset. On aiohttp: nothing here is hot."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from pilotfish.core import surfaces
from pilotfish.core.explain import explained
from pilotfish.core.inbound import Inbound
from pilotfish.errors import ClientError
from pilotfish.shell import page
from pilotfish.shell.exposition import OPENMETRICS_TYPE, TEXT_TYPE, exposition
from pilotfish.shell.status import status_of

if TYPE_CHECKING:
    from pilotfish.shell.engine import Engine
    from pilotfish.shell.rules_keeper import RulesKeeper

Handler = "Callable[[web.Request], Awaitable[web.StreamResponse]]"


def json_answer(data: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json")


def wrong(status: int, message: str) -> web.Response:
    return json_answer({"error": {"message": message}}, status)


class Admin:
    def __init__(self, engine: Engine, keeper: RulesKeeper) -> None:
        self._engine, self._keeper = engine, keeper
        self._began = time.monotonic()
        self._page = page.content()
        self._page_headers = page.headers(self._page)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=self._engine.max_body_bytes)
        app.add_routes(
            [
                web.get("/", self.page),
                web.get("/healthz", self.alive),
                web.get("/readyz", self.ready),
                web.get("/metrics", self.metrics),
                web.get("/status", self.status),
                web.get("/recent", self.recent),
                web.post("/explain", self.explain),
                web.post("/reset", self.reset),
            ]
        )
        return app

    async def alive(self, request: web.Request) -> web.Response:
        """A sidecar's startup probe asks with `startup_s=N`: yes once there are rules, and after N seconds in any case.

        The application is started then; waiting for rules without end would keep it down for a typing error in a ConfigMap.
        """
        patience = request.query.get("startup_s", "")
        if patience.isdecimal() and not self._engine.ready and time.monotonic() < self._began + int(patience):
            return web.Response(text="starting: no good rules have been read yet\n", status=503)
        return web.Response(text="ok\n")

    async def ready(self, request: web.Request) -> web.Response:
        engine = self._engine
        why = "draining" if engine.draining else "" if engine.ready else "no good rules have been read yet"
        return web.Response(text=f"{why or 'ready'}\n", status=503 if why else 200)

    async def metrics(self, request: web.Request) -> web.Response:
        """Requests pass in between its pieces: a scrape of many services makes nobody wait."""
        meters = self._engine.meters
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
        if openmetrics:
            meters.exemplars = True  # from now on: somebody reads them
        pieces = []
        for piece in exposition(meters, openmetrics=openmetrics):
            pieces.append(piece)
            await asyncio.sleep(0)
        return web.Response(body="".join(pieces).encode(), headers={"content-type": OPENMETRICS_TYPE if openmetrics else TEXT_TYPE})

    async def status(self, request: web.Request) -> web.Response:
        return json_answer(status_of(self._engine, self._keeper))

    async def recent(self, request: web.Request) -> web.Response:
        """The newest requests first, as the access log has them, with why each went where it went. `?unusual=1`: only those that failed,
        or took more than one attempt, or were forced."""
        unusual = request.query.get("unusual", "") not in ("", "0")
        return json_answer(self._engine.log.recent_records(self._engine.snapshot, unusual=unusual))

    async def page(self, request: web.Request) -> web.Response:
        return web.Response(body=self._page, headers=self._page_headers)

    async def explain(self, request: web.Request) -> web.Response:
        path = request.query.get("path", "/v1/chat/completions")
        headers = [
            (k.lower().encode("latin-1"), v.encode("latin-1"))
            for k, v in request.headers.items()
            if k.lower() not in ("content-length", "host")
        ]
        try:
            answer = explain_request(self._engine, path, await request.read(), headers, request.remote or "")
        except ClientError as e:
            return json_answer(
                {"rule": None, "why": e.message, "candidates": [], "left_out": []}, 200 if e.code == "model_not_found" else e.status
            )
        return json_answer(answer)

    async def reset(self, request: web.Request) -> web.Response:
        try:
            asked = orjson.loads(await request.read() or b"{}")
        except orjson.JSONDecodeError as e:
            return wrong(400, f"not JSON: {e}")
        if not isinstance(asked, dict) or len(asked) != 1 or not all(isinstance(v, str) for v in asked.values()):
            return wrong(400, 'expected {"service": "provider/model"} or {"provider": "name"}')
        provider, _, model = asked["service"].partition("/") if "service" in asked else (asked.get("provider", ""), "", "")
        if provider not in self._engine.snapshot.providers:
            return wrong(404, f"unknown provider {provider!r}; known: {', '.join(sorted(self._engine.snapshot.providers))}")
        count = self._engine.ledger.reset(provider, model or None)
        if not count:
            return wrong(404, f"no service {asked.get('service') or provider!r}")
        self._engine.on_trip()
        return json_answer({"reset": count})


def explain_request(engine: Engine, path: str, body: bytes, headers: list[tuple[bytes, bytes]], client_ip: str) -> dict[str, Any]:
    """The shape of `/explain`. Raises ClientError where no rule takes the request, or it cannot be read."""
    path, _, query = path.partition("?")  # which may hold a client's key
    surface = surfaces.find(path)
    if surface is None:
        raise ClientError(400, "unknown_path", f"no such path: POST {path}")
    inbound = Inbound(surface, path, query, headers, body, "explain", client_ip)
    desk, why, _ = engine.desk_for(inbound)
    plan, block, checked = engine.planned(desk, inbound, checked=True)
    return explained(plan, why, checked, block, time.monotonic(), time.time())
