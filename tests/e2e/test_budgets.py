"""Budgets of a day, seen by clients and by whoever looks: 429 with a way back, the cheapest service
first, what is left.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from harness import proxied
from pilotfish.simulated import SimulatedVendor


@asynccontextmanager
async def budgeted(tmp_path, budgets: dict[str, Any], where: str = "rule", **settings: Any):
    """Two services, the dear one in tier 0. A request takes 8 tokens of output."""
    async with SimulatedVendor() as vendor:
        own = {
            "kind": "openai_compatible",
            "api_base": f"{vendor.base}/v1",
            "no_key_required": True,
        }
        services = [
            {"provider": "dear", "model": "sim-n8"},
            {"provider": "cheap", "model": "sim-n8", "tier": 1},
        ]
        rule: dict[str, Any] = {"name": "r", "services": services}
        providers = {"dear": dict(own), "cheap": dict(own)}
        rules: dict[str, Any] = {
            "providers": providers,
            "rules": [rule],
            "prices": {
                "dear/*": {"input": 0, "output": 1_000_000},
                "cheap/*": {"input": 0, "output": 100_000},
            },
        }
        if where == "rule":
            rule["budgets"] = budgets
        elif where == "workload":
            rules["budgets"] = {"shop/web": budgets}
        else:
            providers[where]["budgets"] = budgets
        async with proxied(tmp_path, orjson.dumps(rules).decode(), **settings) as proxy:
            yield proxy


@pytest.mark.parametrize("where", ["rule", "workload"])
async def test_what_is_spent_is_429_with_when_there_is_room_and_which_budget_it_was(
    tmp_path, where
):
    async with budgeted(
        tmp_path, {"usd_per_day": 10, "action": "reject"}, where, workload="shop/web"
    ) as proxy:
        assert [(await proxy.chat("m")).status for _ in range(2)] == [200, 200]
        refused = await proxy.chat("m")
        assert refused.status == 429
        assert "budget of" in refused.json["error"]["message"]
        assert 23 * 3600 < int(refused.headers["retry-after"]) <= 25 * 3600
        asked = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        explained = (await proxy.admin("/explain", asked)).json
        (budget,) = (await proxy.status())["budgets"]
        limits = await proxy.series("pilotfish_budget_limit", scope=where)
        left = await proxy.series("pilotfish_budget_remaining", scope=where)
    assert (budget["scope"], budget["left"], budget["used"]) == (where, 0.0, 16.0)
    assert budget["until"] is not None
    assert (limits, left) == ([10.0], [0.0])
    assert explained["candidates"] == []
    assert all("budget of" in one["why"] for one in explained["left_out"])


async def test_a_providers_budget_sends_requests_elsewhere(tmp_path):
    async with budgeted(tmp_path, {"usd_per_day": 8, "action": "reject"}, "dear") as proxy:
        served = [(await proxy.chat("m")).headers["x-pilotfish-service"] for _ in range(3)]
    assert served == ["dear/sim-n8", "cheap/sim-n8", "cheap/sim-n8"]


async def test_a_spent_budget_may_ask_for_the_cheapest_first_and_nobody_is_refused(tmp_path):
    async with budgeted(tmp_path, {"tokens_per_day": 8, "action": "cheaper"}) as proxy:
        served = [(await proxy.chat("m")).headers["x-pilotfish-service"] for _ in range(3)]
    assert served == ["dear/sim-n8", "cheap/sim-n8", "cheap/sim-n8"]


async def test_a_budget_that_warns_is_said_once_and_stops_nothing(tmp_path):
    with capture_logs() as logs:
        async with budgeted(tmp_path, {"usd_per_day": 8}) as proxy:
            for _ in range(3):
                assert (await proxy.chat("m")).headers["x-pilotfish-service"] == "dear/sim-n8"
            for _ in range(2):
                proxy.app.engine.sweep(monotonic())
    (said,) = [line for line in logs if line["event"] == "budget_spent"]
    assert (said["scope"], said["name"], said["kind"], said["action"]) == (
        "rule",
        "r",
        "usd",
        "warn",
    )


async def test_what_was_spent_survives_a_restart(tmp_path):
    budget = {"usd_per_day": 8, "action": "reject"}
    state = tmp_path / "state"
    async with budgeted(tmp_path, budget, state_dir=str(state)) as proxy:
        assert (await proxy.chat("m")).status == 200
    async with budgeted(tmp_path, budget, state_dir=str(state)) as proxy:
        assert (await proxy.chat("m")).status == 429
