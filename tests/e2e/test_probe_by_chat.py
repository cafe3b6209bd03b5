"""`health.probe: chat`: a service that is out is asked for one token of its own model, and its
answer brings it back without a client's request.
"""

from __future__ import annotations

from harness import proxied, until
from pilotfish.simulated import Fault, SimulatedVendor

RULES = """
defaults:
  retries: {{max_retries: 0}}
  health: {{consecutive_error_threshold: 1, probe: chat}}
  cooldown: {{base_delay_s: 0.05, max_delay_s: 0.05}}
providers:
  v: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}
rules:
  - {{name: r, request_model: m, services: [{{provider: v, model: own}}]}}
"""


async def test_a_token_of_its_own_model_brings_a_service_back(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        vendor.script(Fault.status(500))
        assert (await proxy.chat("m")).status == 500
        await vendor.until_requests(2)
        asked = vendor.requests[1].json
        assert (asked["model"], asked["max_completion_tokens"]) == ("own", 1)

        async def back() -> bool:
            return (await proxy.service("v", "own"))["state"] == "serving"

        await until(back)
        assert (await proxy.service("v", "own"))["last_probe"]["outcome"] == "served"
        assert len(vendor.requests) == 2, "no client had to try it"
