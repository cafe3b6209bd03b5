"""What a vendor keeps is found again by a proxy that has begun anew, and by its replicas."""

from __future__ import annotations

import pytest

from harness import proxied, until
from pilotfish.simulated import SimulatedVendor
from planted import planted
from redis_server import RedisServer

RULES = """
providers:
  a: {{kind: openai, api_base: {a}/v1, token: {{env: KEY_A}}}}
  b: {{kind: openai, api_base: {b}/v1, token: {{env: KEY_A}}}}
rules:
  - name: m
    request_model: m
    lb_tactic: {{type: round_robin, params: {{request_threshold: 1}}}}
    services: [{{provider: a, model: sim-n2}}, {{provider: b, model: sim-n2}}]
"""


@pytest.fixture
async def rules(monkeypatch):
    monkeypatch.setenv("KEY_A", planted("a"))
    async with SimulatedVendor() as a, SimulatedVendor() as b:
        b._number = 1000  # so that no id is given out twice
        yield RULES.format(a=a.base, b=b.base)


async def begin(proxy) -> tuple[str, str]:
    answer = await proxy.post("/v1/responses", {"model": "m", "input": "hello"})
    return answer.json["id"], answer.headers["x-pilotfish-service"]


async def goes_on(proxy, named: str) -> set[str]:
    found = set()
    for _ in range(4):
        body = {"model": "m", "input": "and?", "previous_response_id": named}
        found.add((await proxy.post("/v1/responses", body)).headers["x-pilotfish-service"])
    return found


async def test_a_conversation_goes_on_after_a_restart(rules, tmp_path):
    state = str(tmp_path / "state")
    async with proxied(tmp_path, rules, state_dir=state) as proxy:
        begun = [await begin(proxy) for _ in range(2)]
    assert {service for _, service in begun} == {"a/sim-n2", "b/sim-n2"}
    async with proxied(tmp_path, rules, state_dir=state) as proxy:
        for named, service in begun:
            assert await goes_on(proxy, named) == {service}
            async with proxy.http.get(f"{proxy.base}/v1/responses/{named}") as got:
                assert got.headers["x-pilotfish-service"] == service.partition("/")[0]


@pytest.mark.redis
async def test_a_conversation_goes_on_at_another_replica(rules, tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    async with (
        RedisServer() as server,
        proxied(folders[0], rules, redis_url=server.url) as one,
        proxied(folders[1], rules, redis_url=server.url) as two,
    ):
        await until(lambda: one.app.shared.connected and two.app.shared.connected)
        begun = [await begin(one) for _ in range(2)]
        assert {service for _, service in begun} == {"a/sim-n2", "b/sim-n2"}
        await until(lambda: not one.app.shared._held.has_news)
        for named, service in begun:
            provider = service.partition("/")[0]
            async with two.http.get(f"{two.base}/v1/responses/{named}") as got:
                assert got.headers["x-pilotfish-service"] == provider
            assert await goes_on(two, named) == {service}
        unheard = await goes_on(two, "resp_unheard_of_anywhere")
        assert unheard == {"a/sim-n2", "b/sim-n2"}
