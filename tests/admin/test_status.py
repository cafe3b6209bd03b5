"""`GET /status`: every service that a request can reach is there, once for each rule."""

from harness import proxied
from pilotfish.simulated import SimulatedVendor

RULES = """
providers:
  v: {{kind: openai, api_base: {base}/v1, no_key_required: true}}
rules:
  - name: r
    request_model: m
    services: [{{provider: v, model: small}}]
    smart_routing:
      - ops: [{{position: token, operation: ge, value: "1000"}}]
        services: [{{provider: v, model: large}}, {{provider: v, model: small, weight: 0}}]
"""


async def test_services_of_smart_routing_blocks_are_there_too(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        await proxy.chat("m", "a long story " * 1000)
        status = await proxy.status()
    assert [(s["model"], s["outcomes"].get("served", 0)) for s in status["services"]] == [
        ("small", 0),
        ("large", 1),
    ]
    assert status["access_log"] == {"enabled": True, "sample": 1.0}
