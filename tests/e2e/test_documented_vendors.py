"""Every kind behind the whole engine, with its vendor's documented errors and quota headers:
failover, cooldown, headroom.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from aiohttp import web

from conformance import KEY, KINDS, case
from harness import proxied
from pilotfish import providers
from pilotfish.simulated import SimulatedVendor

# What another service is asked after; a `bad_request` is the client's own and is answered with it.
FAILS_OVER = {"rate_limited", "overloaded", "auth_failed", "not_found", "server_error", "timeout"}


class Documented:
    """Answers `/N/...` with the Nth documented error of a kind, and everything below `/token` with
    a Copilot token.
    """

    def __init__(self, kind: str) -> None:
        self.errors = case(kind)["errors"]
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.base = ""

    async def handle(self, request: web.Request) -> web.Response:
        await request.read()
        self.seen.append(
            (request.path, {name.lower(): value for name, value in request.headers.items()})
        )
        if request.path == "/token":
            return web.json_response({"token": KEY})
        number = request.path.split("/")[1]
        if not number.isdigit():
            return web.json_response({}, status=404)
        error = self.errors[int(number)]
        body = error["body"] if isinstance(error["body"], str) else json.dumps(error["body"])
        headers = {name: of_today(value) for name, value in error.get("headers", {}).items()}
        return web.Response(
            status=error["status"], text=body, headers=headers, content_type="application/json"
        )


# The fixtures' now: 2015-10-21T07:28:00Z.
THEN = 1445412480.0


def of_today(value: str) -> str:
    """A date of the fixtures, as long after now as it is after theirs; anything else as it is."""
    if value.startswith("2015-10-21T"):
        at = datetime.fromisoformat(value).timestamp() - THEN + time.time()
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if value.startswith("14454") and len(value) == 13:
        return str(round(float(value) + (time.time() - THEN) * 1000))
    return value


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
        accounts: dict[str, Any] = {
            f"p{i}": provider_at(kind, f"{vendor.base}/{i}", f"{vendor.base}/token")
            for i, _ in errors
        }
        accounts["backup"] = {"kind": "openai", "api_base": backup.base, "no_key_required": True}
        model = case(kind)["model"]
        rules = {
            "defaults": {"retries": {"max_retries": 0}, "health": {"probe_enabled": False}},
            "providers": accounts,
            "rules": [
                {
                    "name": f"r{i}",
                    "request_model": f"case-{i}",
                    "services": [
                        {"provider": f"p{i}", "model": model},
                        {"provider": "backup", "model": "sim-n2", "tier": 1},
                    ],
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
                too_long = error.get("reason") == "context_length"
                if error["outcome"] in FAILS_OVER or too_long:
                    assert (answer.status, outcomes[1:]) == (200, ["served"]), (i, answer.text)
                else:
                    assert (answer.status, outcomes[1:]) == (error["status"], []), (i, answer.text)
                assert KEY not in answer.text + json.dumps(answer.headers) + json.dumps(record)
                service = await proxy.service(f"p{i}", model)
                cools = error["outcome"] in ("rate_limited", "auth_failed")
                assert (service["state"] != "serving") is cools, (i, error["outcome"], service)
                if cools and error.get("wait_s", 0) > 10:
                    assert error["wait_s"] - 5 < service["seconds_left"] <= error["wait_s"], (
                        "as long as the vendor asked for"
                    )
            status = json.dumps(await proxy.status()) + (await proxy.admin("/metrics")).text
            assert KEY not in status


WHOLE: dict[str, Any] = {
    "id": "1",
    "object": "chat.completion",
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    ],
}
MESSAGE: dict[str, Any] = {
    "id": "1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
LIMITED = [kind for kind in KINDS if "limits" in case(kind)]


@asynccontextmanager
async def telling(headers: dict[str, str]) -> AsyncIterator[str]:
    """A vendor that answers well, with these headers."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(
            MESSAGE if request.path.endswith("/messages") else WHOLE, headers=headers
        )

    app = web.Application()
    app.router.add_post("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("kind", LIMITED)
async def test_documented_quota_headers_reach_the_status(kind, tmp_path):
    told, model = case(kind)["limits"], case(kind)["model"]
    async with telling(told["headers"]) as base:
        rules = {
            "providers": {"p": provider_at(kind, base, "")},
            "rules": [{"request_model": "m", "services": [{"provider": "p", "model": model}]}],
        }
        async with proxied(tmp_path, yaml.safe_dump(rules)) as proxy:
            assert (await proxy.chat("m")).status == 200
            headroom = (await proxy.service("p", model))["headroom"]
            assert {unit: headroom[unit] for unit in told["remaining"]} == told["remaining"]
            for what in ("remaining", "limit"):
                for unit, value in told[what].items():
                    metric = f"pilotfish_ratelimit_{what}"
                    assert await proxy.metric(metric, provider="p", model=model, kind=unit) == value


def used_up(kind: str, unit: str) -> dict[str, str]:
    """The documented headers, with nothing left of this unit for a minute, each as the vendor
    writes it.
    """
    index = providers.get(kind).limits.index
    changed = dict(case(kind)["limits"]["headers"])
    for name, value in changed.items():
        what, of = index.get(name.encode(), ("", ""))
        if what == "remaining" and of == unit:
            changed[name] = "0"
        elif what == "reset":
            changed[name] = in_a_minute(value)
    return changed


def in_a_minute(like: str) -> str:
    at = time.time() + 60
    if "T" in like:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if like.isdigit() and len(like) == 13:
        return str(round(at * 1000))
    return "1m0s" if like.endswith("s") else "60"


@pytest.mark.parametrize(
    ("kind", "unit"),
    [(kind, unit) for kind in LIMITED for unit in case(kind)["limits"]["remaining"]],
)
async def test_a_service_whose_quota_is_used_up_is_left_before_it_must_refuse(kind, unit, tmp_path):
    model = case(kind)["model"]
    async with telling(used_up(kind, unit)) as base, SimulatedVendor() as backup:
        rules = {
            "providers": {
                "p": provider_at(kind, base, ""),
                "backup": {"kind": "openai", "api_base": backup.base, "no_key_required": True},
            },
            "rules": [
                {
                    "request_model": "m",
                    "services": [
                        {"provider": "p", "model": model},
                        {"provider": "backup", "model": "sim-n2", "tier": 1},
                    ],
                }
            ],
        }
        async with proxied(tmp_path, yaml.safe_dump(rules)) as proxy:
            answers = [await proxy.chat("m") for _ in range(3)]
            assert [a.headers["x-pilotfish-service"] for a in answers] == [
                f"p/{model}",
                "backup/sim-n2",
                "backup/sim-n2",
            ]
            assert [a.headers["x-pilotfish-attempts"] for a in answers] == ["1", "1", "1"], (
                "nobody was refused first"
            )
            assert (await proxy.service("p", model))["state"] == "serving"
