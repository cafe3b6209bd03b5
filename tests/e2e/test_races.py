"""Races and hedges in the running proxy: who wins, what becomes of the losers, and what is
remembered.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from harness import proxied, until
from pilotfish.simulated import SimulatedVendor

TEXT = "the small pilot fish swims ahead of great "


@asynccontextmanager
async def racing(
    tmp_path,
    services: list[str],
    race: dict[str, Any] | None = None,
    rule: dict[str, Any] | None = None,
    **settings: Any,
):
    """A rule `r` whose services are models of two vendors, one each in turn."""
    tmp_path.mkdir(exist_ok=True)
    async with SimulatedVendor(name="a") as a, SimulatedVendor(name="b") as b:
        providers = {
            n: {"kind": "openai_compatible", "api_base": f"{v.base}/v1", "no_key_required": True}
            for n, v in (("a", a), ("b", b))
        }
        made = {
            "name": "r",
            "services": [{"provider": "ab"[i % 2], "model": m} for i, m in enumerate(services)],
            "lb_tactic": "round_robin",
            "retries": {"max_retries": 0},
            **({"race": {"max_parallel": len(services), **race}} if race is not None else {}),
            **(rule or {}),
        }
        async with proxied(
            tmp_path, orjson.dumps({"providers": providers, "rules": [made]}).decode(), **settings
        ) as proxy:
            yield proxy, a, b


def outcomes(proxy) -> dict[str, str]:
    return {a["service"]: str(a["outcome"]) for a in proxy.record()["attempts"]}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_provider_that_opens_fast_and_stalls_loses(tmp_path, stream):
    """Its head and its role chunk come at once; the other one's first word comes late, and wins."""
    async with racing(
        tmp_path, ["sim-roleonly" if stream else "sim-silent200", "sim-ttft-100ms"], {}
    ) as (proxy, a, _b):
        answer = await proxy.chat("m", stream=stream)
        await a.until_cancelled()
        assert answer.headers["x-pilotfish-service"] == "b/sim-ttft-100ms"
        assert (
            answer.said() if stream else answer.json["choices"][0]["message"]["content"]
        ) == TEXT
        await proxy.settled()
        assert list(outcomes(proxy).values()) == ["lost_race", "served"]


async def test_the_loser_is_closed_at_once(tmp_path):
    """Long before its answer would have been over: the vendor sees the client leave while the
    winner still speaks.
    """
    async with racing(tmp_path, ["sim-ttft-50ms-gap-20ms-n30", "sim-ttft-60s"], {}) as (
        proxy,
        _a,
        b,
    ):
        asked = asyncio.create_task(proxy.chat("m", stream=True))
        await b.until_cancelled()
        assert not asked.done()
        assert (await asked).said().startswith(TEXT)
        await proxy.settled()
        assert await proxy.metric("pilotfish_races_total", provider="a", result="won") == 1
        assert await proxy.metric("pilotfish_races_total", provider="b", result="lost") == 1


async def test_weighted_waits_for_the_better_one(tmp_path):
    """The slower service, which wins nine times of ten, comes within the grace period."""
    async with racing(
        tmp_path, ["sim-n8", "sim-ttft-80ms"], {"strategy": "weighted", "grace_period_ms": 2000}
    ) as (proxy, _a, _b):
        now = asyncio.get_running_loop().time()
        for _ in range(9):
            proxy.app.history.record("r", "b/sim-ttft-80ms").add(True, now)
            proxy.app.history.record("r", "a/sim-n8").add(False, now)
        answer = await proxy.chat("m", stream=True)
        assert (answer.headers["x-pilotfish-service"], answer.said()) == ("b/sim-ttft-80ms", TEXT)
        await proxy.settled()
        assert await proxy.metric("pilotfish_wasted_tokens_total", rule="r", reason="race") >= 8
        assert (
            await proxy.metric("pilotfish_races_total", rule="r", provider="a", result="lost") == 1
        )


async def test_weighted_takes_what_it_has_when_the_grace_is_over(tmp_path):
    async with racing(
        tmp_path, ["sim-n8", "sim-ttft-60s"], {"strategy": "weighted", "grace_period_ms": 50}
    ) as (proxy, _a, _b):
        answer = await proxy.chat("m", stream=True)
        assert (answer.headers["x-pilotfish-service"], answer.said()) == ("a/sim-n8", TEXT)


