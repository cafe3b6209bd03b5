"""Services that go and come back: out at once, back in use, asked with discipline meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import orjson

from harness import proxied, until
from pilotfish.simulated import Fault, SimulatedVendor

TEXT = "the small pilot fish swims ahead of great "


@asynccontextmanager
async def two_vendors(
    tmp_path,
    rule: dict[str, Any] | None = None,
    provider: dict[str, Any] | None = None,
    key: str | None = None,
):
    """`flaky` first, `steady` in the tier below."""
    async with (
        SimulatedVendor(name="flaky", key=key) as flaky,
        SimulatedVendor(name="steady") as steady,
    ):
        providers = {
            "flaky": {
                "kind": "openai",
                "api_base": f"{flaky.base}/v1",
                "no_key_required": key is None,
                **(provider or {}),
            },
            "steady": {"kind": "openai", "api_base": f"{steady.base}/v1", "no_key_required": True},
        }
        made = {
            "name": "r",
            "services": [
                {"provider": "flaky", "model": "sim-large"},
                {"provider": "steady", "model": "sim-large", "tier": 1},
            ],
            "retries": {"base_ms": 1, "jitter": 0.0},
            **(rule or {}),
        }
        async with proxied(
            tmp_path, orjson.dumps({"providers": providers, "rules": [made]}).decode()
        ) as proxy:
            yield proxy, flaky, steady


def listings(vendor: SimulatedVendor) -> list[Any]:
    return [seen for seen in vendor.requests if seen.method == "GET"]


async def test_a_provider_that_flaps_under_twenty_requests_at_once_harms_none_of_them(tmp_path):
    """Everybody is served meanwhile; probes come one at a time; when it is well it is in use
    again.
    """
    rule = {"cooldown": {"base_delay_s": 0.2, "multiplier": 1, "max_delay_s": 0.2}}
    async with two_vendors(tmp_path, rule) as (proxy, flaky, _steady):
        flaky.always(Fault.status(503))
        for _ in range(3):
            answers = await asyncio.gather(*(proxy.chat("m", stream=True) for _ in range(20)))
            assert {answer.said() for answer in answers} == {TEXT}
        assert (await proxy.service("flaky", "sim-large"))["trips"] >= 1
        flaky.always(None)

        async def back() -> bool:
            return (await proxy.chat("m")).headers["x-pilotfish-service"] == "flaky/sim-large"

        await until(back, 30)
        assert (await proxy.service("flaky", "sim-large"))["state"] == "serving"


async def test_probes_come_one_at_a_time_and_not_from_the_requests(tmp_path):
    """A probe that hangs is the only one, and at most one request at a time tries the service."""
    rule = {"cooldown": {"base_delay_s": 0.1, "multiplier": 1, "max_delay_s": 0.1}}
    async with two_vendors(tmp_path, rule) as (proxy, flaky, steady):
        flaky.always(Fault.status(503))
        for _ in range(3):
            await proxy.chat("m")
        gate = asyncio.Event()
        flaky.always(Fault.hold(gate))
        await until(lambda: len(listings(flaky)) == 1)
        asked = len(flaky.requests)
        answers = await asyncio.gather(*(proxy.chat("m") for _ in range(20)))
        assert {a.headers["x-pilotfish-service"] for a in answers} == {"steady/sim-large"}
        assert len(flaky.requests) <= asked + 1
        assert (len(listings(flaky)), len(listings(steady))) == (1, 0)
        gate.set()


async def test_retry_after_keeps_everybody_away_until_then(tmp_path):
    async with two_vendors(tmp_path) as (proxy, flaky, _steady):
        flaky.script(Fault.status(429, retry_after=60))
        await proxy.chat("m")
        await asyncio.gather(*(proxy.chat("m") for _ in range(10)))
        assert len(flaky.requests) == 1
        state = await proxy.service("flaky", "sim-large")
        assert (state["state"], state["until"] is not None) == ("cooling", True)


async def test_one_of_two_keys_is_refused_and_nobody_notices(tmp_path, monkeypatch):
    """The other key serves, the refused one is not used again, and neither is told to anyone."""
    monkeypatch.setenv("REVOKED", "sk-hush-revoked")
    monkeypatch.setenv("GOOD", "sk-hush-good")
    provider = {"tokens": [{"env": "REVOKED"}, {"env": "GOOD"}]}
    async with two_vendors(tmp_path, provider=provider, key="sk-hush-good") as (
        proxy,
        flaky,
        steady,
    ):
        answers = [await proxy.chat("m") for _ in range(6)]
        assert {(a.status, a.headers["x-pilotfish-service"]) for a in answers} == {
            (200, "flaky/sim-large")
        }
        assert [seen.status for seen in flaky.requests if seen.method == "POST"].count(401) == 1
        assert not steady.requests
        shown = f"{[a.headers for a in answers]} {proxy.log} {await proxy.status()}"
        assert "sk-hush-revoked" not in shown
        assert "sk-hush-good" not in shown


async def test_both_keys_refused_is_the_next_service_and_no_word_of_the_keys(tmp_path, monkeypatch):
    monkeypatch.setenv("REVOKED", "sk-hush-revoked")
    monkeypatch.setenv("GOOD", "sk-hush-revoked-too")
    provider = {"tokens": [{"env": "REVOKED"}, {"env": "GOOD"}]}
    async with two_vendors(tmp_path, provider=provider, key="sk-hush-another") as (
        proxy,
        flaky,
        _steady,
    ):
        answer = await proxy.chat("m")
        assert (
            answer.status,
            answer.headers["x-pilotfish-service"],
            answer.headers["x-pilotfish-attempts"],
        ) == (
            200,
            "steady/sim-large",
            "3",
        )
        await proxy.chat("m")
        assert len([seen for seen in flaky.requests if seen.method == "POST"]) == 2


async def test_a_failover_is_accounted_once_and_truly(tmp_path):
    """The model, the usage and the attempts are those of who served."""
    async with two_vendors(tmp_path) as (proxy, flaky, _steady):
        flaky.always(Fault.status(500))
        answer = await proxy.chat("m")
        await proxy.settled()
        record = proxy.record()
        assert answer.json["model"] == "sim-large"
        assert (record["service"], record["output_tokens"], len(record["attempts"])) == (
            "steady/sim-large",
            8,
            4,
        )
        assert (
            await proxy.metric("pilotfish_attempts_total", provider="flaky", outcome="server_error")
            == 3
        )
        assert (
            await proxy.metric("pilotfish_attempts_total", provider="steady", outcome="served") == 1
        )
        assert await proxy.metric("pilotfish_tokens_total", provider="steady", kind="output") == 8
        assert await proxy.metric("pilotfish_tokens_total", provider="flaky") == 0
        assert await proxy.metric("pilotfish_requests_total", rule="r", code="200") == 1


async def test_a_server_that_lists_no_models_comes_back_by_a_request(tmp_path):
    """A gateway before a vendor may serve the chats alone: that its list is not found says nothing
    of the service.
    """
    async with SimulatedVendor() as flaky, SimulatedVendor() as steady:
        keys = {"region": "us-east-1", "access_key": "hush-a", "secret_key": "hush-b"}
        rules = {
            "defaults": {
                "cooldown": {"base_delay_s": 0.2, "multiplier": 1, "max_delay_s": 0.2},
                "retries": {"max_retries": 0},
            },
            "providers": {
                "flaky": {"kind": "bedrock", "api_base": flaky.base, "options": keys},
                "steady": {
                    "kind": "openai",
                    "api_base": f"{steady.base}/v1",
                    "no_key_required": True,
                },
            },
            "rules": [
                {
                    "name": "r",
                    "services": [{"provider": "flaky", "model": "sim-n8"}],
                    "fallbacks": ["steady/sim-large"],
                }
            ],
        }
        async with proxied(
            tmp_path, orjson.dumps(rules).decode(), allow_inline_secrets=True
        ) as proxy:
            flaky.script(*[Fault.status(503)] * 3)
            for _ in range(3):
                assert (await proxy.chat("m")).headers["x-pilotfish-service"] == "steady/sim-large"
            assert (await proxy.service("flaky", "sim-n8"))["state"] == "cooling"

            async def back() -> bool:
                return (await proxy.chat("m")).headers["x-pilotfish-service"] == "flaky/sim-n8"

            await until(back, 8)
