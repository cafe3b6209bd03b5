"""Answers that were declined under status 200, in the running proxy: what the client gets, and
what log, metrics and health make of it. The styles are in `test_faults.py`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from harness import proxied
from pilotfish.simulated import SimulatedVendor


@asynccontextmanager
async def asking(tmp_path, services: list[str], **rule: Any):
    async with SimulatedVendor() as vendor:
        provider = {"kind": "openai", "api_base": f"{vendor.base}/v1", "no_key_required": True}
        made = {
            "name": "r",
            "services": [
                {"provider": "v", "model": model, "tier": 0 if "race" in rule else tier}
                for tier, model in enumerate(services)
            ],
            "lb_tactic": "round_robin",
            **rule,
        }
        rules = orjson.dumps({"providers": {"v": provider}, "rules": [made]}).decode()
        async with proxied(tmp_path, rules) as proxy:
            yield proxy


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_has_an_outcome_of_its_own_in_log_and_metrics(tmp_path, stream):
    async with asking(tmp_path, ["sim-declined"]) as proxy:
        answer = await proxy.chat("m", stream=stream)
        await proxy.settled()
        record, service = proxy.record(), await proxy.service("v", "sim-declined")
        counted = await proxy.metric("pilotfish_attempts_total", outcome="refused")
        first_tokens = await proxy.metric("gen_ai_server_time_to_first_token_seconds_count")
    assert answer.status == 200
    assert b"but I can't" in answer.body
    assert (record["code"], record["error"], record["service"]) == (
        200,
        "refused",
        "v/sim-declined",
    )
    assert [a["outcome"] for a in record["attempts"]] == ["refused"]
    assert (counted, first_tokens) == (1, 0)
    assert (service["state"], service["consecutive_errors"]) == ("serving", 0)
    assert service["latency_ms"]["samples"] == service["ttft_ms"]["samples"] == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_comes_as_the_vendor_sent_it(tmp_path, stream):
    async with asking(tmp_path, ["sim-declined"]) as proxy:
        answer = await proxy.chat("m", stream=stream)
    if stream:
        assert answer.events[-1] == "[DONE]"
        said = [
            e["choices"][0]["delta"].get("refusal") or ""
            for e in answer.events[:-1]
            if e["choices"]
        ]
        assert "".join(said) == "I'm sorry, but I can't help with that."
    else:
        message = answer.json["choices"][0]["message"]
        assert message["refusal"] == "I'm sorry, but I can't help with that."


@pytest.mark.parametrize("stream", [False, True])
async def test_who_declines_at_once_does_not_win_the_race_against_who_answers_later(
    tmp_path, stream
):
    services = ["sim-blocked", "sim-n3-ttft-100ms"]
    async with asking(tmp_path, services, race={"max_parallel": 2}) as proxy:
        answer = await proxy.chat("m", stream=stream)
        await proxy.settled()
        record = proxy.record()
        lost = await proxy.metric("pilotfish_races_total", model="sim-blocked", result="failed")
    assert answer.headers["x-pilotfish-service"] == "v/sim-n3-ttft-100ms"
    assert record["finish_reason"] == "stop"
    assert sorted(a["outcome"] for a in record["attempts"]) == ["refused", "served"]
    assert lost == 1


async def test_after_a_refusal_an_error_of_the_next_service_is_not_the_clients(tmp_path):
    rule = {"fallback_on": ["content_policy"], "retries": {"max_retries": 0}}
    async with asking(tmp_path, ["sim-blocked", "sim-500"], **rule) as proxy:
        answer = await proxy.chat("m")
        await proxy.settled()
        record = proxy.record()
    assert answer.status == 200
    assert answer.json["choices"][0]["finish_reason"] == "content_filter"
    assert answer.headers["x-pilotfish-service"] == "v/sim-blocked"
    assert [a["outcome"] for a in record["attempts"]] == ["refused", "server_error"]
