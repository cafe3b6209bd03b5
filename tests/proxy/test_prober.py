"""A service whose time out is over is asked in the background by one cheap call, before clients are
sent to it again.
"""

import orjson
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
    cooldown: {{base_delay_s: 0.1, multiplier: 1}}
    services: [{{provider: v, model: sim-n2}}]
"""


@pytest.fixture
async def vendor():
    async with SimulatedVendor() as vendor:
        yield vendor


async def out(proxy, vendor) -> None:
    """Takes the service out by three requests that fail."""
    vendor.script(*[Fault.status(500)] * 3)
    for _ in range(3):
        assert (await proxy.chat("m")).status == 500
    assert (await proxy.service("v", "sim-n2"))["state"] == "cooling"


def listings(vendor) -> int:
    return sum(seen.path.endswith("/models") for seen in vendor.requests)


async def test_a_list_of_models_proves_nothing_it_only_permits_a_trial(tmp_path, vendor):
    """It was once taken for a recovery: chats that failed for ever came back after every step."""
    async with proxied(tmp_path, RULES.format(base=vendor.base, enabled="true")) as proxy:
        await out(proxy, vendor)
        await until(lambda: listings(vendor) == 1)
        service = await proxy.service("v", "sim-n2")
        assert (service["state"], service["trips"]) == ("probing", 1)
        assert (await proxy.chat("m")).status == 200
        assert (await proxy.service("v", "sim-n2"))["state"] == "serving"


@pytest.mark.parametrize("status", [400, 401, 403, 405, 429])
async def test_a_key_that_may_chat_and_not_list_is_not_kept_out_by_its_probe(
    tmp_path, vendor, status
):
    vendor.on("models", Fault.status(status))
    async with proxied(tmp_path, RULES.format(base=vendor.base, enabled="true")) as proxy:
        await out(proxy, vendor)
        await until(lambda: listings(vendor) == 1)
        assert (await proxy.chat("m")).status == 200
        assert (await proxy.service("v", "sim-n2"))["state"] == "serving"


async def test_a_probe_that_says_not_yet_prolongs_and_a_trial_is_let_in_all_the_same(
    tmp_path, vendor
):
    vendor.on("models", Fault.status(500))
    async with proxied(tmp_path, RULES.format(base=vendor.base, enabled="true")) as proxy:
        await out(proxy, vendor)
        await until(lambda: listings(vendor) == 4)
        assert (await proxy.chat("m")).status == 200


CHAT = RULES.replace("probe_enabled: {enabled}", "probe: chat")


async def test_one_token_of_the_model_itself_brings_a_service_back(tmp_path, vendor):
    """Nobody had to try it."""
    async with proxied(tmp_path, CHAT.format(base=vendor.base)) as proxy:
        await out(proxy, vendor)

        async def is_back() -> bool:
            return (await proxy.service("v", "sim-n2"))["state"] == "serving"

        await until(is_back)
        assert listings(vendor) == 0
        assert orjson.loads(vendor.requests[-1].body)["max_completion_tokens"] == 1
        assert (await proxy.service("v", "sim-n2"))["last_probe"]["outcome"] == "served"


async def test_a_model_that_fails_while_its_list_is_fine_stays_out(tmp_path, vendor):
    """Its own failed token prolongs the time out, three times in a row at most."""
    vendor.on("chat").always(Fault.status(500))
    async with proxied(tmp_path, CHAT.format(base=vendor.base)) as proxy:
        for _ in range(3):
            assert (await proxy.chat("m")).status == 500
        await until(lambda: len(vendor.requests) == 3 + 4)
        assert (await proxy.service("v", "sim-n2"))["state"] in ("cooling", "probing")
        assert listings(vendor) == 0


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
