"""The durations in metrics and the access log, measured against a vendor whose delays are known:
exact to 5 ms or 2 %.
"""

from __future__ import annotations

import asyncio

import pytest

from harness import Proxy, proxied
from pilotfish.simulated import Profile, SimulatedVendor

TTFT_S, GAP_S, CHUNKS = 0.15, 0.02, 11
DURATION_S = TTFT_S + GAP_S * (CHUNKS - 1)
REQUESTS = 4
# The machine under the test may be busy for a moment; a clock that measures the wrong thing is
# wrong in every round.
ROUNDS = 5

RULES = """
providers:
  openai: {{kind: openai, api_base: {base}/v1, no_key_required: true}}
  anthropic: {{kind: anthropic, api_base: {base}, no_key_required: true}}
rules:
  - {{name: r, request_model: m, services: [{{provider: {provider}, model: m}}]}}
"""


async def mean(proxy: Proxy, name: str, before: dict[str, float], **labels: str) -> float:
    """Of what was observed since `before` was last filled, which it fills again."""
    total, count = [await proxy.metric(f"{name}_{part}", **labels) for part in ("sum", "count")]
    observed = count - before.get(f"{name} count", 0.0)
    found = (total - before.get(name, 0.0)) / observed
    before[name], before[f"{name} count"] = total, count
    assert observed == REQUESTS
    return found


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_streams_are_timed_as_the_vendor_paces_them(tmp_path, provider):
    async with (
        SimulatedVendor(profile=Profile(ttft_s=TTFT_S, gap_s=GAP_S, chunks=CHUNKS)) as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base, provider=provider)) as proxy,
    ):
        before: dict[str, float] = {}
        for left in reversed(range(ROUNDS)):
            await asyncio.gather(*(proxy.chat("m", stream=True) for _ in range(REQUESTS)))
            measured = {
                "ttft": await mean(proxy, "gen_ai_server_time_to_first_token_seconds", before),
                "token": await mean(proxy, "gen_ai_server_time_per_output_token_seconds", before),
                "duration": await mean(proxy, "gen_ai_server_request_duration_seconds", before),
                "whole": await mean(proxy, "pilotfish_request_duration_seconds", before),
                "speed": await mean(proxy, "pilotfish_output_tokens_per_second", before),
            }
            expected = {
                "ttft": pytest.approx(TTFT_S, rel=0.02, abs=0.005),
                "token": pytest.approx(GAP_S, rel=0.02),
                "duration": pytest.approx(DURATION_S, rel=0.02, abs=0.005),
                "whole": pytest.approx(DURATION_S, rel=0.02, abs=0.005),
                "speed": pytest.approx(CHUNKS / (GAP_S * (CHUNKS - 1)), rel=0.02),
            }
            if measured == expected or not left:
                break
        assert measured == expected
        record = proxy.record()
        assert record["ttft_ms"] >= TTFT_S * 1000
        assert record["overhead_ms"] < record["duration_ms"] - record["ttft_ms"]


async def test_a_whole_answer_has_a_duration_and_no_first_token(tmp_path):
    async with (
        SimulatedVendor(profile=Profile(ttft_s=0.05, gap_s=0.01, chunks=3)) as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base, provider="openai")) as proxy,
    ):
        await proxy.chat("m")
        assert await proxy.metric("gen_ai_server_request_duration_seconds_sum") >= 0.07
        assert await proxy.metric("gen_ai_server_time_to_first_token_seconds_count") == 0
        assert await proxy.metric("gen_ai_server_time_per_output_token_seconds_count") == 0
        assert proxy.record()["ttft_ms"] is None
