"""Every kind behind the whole engine, with its vendor's documented errors and quota headers: failover, cooldown, headroom."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml
from aiohttp import web

from conformance import KEY, KINDS, case
from harness import proxied
from pilotfish.simulated import SimulatedVendor

# What another service is asked after; a `bad_request` is the client's own and is answered with it.
FAILS_OVER = {"rate_limited", "overloaded", "auth_failed", "not_found", "server_error", "timeout"}


class Documented:
    """Answers `/N/...` with the Nth documented error of a kind, and everything below `/token` with a Copilot token."""

    def __init__(self, kind: str) -> None:
        self.errors = case(kind)["errors"]
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.base = ""

    async def handle(self, request: web.Request) -> web.Response:
        await request.read()
        self.seen.append((request.path, {name.lower(): value for name, value in request.headers.items()}))
        if request.path == "/token":
            return web.json_response({"token": KEY})
        number = request.path.split("/")[1]
        if not number.isdigit():
            return web.json_response({}, status=404)
        error = self.errors[int(number)]
        body = error["body"] if isinstance(error["body"], str) else json.dumps(error["body"])
        return web.Response(status=error["status"], text=body, headers=error.get("headers"), content_type="application/json")


@asynccontextmanager
async def documented(kind: str) -> AsyncIterator[Documented]:
    vendor = Documented(kind)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", vendor.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    vendor.base = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    try:
        yield vendor
    finally:
        await runner.cleanup()


def provider_at(kind: str, base: str, token_url: str) -> dict[str, Any]:
    """The kind's provider of the fixtures, at another base."""
    spec = {**case(kind)["provider"], "api_base": base}
    options = {k: v for k, v in spec.get("options", {}).items() if k != "endpoint"}
    if kind == "github_copilot":
        options["token_url"] = token_url
    return {**spec, "options": options}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("KEY", KEY)


@pytest.mark.parametrize("kind", KINDS)
async def test_documented_errors_fail_over_cool_down_or_reach_the_client(kind, tmp_path):
    async with documented(kind) as vendor, SimulatedVendor() as backup:
        errors = [(i, e) for i, e in enumerate(vendor.errors) if e["status"] >= 400]
        providers: dict[str, Any] = {f"p{i}": provider_at(kind, f"{vendor.base}/{i}", f"{vendor.base}/token") for i, _ in errors}
        providers["backup"] = {"kind": "openai", "api_base": backup.base, "no_key_required": True}
        model = case(kind)["model"]
        rules = {
            "defaults": {"retries": {"max_retries": 0}, "health": {"probe_enabled": False}},
            "providers": providers,
            "rules": [
                {
                    "name": f"r{i}",
                    "request_model": f"case-{i}",
                    "services": [{"provider": f"p{i}", "model": model}, {"provider": "backup", "model": "sim-n2", "tier": 1}],
                }
                for i, _ in errors
            ],
        }
        async with proxied(tmp_path, yaml.safe_dump(rules)) as proxy:
            for i, error in errors:
                answer = await proxy.chat(f"case-{i}")
                record = proxy.record()
                outcomes = [attempt["outcome"] for attempt in record["attempts"]]
                assert outcomes[0] == error["outcome"], (i, error["body"])
                if error["outcome"] in FAILS_OVER:
                    assert (answer.status, outcomes[1:]) == (200, ["served"]), (i, answer.text)
                else:
                    assert (answer.status, outcomes[1:]) == (error["status"], []), (i, answer.text)
                assert KEY not in answer.text + json.dumps(answer.headers) + json.dumps(record)
                service = await proxy.service(f"p{i}", model)
                cools = error["outcome"] in ("rate_limited", "auth_failed")
                assert (service["state"] != "serving") is cools, (i, error["outcome"], service)
            status = json.dumps(await proxy.status()) + (await proxy.admin("/metrics")).text
            assert KEY not in status


@pytest.mark.parametrize("kind", [k for k in KINDS if "limits" in case(k) and "requests" in case(k)["limits"]["remaining"]])
async def test_documented_quota_headers_reach_the_status(kind, tmp_path):
    headers = case(kind)["limits"]["headers"]

    async def answer(request: web.Request) -> web.Response:
        body = {
            "id": "1",
            "object": "chat.completion",
            "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        }
        if request.path.endswith("/messages"):
            body = {
                "id": "1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [{"type": "text", "text": "hi"}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 1, "output_tokens": 1},
            }
        return web.json_response(body, headers=headers)

    app = web.Application()
    app.router.add_post("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    model = case(kind)["model"]
    rules = {
        "providers": {"p": provider_at(kind, base, "")},
        "rules": [{"request_model": "m", "services": [{"provider": "p", "model": model}]}],
    }
    try:
        async with proxied(tmp_path, yaml.safe_dump(rules)) as proxy:
            assert (await proxy.chat("m")).status == 200
            service = await proxy.service("p", model)
            assert service["headroom"]["requests"] == case(kind)["limits"]["remaining"]["requests"]
            told = case(kind)["limits"]
            for what in ("remaining", "limit"):
                for unit, value in told[what].items():
                    metric = f"pilotfish_ratelimit_{what}"
                    assert await proxy.metric(metric, provider="p", model=model, kind=unit) == value
    finally:
        await runner.cleanup()
