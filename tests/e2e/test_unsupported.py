"""What a service's style cannot carry: left out and named, or refused where the rule says so."""

from __future__ import annotations

import pytest

from harness import proxied
from pilotfish.simulated import SimulatedVendor

RULES = """
providers: {{claude: {{kind: anthropic, api_base: {base}, no_key_required: true}}}}
rules:
  - {{name: drops, request_model: drops, services: [{{provider: claude, model: sim-n2}}]}}
  - {{name: rejects, request_model: rejects, unsupported: reject, services: [{{provider: claude, model: sim-n2}}]}}
"""


@pytest.fixture
async def asked(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        yield proxy, vendor


async def test_a_rule_may_refuse_what_would_be_lost(asked):
    proxy, vendor = asked
    answer = await proxy.chat("rejects", logit_bias={"1": 2})
    assert (answer.status, answer.json["error"]["message"]) == (
        400,
        "claude/sim-n2 cannot carry logit_bias",
    )
    assert list(vendor.requests) == [], "nothing goes out"
    await proxy.settled()
    assert (
        proxy.record()["attempts"][0]["outcome"],
        (await proxy.service("claude", "sim-n2"))["state"],
    ) == ("bad_request", "serving")


async def test_such_a_rule_serves_what_can_be_carried(asked):
    proxy, _vendor = asked
    assert (await proxy.chat("rejects")).status == 200


async def test_else_it_is_left_out_and_named(asked):
    proxy, _vendor = asked
    answer = await proxy.chat("drops", logit_bias={"1": 2})
    assert (answer.status, answer.headers["x-pilotfish-dropped"]) == (200, "logit_bias")
