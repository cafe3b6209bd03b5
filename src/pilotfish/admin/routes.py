"""The handlers of the admin port. None is on the hot path, and none may hold it up."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from typing import Any

import orjson
from aiohttp import web

from pilotfish.admin import page
from pilotfish.admin.port import (
    bounded,
    errors_as_json,
    json_answer,
    only_for,
    without_own_name,
    wrong,
)
from pilotfish.admin.status import status_of
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.model.service import Service
from pilotfish.core.routing.explain import explained
from pilotfish.core.routing.router import Router
from pilotfish.errors import ClientError
from pilotfish.http1.callers import AllowedCallers
from pilotfish.proxy.engine import Engine
from pilotfish.sources.store import RulesStore
from pilotfish.telemetry.exposition import exposition
from pilotfish.telemetry.registry import Registry


class Admin:
    """The handlers, and the application that routes to them."""

    def __init__(
        self,
        engine: Engine,
        store: RulesStore,
        registry: Registry,
        health_changed: asyncio.Event,
        *,
        max_body_bytes: int,
        writes_from_anywhere: bool = False,
        callers: AllowedCallers | None = None,
    ) -> None:
        """`callers`: who may call; by default no other web page."""
        self._engine, self._store, self._registry = engine, store, registry
        self._health_changed, self._max_body_bytes = health_changed, max_body_bytes
        self._writes_from_anywhere = writes_from_anywhere
        self._callers = callers or AllowedCallers(serves_pages=True)
        self._began = time.monotonic()
        self._page = page.content()
        self._page_headers = {**page.headers(self._page), "content-type": page.TYPE}

    def application(self) -> web.Application:
        app = web.Application(
            middlewares=[bounded, errors_as_json, only_for(self._callers)],
            client_max_size=self._max_body_bytes,
        )
        app.on_response_prepare.append(without_own_name)
        app.add_routes(
            [
                web.get("/", self.page),
                web.get("/healthz", self.alive),
                web.get("/readyz", self.ready),
                web.get("/metrics", self.metrics),
                web.get("/status", self.status),
                web.get("/recent", self.recent),
                web.get("/history", self.history),
                web.post("/explain", self.explain),
                web.post("/reset", self.reset),
            ]
        )
        return app

    async def alive(self, request: web.Request) -> web.Response:
        """Startup probes ask with `startup_s=N`: yes once there are rules, and after N seconds in
        any case.

        Kubernetes then starts the application's containers; to wait for rules without end would
        keep them down for a typing error in a ConfigMap.
        """
        patience = request.query.get("startup_s", "")
        if (
            patience.isdecimal()
            and not self._engine.ready
            and time.monotonic() < self._began + int(patience)
        ):
            return web.Response(text="starting: no good rules have been read yet\n", status=503)
        return web.Response(text="ok\n")

    async def ready(self, request: web.Request) -> web.Response:
        engine = self._engine
        why = (
            "draining"
            if engine.draining
            else ""
            if engine.ready
            else "no good rules have been read yet"
        )
        return web.Response(text=f"{why or 'ready'}\n", status=503 if why else 200)

    async def metrics(self, request: web.Request) -> web.Response:
        """Requests are served while the text is made, in pieces, and compressed, in a thread:
        Prometheus asks for gzip, which leaves a twentieth.
        """
        accept = request.headers.get("accept", "")
        body, content_type = await exposition(self._registry, accept=accept)
        answer = web.Response(body=body, headers={"content-type": content_type})
        if "gzip" in request.headers.get("accept-encoding", ""):
            answer.enable_compression(web.ContentCoding.gzip)
        return answer

    async def status(self, request: web.Request) -> web.Response:
        return json_answer(await status_of(self._engine, self._store))

    async def recent(self, request: web.Request) -> web.Response:
        """The newest requests first, as the access log has them, each with why it went where it
        went. `?unusual=1`: only those that failed, took more than one attempt, or were a last
        resort.
        """
        unusual = request.query.get("unusual", "") not in ("", "0")
        access_log = self._engine.reporter.access_log
        return json_answer(access_log.recent_records(self._engine.snapshot, unusual=unusual))

    async def history(self, request: web.Request) -> web.Response:
        """A quarter of an hour of traffic, in steps of five seconds."""
        return json_answer(self._engine.reporter.history.points(time.monotonic()))

    async def page(self, request: web.Request) -> web.Response:
        return web.Response(body=self._page, headers=self._page_headers)

    async def explain(self, request: web.Request) -> web.Response:
        path = request.query.get("path", "/v1/chat/completions")
        sent = [(name.lower(), value) for name, value in request.raw_headers]
        headers = [h for h in sent if h[0] not in (b"content-length", b"host")]
        body = await request.read()
        try:
            answer = explain_request(self._engine.router, path, body, headers, request.remote or "")
        except ClientError as e:
            return json_answer(
                {"rule": None, "why": e.message, "candidates": [], "left_out": []},
                200 if e.code == "model_not_found" else e.status,
            )
        return json_answer(answer)

    async def reset(self, request: web.Request) -> web.Response:
        """Only from this machine, unless the settings say otherwise: in a Pod the port is open to
        whoever scrapes it. A port-forward arrives from this machine.
        """
        if not self._writes_from_anywhere and not is_loopback(request.remote):
            why = "only from loopback (kubectl port-forward), unless PILOTFISH_ADMIN_WRITE is any"
            return wrong(403, why)
        if request.content_type != "application/json":
            # A page of any web site may have a browser send a form or plain text.
            return wrong(415, "expected a body of content-type application/json")
        try:
            asked = orjson.loads(await request.read() or b"{}")
        except orjson.JSONDecodeError as e:
            return wrong(400, f"not JSON: {e}")
        if asked == {"all": True}:
            provider, model = None, None
        elif (
            isinstance(asked, dict)
            and len(asked) == 1
            and isinstance(asked.get("service", asked.get("provider")), str)
        ):
            named = asked.get("service") or asked.get("provider") or ""
            provider, _, model = named.partition("/") if "service" in asked else (named, "", "")
            known = sorted(self._engine.snapshot.providers)
            if provider not in known:
                return wrong(404, f"unknown provider {provider!r}; known: {', '.join(known)}")
        else:
            return wrong(
                400, 'expected {"service": "provider/model"}, {"provider": "name"} or {"all": true}'
            )
        count = self._engine.ledger.reset(time.monotonic(), provider, model or None)
        if not count:
            return wrong(404, f"no service {asked.get('service') or provider!r}")
        self._health_changed.set()
        return json_answer({"reset": count})


def is_loopback(address: str | None) -> bool:
    """Also of an address of version 4 as sockets of version 6 show it."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def explain_request(
    router: Router, path: str, body: bytes, headers: list[tuple[bytes, bytes]], client_ip: str
) -> dict[str, Any]:
    """The shape of `/explain`. Raises ClientError where no rule takes the request, or it cannot be
    read.
    """
    path, _, query = path.partition("?")  # which may hold a client's key
    endpoint = endpoints.find(path)
    if endpoint is None:
        raise ClientError(400, "unknown_path", f"no such path: POST {path}")
    inbound = Inbound(endpoint, path, query, headers, body, "explain", client_ip)
    taken = router.take(inbound)
    now, wall = time.monotonic(), time.time()
    planned = router.explained_plan(taken.rule_state, inbound, now, wall)
    answer = explained(planned.plan, taken.why, planned.checks, planned.block, now, wall)
    services = {c.service.id: c.service for c in planned.plan.candidates()}
    for candidate in answer["candidates"]:
        service = services.get(candidate["service"])
        if service is not None and service.settings is not None:
            candidate["request"] = _request_set(inbound, service)
    return answer


def _request_set(inbound: Inbound, service: Service) -> dict[str, Any]:
    """What the rules set in this request to this service: the fields that are sent otherwise, None
    for those left out; or why it cannot be sent.
    """
    from pilotfish import styles
    from pilotfish.core.exchange.settings_shown import what_is_set

    try:
        return what_is_set(inbound, service, styles.get)
    except ClientError as e:
        return {"error": e.message}
