"""Connections that were kept and closed meanwhile: the request goes once more, on a new one, and
the log says so.
"""

from __future__ import annotations

import pytest

from harness import proxied
from pilotfish.simulated import Fault, SimulatedVendor

RULES = """
providers:
  a: {{kind: openai, api_base: "{a}/v1", no_key_required: true}}
  b: {{kind: openai, api_base: "{b}/v1", no_key_required: true}}
rules:
  - name: r
    services: [{{provider: a, model: sim-n2}}, {{provider: b, model: sim-n2, tier: 1}}]
    retries: {{max_retries: {retries}}}
"""


@pytest.fixture
async def vendors():
    async with SimulatedVendor(name="a") as a, SimulatedVendor(name="b") as b:
        yield a, b


def rules(vendors, retries: int = 2) -> str:
    a, b = vendors
    return RULES.format(a=a.base, b=b.base, retries=retries)


def attempts(proxy) -> list[tuple[str, str]]:
    return [(a["service"], a["outcome"]) for a in proxy.record()["attempts"]]


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_reset_on_a_kept_connection_is_made_good_on_a_new_one_and_stands_in_the_log(
    tmp_path, vendors, stream, retries
):
    a, _ = vendors
    async with proxied(tmp_path, rules(vendors, retries)) as proxy:
        await proxy.chat("m", stream=stream)
        a.script(Fault(reset_early=True))
        answer = await proxy.chat("m", stream=stream)
        await proxy.settled()
        service = await proxy.service("a", "sim-n2")
    assert (answer.status, answer.headers["x-pilotfish-attempts"]) == (200, "2")
    assert attempts(proxy) == [("a/sim-n2", "connect_failed"), ("a/sim-n2", "served")]
    assert (len(a.requests), a.connections_made) == (3, 2)
    assert (service["state"], service["consecutive_errors"]) == ("serving", 0)


async def test_a_vendor_that_resets_all_connections_is_asked_twice_and_no_more(tmp_path, vendors):
    """Two kept connections, and each of them as well as every new one is reset."""
    a, _ = vendors
    async with proxied(tmp_path, rules(vendors)) as proxy:
        await proxy.chat("m")
        a.always(Fault(reset_early=True))
        answer = await proxy.chat("m")
        await proxy.settled()
    assert answer.headers["x-pilotfish-service"] == "b/sim-n2"
    assert attempts(proxy) == [
        ("a/sim-n2", "connect_failed"),
        ("a/sim-n2", "connect_failed"),
        ("b/sim-n2", "served"),
    ]
    assert len(a.requests) == 3