async def test_quality_waits_for_all_and_takes_the_one_that_wins_more(tmp_path):
    async with racing(
        tmp_path, ["sim-n8", "sim-ttft-200ms"], {"strategy": "quality", "timeout_ms": 5000}
    ) as (proxy, _a, _b):
        proxy.app.history.record("r", "b/sim-ttft-200ms").add(
            True, asyncio.get_running_loop().time()
        )
        answer = await proxy.chat("m")
        assert answer.headers["x-pilotfish-service"] == "b/sim-ttft-200ms"


async def test_all_failed_is_the_last_error_with_each_outcome_in_the_log(tmp_path):
    async with racing(tmp_path, ["sim-500", "sim-ttft-100ms-429-ra30"], {}) as (proxy, _a, _b):
        answer = await proxy.chat("m")
        assert answer.status == 429
        assert outcomes(proxy) == {
            "a/sim-500": "server_error",
            "b/sim-ttft-100ms-429-ra30": "rate_limited",
        }
        assert await proxy.metric("pilotfish_races_total", result="failed") == 2


async def test_nobody_within_the_races_time_is_a_504_and_all_are_cancelled(tmp_path):
    async with racing(tmp_path, ["sim-silent", "sim-roleonly"], {"timeout_ms": 100}) as (
        proxy,
        a,
        b,
    ):
        answer = await proxy.chat("m", stream=True)
        await a.until_cancelled()
        await b.until_cancelled()
        assert answer.status == 504


async def test_the_races_time_is_for_a_winner_not_for_the_answer(tmp_path):
    async with racing(tmp_path, ["sim-gap-40ms-n12", "sim-ttft-60s"], {"timeout_ms": 200}) as (
        proxy,
        _a,
        _b,
    ):
        answer = await proxy.chat("m", stream=True)
        assert (answer.status, len(answer.said().split())) == (200, 12)


async def test_a_winner_that_breaks_is_no_clean_end(tmp_path):
    async with racing(tmp_path, ["sim-gap-5ms-cut66", "sim-ttft-60s"], {}) as (proxy, _a, _b):
        answer = await proxy.chat("m", stream=True)
        assert "error" in answer.events[-1]
        assert TEXT.startswith(answer.said())
        assert answer.said() != TEXT


async def test_a_client_that_leaves_ends_all_that_race(tmp_path):
    async with racing(tmp_path, ["sim-silent", "sim-roleonly"], {}) as (proxy, a, b):
        asked = asyncio.create_task(proxy.chat("m", stream=True))
        await a.until_requests(1)
        await b.until_requests(1)
        asked.cancel()
        await asyncio.gather(a.until_cancelled(), b.until_cancelled())
        await proxy.settled()
        assert set(outcomes(proxy).values()) == {"client_gone"}


async def test_wins_and_losses_are_kept_over_a_restart(tmp_path):
    """What is remembered lies in STATE_DIR."""
    state = tmp_path / "state"
    for run in ("first", "second"):
        async with racing(tmp_path / run, ["sim-n8", "sim-ttft-60s"], {}, state_dir=str(state)) as (
            proxy,
            _a,
            _b,
        ):
            record = proxy.app.history.record("r", "a/sim-n8")
            if run == "second":
                assert 2.9 < record.wins <= 3
                assert 2.9 < proxy.app.history.record("r", "b/sim-ttft-60s").losses <= 3
                continue
            for _ in range(3):
                await proxy.chat("m", stream=True)
            assert record.wins > 2.9


async def test_a_virtual_model_races_and_is_listed(tmp_path):
    async with SimulatedVendor() as vendor:
        rules = {
            "providers": {
                "a": {
                    "kind": "openai_compatible",
                    "api_base": f"{vendor.base}/v1",
                    "no_key_required": True,
                }
            },
            "virtual_models": {
                "fastest": {
                    "display_name": "The fastest",
                    "providers": [
                        {"name": "a", "model": "sim-ttft-60s"},
                        {"name": "a", "model": "sim-n8"},
                    ],
                }
            },
            "default_virtual_model": "fastest",
        }
        async with proxied(tmp_path, orjson.dumps(rules).decode()) as proxy:
            answer = await proxy.chat("fastest", stream=True)
            assert (answer.said(), answer.headers["x-pilotfish-service"]) == (TEXT, "a/sim-n8")
            assert (await proxy.chat("anything else")).headers["x-pilotfish-rule"] == "fastest"
            async with proxy.http.get(proxy.base + "/v1/models") as listed:
                assert b"fastest" in await listed.read()
            races = (await proxy.status())["races"]
            assert [
                s["wins"] > 0 for r in races for s in r["services"] if s["service"] == "a/sim-n8"
            ] == [True]


