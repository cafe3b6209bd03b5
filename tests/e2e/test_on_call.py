"""Five incidents as somebody on call meets them: each is found from the status, `pilotfish top`, the
metrics and the log alone. docs/runbooks/incidents.md says what is seen; its words are held to what
is seen here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any

import orjson
from structlog.testing import capture_logs

from harness import Proxy, proxied, until
from pilotfish.admin.in_flight import late_requests
from pilotfish.cli._picture import Paper, picture
from pilotfish.simulated import Fault, SimulatedVendor

INCIDENTS = (Path(__file__).parents[2] / "docs/runbooks/incidents.md").read_text()


def rules(base: str, *, priced: bool = True) -> str:
    provider = {"kind": "openai", "api_base": base, "token": {"env": "ON_CALL_KEY"}}
    made: dict[str, Any] = {
        "providers": {"openai": {**provider, "no_key_required": True, "token": None}},
        "defaults": {"retries": {"max_retries": 0}},
        "rules": [{"name": "chat", "services": [{"provider": "openai", "model": "own-model"}]}],
    }
    if priced:
        made["prices"] = {"openai/*": {"input": 1, "output": 1}}
    return orjson.dumps(made).decode()


async def top(proxy: Proxy, **changed: Any) -> str:
    """What `pilotfish top` shows."""
    status = {**await proxy.status(), **changed}
    recent = (await proxy.admin("/recent")).json
    return "\n".join(picture(status, recent, "localhost:14001", Paper()))


def told(*words: str) -> None:
    """The page for people on call has these words."""
    for said in words:
        assert said in INCIDENTS, said


async def test_a_vendor_that_hangs_is_seen_before_its_requests_end(tmp_path):
    gate = asyncio.Event()
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, rules(vendor.base)) as proxy,
    ):
        vendor.always(Fault.hold(gate))
        held = asyncio.create_task(proxy.chat("m"))
        await vendor.until_requests(1)
        late = late_requests(proxy.app.engine.records_in_flight(), monotonic() + 12)
        seen = await top(proxy, late=late)
        flying = await proxy.series("pilotfish_requests_in_flight", rule="chat")
        gate.set()
        await held
    (request,) = late["requests"]
    assert request["attempts"][0]["service"] == "openai/own-model"
    assert "late: rule chat, m: silent for 12 s, waits on openai/own-model" in seen
    assert flying == [1.0]
    told("late: rule chat", "silent for 12 s", "Late requests", "pilotfish_requests_in_flight")


async def test_a_vendor_that_limits_says_until_when(tmp_path):
    with capture_logs() as logs:
        async with (
            SimulatedVendor() as vendor,
            proxied(tmp_path, rules(vendor.base)) as proxy,
        ):
            vendor.always(Fault.status(429, retry_after=30))
            await proxy.chat("m")
            service = await proxy.service("openai", "own-model")
            seen = await top(proxy)
            limited = await proxy.series("pilotfish_attempts_total", outcome="rate_limited")
    (out,) = [line for line in logs if line["event"] == "service_out"]
    assert out["outcome"] == "rate_limited"
    assert (service["state"], service["seconds_left"] > 25) == ("cooling", True)
    assert "rate_limited" in service["reason"]
    assert "next trial in" in seen
    assert limited == [1.0]
    told("service_out", "rate_limited", "next trial in")


async def test_a_refused_key_is_named_by_its_source(tmp_path):
    with capture_logs() as logs:
        async with (
            SimulatedVendor() as vendor,
            proxied(tmp_path, rules(vendor.base)) as proxy,
        ):
            vendor.always(Fault.status(401))
            await proxy.chat("m")
            seen = await top(proxy)
            refused = await proxy.series("pilotfish_credentials_refused", provider="openai")
            later = await proxy.chat("m")
    (line,) = [line for line in logs if line["event"] == "credential_refused"]
    assert (line["provider"], line["status"]) == ("openai", 401)
    assert "1 of 1 keys out" in seen
    assert refused == [1.0]
    assert later.status == 503
    assert b"refused the proxy's credential" in later.body
    told("credential_refused", "1 of 1 keys out", "pilotfish_credentials_refused")
    told("refused the proxy's credential")


async def test_an_emptied_configmap_changes_nothing_and_is_a_problem(tmp_path):
    with capture_logs() as logs:
        async with (
            SimulatedVendor() as vendor,
            proxied(tmp_path, rules(vendor.base)) as proxy,
        ):
            proxy.rules.write_text("")

            async def noticed() -> bool:
                return bool((await proxy.status())["rules"]["problems"])

            await until(noticed)
            seen = await top(proxy)
            good = await proxy.series("pilotfish_config_last_reload_successful")
            assert (await proxy.chat("m")).status == 200
    assert "problem: " in seen
    assert good == [0.0]
    assert [line for line in logs if line["event"] == "rules_rejected"]
    told("rules_rejected", "problem:", "pilotfish_config_last_reload_successful")


async def test_a_price_that_is_missing_is_no_cost_of_nothing(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, rules(vendor.base, priced=False)) as proxy,
    ):
        await proxy.chat("m")
        await proxy.settled()
        service = await proxy.service("openai", "own-model")
        seen = await top(proxy)
        unpriced = await proxy.series("pilotfish_unpriced_tokens_total", model="own-model")
        proxy.app.log.flush()
        line = proxy.log[-1]
    assert service["price"] is None
    assert "no price: its tokens are in no cost" in seen
    assert (line["cost_usd"], line["unit_price_source"]) == (None, "unpriced")
    assert unpriced[0] > 0
    told("no price: its tokens are in no cost", '"unit_price_source": "unpriced"')
    told("pilotfish_unpriced_tokens_total")
