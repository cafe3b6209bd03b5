"""A provider that says when to come back is not asked before; what its clients get meanwhile."""

from __future__ import annotations

import re
import time

import pytest

from harness import proxied, until
from pilotfish.simulated import Fault, SimulatedVendor

RULES = """
providers:
  a: {{kind: openai, api_base: {a}/v1, no_key_required: true}}
  b: {{kind: openai, api_base: {b}/v1, no_key_required: true}}
rules:
  - name: r
    request_model: m
    retries: {{max_retries: {max_retries}, max_ms: {max_ms}}}
    lb_tactic: {{type: {tactic}}}
    services: [{{provider: a, model: sim-n2, tier: 0}}, {{provider: b, model: sim-n2, tier: {tier}}}]
"""


@pytest.fixture
async def vendors():
    async with SimulatedVendor(name="a") as a, SimulatedVendor(name="b") as b:
        yield a, b


def rules(
    vendors,
    *,
    tactic: str = "round_robin",
    tier: int = 1,
    max_retries: int = 2,
    max_ms: int = 10_000,
) -> str:
    a, b = vendors
    return RULES.format(
        a=a.base, b=b.base, tactic=tactic, tier=tier, max_retries=max_retries, max_ms=max_ms
    )


def limited(ms: int) -> Fault:
    return Fault(code=429, kind="", retry_after_ms=ms)


@pytest.mark.parametrize("streamed", [False, True])
async def test_requests_go_to_the_other_until_the_time_has_passed(tmp_path, vendors, streamed):
    a, b = vendors
    a.script(limited(700))
    async with proxied(tmp_path, rules(vendors)) as proxy:
        first = await proxy.chat("m", stream=streamed)
        assert (
            first.status,
            first.headers["x-pilotfish-service"],
            first.headers["x-pilotfish-attempts"],
        ) == (200, "b/sim-n2", "2")
        assert (await proxy.service("a", "sim-n2"))["state"] == "cooling"

        async def served_by_a_again() -> bool:
            answer = await proxy.chat("m", stream=streamed)
            assert answer.status == 200
            return answer.headers["x-pilotfish-service"] == "a/sim-n2"

        await until(served_by_a_again)
        assert len(b.requests) > 1
        assert a.requests[1].when - a.requests[0].when >= 0.7


async def test_seconds_in_retry_after_are_shown_as_the_time_of_return(tmp_path, vendors):
    """As in the issue: `Retry-After: 7`, and nothing is asked of that provider meanwhile, by no
    tactic.
    """
    a, _ = vendors
    a.always(Fault.status(429, retry_after=7))
    async with proxied(tmp_path, rules(vendors, tactic="random", tier=0)) as proxy:

        async def asked_once() -> bool:
            assert (await proxy.chat("m")).status == 200
            return len(a.requests) == 1

        await until(asked_once)
        for _ in range(20):
            assert (await proxy.chat("m")).headers["x-pilotfish-service"] == "b/sim-n2"
        assert len(a.requests) == 1
        shown = await proxy.service("a", "sim-n2")
        assert (shown["state"], shown["until"] is not None) == ("cooling", True)
        assert 5 < shown["seconds_left"] <= 7
        assert 5 < await proxy.metric("pilotfish_service_cooldown_seconds", provider="a") <= 7
        assert await proxy.metric("pilotfish_service_state", provider="a", state="cooling") == 1


async def test_both_out_for_long_is_429_with_the_smaller_wait(tmp_path, vendors):
    a, b = vendors
    a.always(Fault.status(429, retry_after=40))
    b.always(Fault.status(429, retry_after=20))
    async with proxied(tmp_path, rules(vendors)) as proxy:
        for attempts in ("2", "0"):
            answer = await proxy.chat("m")
            assert (answer.status, answer.headers["x-pilotfish-attempts"]) == (429, attempts)
            assert 18 <= int(answer.headers["retry-after"]) <= 20
            assert answer.json["error"]["message"]
        assert (len(a.requests), len(b.requests)) == (1, 1)


async def test_a_short_wait_is_spent_in_the_proxy_and_the_client_gets_its_one_answer(
    tmp_path, vendors
):
    a, b = vendors
    a.script(limited(1_500))
    b.script(limited(250))
    async with proxied(tmp_path, rules(vendors)) as proxy:
        began = time.monotonic()
        answer = await proxy.chat("m")
        assert (answer.status, answer.headers["x-pilotfish-service"]) == (200, "b/sim-n2")
        assert time.monotonic() - began >= 0.25
        assert b.requests[1].when - b.requests[0].when >= 0.25
        assert [a["outcome"] for a in proxy.record()["attempts"]] == [
            "rate_limited",
            "rate_limited",
            "served",
        ]
        assert await proxy.metric("pilotfish_requests_total", code="200") == 1


async def test_the_wait_for_a_stream_is_spent_too(tmp_path, vendors):
    a, b = vendors
    a.script(limited(200))
    b.script(limited(5_000))
    async with proxied(tmp_path, rules(vendors)) as proxy:
        answer = await proxy.chat("m", stream=True)
        assert (answer.status, answer.said(), answer.headers["x-pilotfish-service"]) == (
            200,
            "the small ",
            "a/sim-n2",
        )


async def test_no_answer_of_a_failed_attempt_reaches_the_client(tmp_path, vendors):
    a, _ = vendors
    a.script(Fault.status(429, retry_after=30))
    async with proxied(tmp_path, rules(vendors)) as proxy:
        answer = await proxy.chat("m")
    assert (answer.status, answer.headers["x-simulated-vendor"]) == (200, "b")
    assert "retry-after" not in answer.headers


async def test_who_comes_when_all_are_out_hears_who_is_why_and_until_when(tmp_path, vendors):
    for vendor in vendors:
        vendor.always(Fault.status(429, retry_after=70))
    async with proxied(tmp_path, rules(vendors, max_retries=0)) as proxy:
        await proxy.chat("m")
        answer = await proxy.chat("m")
    assert answer.status == 429
    assert 60 < int(answer.headers["retry-after"]) <= 70
    message = answer.json["error"]["message"]
    for service in ("a/sim-n2", "b/sim-n2"):
        assert re.search(
            rf"{service}: cooling until \d{{4}}-\d\d-\d\dT[0-9:]+Z \(\d+ s\): "
            r"rate_limited \(status 429, asked to wait 70 s\)",
            message,
        )


async def test_a_refused_key_is_said_to_the_second_client_as_to_the_first(tmp_path, vendors):
    """The first one gets the vendor's status; nobody asks the vendor with that key again."""
    a, _ = vendors
    a.always(Fault.status(401))
    text = rules(vendors).replace(", {provider: b, model: sim-n2, tier: 1}", "")
    async with proxied(tmp_path, text) as proxy:
        first = await proxy.chat("m")
        second = await proxy.chat("m")
    assert (first.status, second.status, len(a.requests)) == (401, 503, 1)
    said = "a refused the proxy's credential (status 401)"
    assert first.json["error"]["message"] == said
    assert re.search(rf"{re.escape(said)} at \d{{4}}-", second.json["error"]["message"])