# ---- hedges

HEDGE = {"hedge": {"after": 50, "min_ms": 0, "budget_percent": 100}}


async def test_a_late_first_attempt_gets_a_rival_and_the_rival_wins(tmp_path):
    async with racing(tmp_path, ["sim-ttft-60s", "sim-n8"], rule=HEDGE) as (proxy, a, _b):
        answer = await proxy.chat("m", stream=True)
        await a.until_cancelled()
        assert (answer.said(), answer.headers["x-pilotfish-service"]) == (TEXT, "b/sim-n8")
        await proxy.settled()
        assert await proxy.metric("pilotfish_hedges_total", rule="r", result="won") == 1
        assert [a.get("hedge", False) for a in proxy.record()["attempts"]] == [False, True]


async def test_the_first_may_still_win_against_its_hedge(tmp_path):
    async with racing(tmp_path, ["sim-ttft-300ms", "sim-ttft-60s"], rule=HEDGE) as (proxy, _a, b):
        answer = await proxy.chat("m", stream=True)
        await b.until_cancelled()
        assert (answer.said(), answer.headers["x-pilotfish-service"]) == (TEXT, "a/sim-ttft-300ms")
        await proxy.settled()
        assert await proxy.metric("pilotfish_hedges_total", rule="r", result="lost") == 1


async def test_a_prompt_first_attempt_has_no_rival(tmp_path):
    async with racing(tmp_path, ["sim-n8", "sim-n8-gap-1ms"], rule={"hedge": {"after": 5000}}) as (
        proxy,
        a,
        b,
    ):
        await proxy.chat("m", stream=True)
        assert len(a.requests) + len(b.requests) == 1


async def test_a_request_that_stores_something_is_never_sent_twice(tmp_path):
    async with racing(tmp_path, ["sim-ttft-300ms", "sim-n8"], rule=HEDGE) as (proxy, _a, b):
        answer = await proxy.chat("m", stream=True, store=True)
        assert (answer.said(), len(b.requests)) == (TEXT, 0)


async def test_hedges_stay_within_their_budget(tmp_path):
    """All first attempts are late; of twenty requests at 10 % two and the first free one are
    hedged.
    """
    hedge = {"hedge": {"after": 20, "min_ms": 0, "budget_percent": 10}}
    async with racing(tmp_path, ["sim-ttft-200ms", "sim-ttft-200ms-n9"], rule=hedge) as (
        proxy,
        a,
        b,
    ):
        await asyncio.gather(*(proxy.chat("m", stream=True) for _ in range(20)))
        await until(lambda: not proxy.app.engine.in_flight)
        assert 1 <= len(a.requests) + len(b.requests) - 20 <= 3


async def test_who_cannot_carry_the_request_is_out_before_the_race_begins_and_the_other_wins(
    tmp_path,
):
    async with SimulatedVendor() as vendor:
        providers = {
            "a": {"kind": "anthropic", "api_base": vendor.base, "no_key_required": True},
            "b": {
                "kind": "openai_compatible",
                "api_base": f"{vendor.base}/v1",
                "no_key_required": True,
            },
        }
        services = [{"provider": name, "model": "sim-n2"} for name in "ab"]
        made = {
            "name": "r",
            "services": services,
            "lb_tactic": "round_robin",
            "race": {"max_parallel": 2},
            "unsupported": "reject",
        }
        async with proxied(
            tmp_path, orjson.dumps({"providers": providers, "rules": [made]}).decode()
        ) as proxy:
            answer = await proxy.chat("m", logit_bias={"50256": -100})
            await proxy.settled()
            assert (answer.status, answer.headers["x-pilotfish-service"]) == (200, "b/sim-n2")
            assert outcomes(proxy) == {"b/sim-n2": "served"}
    assert len(vendor.requests) == 1
