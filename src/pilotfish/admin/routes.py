"""The admin port: health, metrics, status, explain, reset. Nothing here is hot, and nothing here
may hold up what is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson

from pilotfish.admin import page
from pilotfish.admin.site import Request, Response, Site, json_answer, text_answer, wrong
from pilotfish.admin.status import status_of
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.routing.explain import explained
from pilotfish.errors import ClientError
from pilotfish.telemetry.exposition import exposition

if TYPE_CHECKING:
    from pilotfish.proxy.engine import Engine
    from pilotfish.sources.store import RulesStore


class Admin:
    def __init__(self, engine: Engine, store: RulesStore) -> None:
        self._engine, self._store = engine, store
        self._began = time.monotonic()
        self._page = page.content()
        self._page_headers = page.headers(self._page)

    def site(self) -> Site:
        return Site(
            {
                "/": {"GET": self.page},
                "/healthz": {"GET": self.alive},
                "/readyz": {"GET": self.ready},
                "/metrics": {"GET": self.metrics},
                "/status": {"GET": self.status},
                "/recent": {"GET": self.recent},
                "/explain": {"POST": self.explain},
                "/reset": {"POST": self.reset},
            }
        )

    async def alive(self, request: Request) -> Response:
        """A sidecar's startup probe asks with `startup_s=N`: yes once there are rules, and after N
        seconds in any case.

        The application is started then; waiting for rules without end would keep it down for a
        typing error in a ConfigMap.
        """
        patience = request.query.get("startup_s", "")
        if (
            patience.isdecimal()
            and not self._engine.ready
            and time.monotonic() < self._began + int(patience)
        ):
            return text_answer("starting: no good rules have been read yet\n", 503)
        return text_answer("ok\n")

    async def ready(self, request: Request) -> Response:
        engine = self._engine
        why = (
            "draining"
            if engine.draining
            else ""
            if engine.ready
            else "no good rules have been read yet"
        )
        return text_answer(f"{why or 'ready'}\n", 503 if why else 200)

    async def metrics(self, request: Request) -> Response:
        """Requests are served in between its pieces: a scrape of many services makes nobody wait."""
        body, content_type = await exposition(
            self._engine.registry, accept=request.header(b"accept")
        )
        return Response(body, content_type=content_type)

    async def status(self, request: Request) -> Response:
        return json_answer(status_of(self._engine, self._store))

    async def recent(self, request: Request) -> Response:
        """The newest requests first, as the access log has them, with why each went where it went.
        `?unusual=1`: only those that failed, or took more than one attempt, or were forced."""
        unusual = request.query.get("unusual", "") not in ("", "0")
        return json_answer(self._engine.log.recent_records(self._engine.snapshot, unusual=unusual))

    async def page(self, request: Request) -> Response:
        return Response(self._page, content_type=page.TYPE, headers=self._page_headers)

    async def explain(self, request: Request) -> Response:
        path = request.query.get("path", "/v1/chat/completions")
        headers = [h for h in request.headers if h[0] not in (b"content-length", b"host")]
        try:
            answer = explain_request(self._engine, path, request.body, headers, request.peer)
        except ClientError as e:
            return json_answer(
                {"rule": None, "why": e.message, "candidates": [], "left_out": []},
                200 if e.code == "model_not_found" else e.status,
            )
        return json_answer(answer)

    async def reset(self, request: Request) -> Response:
        try:
            asked = orjson.loads(request.body or b"{}")
        except orjson.JSONDecodeError as e:
            return wrong(400, f"not JSON: {e}")
        if (
            not isinstance(asked, dict)
            or len(asked) != 1
            or not all(isinstance(v, str) for v in asked.values())
        ):
            return wrong(400, 'expected {"service": "provider/model"} or {"provider": "name"}')
        provider, _, model = (
            asked["service"].partition("/")
            if "service" in asked
            else (asked.get("provider", ""), "", "")
        )
        if provider not in self._engine.snapshot.providers:
            return wrong(
                404,
                f"unknown provider {provider!r}; known: {', '.join(sorted(self._engine.snapshot.providers))}",
            )
        count = self._engine.ledger.reset(provider, model or None)
        if not count:
            return wrong(404, f"no service {asked.get('service') or provider!r}")
        self._engine.on_trip()
        return json_answer({"reset": count})


def explain_request(
    engine: Engine, path: str, body: bytes, headers: list[tuple[bytes, bytes]], client_ip: str
) -> dict[str, Any]:
    """The shape of `/explain`. Raises ClientError where no rule takes the request, or it cannot be
    read.
    """
    path, _, query = path.partition("?")  # which may hold a client's key
    endpoint = endpoints.find(path)
    if endpoint is None:
        raise ClientError(400, "unknown_path", f"no such path: POST {path}")
    inbound = Inbound(endpoint, path, query, headers, body, "explain", client_ip)
    rule_state, why, _ = engine.rule_state_for(inbound)
    plan, block, checked = engine.planned(rule_state, inbound, checked=True)
    return explained(plan, why, checked, block, time.monotonic(), time.time())
