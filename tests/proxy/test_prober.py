"""A service whose time out is over is asked in the background by one cheap call, before clients are
sent to it again.
"""

import pytest

from harness import proxied, until
from pilotfish.simulated import Fault, SimulatedVendor

RULES = """
providers: {{v: {{kind: openai, api_base: {base}/v1, no_key_required: true}}}}
rules:
  - name: r
    request_model: m
    retries: {{max_retries: 0, max_ms: 10}}
    health: {{probe_enabled: {enabled}}}
    services: [{{provider: v, model: sim-n2}}]
"""


@pytest.fixture
async def vendor():
    async with SimulatedVendor() as vendor:
        yield vendor


async def test_a_probe_brings_a_service_back_without_a_clients_request(tmp_path, vendor):
    async with proxied(tmp_path, RULES.format(base=vendor.base, enabled="true")) as proxy:
        vendor.script(Fault(code=429, kind="", retry_after_ms=100))
        assert (await proxy.chat("m")).status == 429

        async def serving() -> bool:
            return (await proxy.service("v", "sim-n2"))["state"] == "serving"

        await until(serving)
        asked = [(seen.method, seen.path) for seen in vendor.requests]
        assert asked == [("POST", "/v1/chat/completions"), ("GET", "/v1/models")]
        assert vendor.requests[1].when - vendor.requests[0].when >= 0.1


async def test_without_probes_the_next_request_is_the_probe(tmp_path, vendor):
    async with proxied(tmp_path, RULES.format(base=vendor.base, enabled="false")) as proxy:
        vendor.script(Fault(code=429, kind="", retry_after_ms=100))
        assert (await proxy.chat("m")).status == 429

        async def served() -> bool:
            return (await proxy.chat("m")).status == 200

        await until(served)
        assert (await proxy.service("v", "sim-n2"))["state"] == "serving"
        assert {seen.method for seen in vendor.requests} == {"POST"}
        assert len(vendor.requests) == 2, "nobody was sent there while it cooled"
