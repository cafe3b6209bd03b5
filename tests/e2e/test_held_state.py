"""Requests that name what a vendor keeps go to that vendor, whatever the tactic would choose: an
answer without its history would be wrong with status 200.
"""

from __future__ import annotations

import orjson
import pytest

from harness import proxied
from pilotfish.core.state.holders import Holder
from pilotfish.simulated import SimulatedVendor
from planted import planted

RULES = """
providers:
  a: {{kind: openai, api_base: {a}/v1, tokens: [{{env: KEY_A}}, {{env: KEY_B}}]}}
  b: {{kind: openai, api_base: {b}/v1, token: {{env: KEY_A}}}}
  g: {{kind: google, api_base: {b}/v1beta, token: {{env: KEY_A}}}}
  c: {{kind: anthropic, api_base: {b}, token: {{env: KEY_A}}}}
defaults: {{retries: {{max_retries: 0, max_ms: 1}}}}
rules:
  - name: m
    request_model: m
    lb_tactic: {{type: round_robin, params: {{request_threshold: 1}}}}
    services: [{{provider: a, model: sim-n2}}, {{provider: b, model: sim-n2}}, {{provider: g, model: sim-n2}}]
  - {{name: only-b, request_model: only-b, services: [{{provider: b, model: sim-n2}}]}}
"""


@pytest.fixture
async def vendors(monkeypatch):
    monkeypatch.setenv("KEY_A", planted("a"))
    monkeypatch.setenv("KEY_B", planted("b"))
    async with SimulatedVendor() as a, SimulatedVendor() as b:
        b._number = 1000  # so that no id is given out twice
        yield a, b


@pytest.fixture
async def proxy(vendors, tmp_path):
    a, b = vendors
    async with proxied(tmp_path, RULES.format(a=a.base, b=b.base)) as proxy:
        yield proxy


async def responses(proxy, model="m", **more):
    return await proxy.post("/v1/responses", {"model": model, "input": "hello", **more})


async def turns_of(proxy, turns=6, **more):
    """Who serves one request after the other."""
    found = []
    for _ in range(turns):
        answer = await responses(proxy, **more)
        found.append(answer.headers["x-pilotfish-service"].partition("/")[0])
    return found


@pytest.mark.parametrize("stream", [False, True])
async def test_a_conversation_goes_on_where_it_began(proxy, stream):
    assert set(await turns_of(proxy)) == {"a", "b", "g"}
    served = set()
    for _ in range(3):
        first = await responses(proxy, stream=stream)
        by = first.headers["x-pilotfish-service"].partition("/")[0]
        if by == "g":
            continue  # Gemini keeps nothing of it: the id is the proxy's own
        served.add(by)
        named = first.events[0]["response"]["id"] if stream else first.json["id"]
        assert set(await turns_of(proxy, previous_response_id=named)) == {by}
    assert served == {"a", "b"}


async def test_what_another_request_of_its_own_gave_out_counts_as_well(proxy):
    """Files and conversations are made by requests that are passed on."""
    holders = proxy.app.ledger.holders
    holders.note(["conv_000001", "file-000001", "vs_0000001"], Holder("b"))
    tool = {"type": "file_search", "vector_store_ids": ["vs_0000001"]}
    part = {"type": "input_file", "file_id": "file-000001"}
    for naming in (
        {"conversation": "conv_000001"},
        {"conversation": {"id": "conv_000001"}},
        {"tools": [tool]},
        {"input": [{"role": "user", "content": [part]}]},
    ):
        assert set(await turns_of(proxy, 3, **naming)) == {"b"}


async def test_a_cache_or_a_file_of_geminis_is_geminis(proxy):
    proxy.app.ledger.holders.note(["cachedContents/abc123", "files/abc123"], Holder("g"))
    text = {"role": "user", "parts": [{"text": "hello"}]}
    uri = "https://generativelanguage.googleapis.com/v1beta/files/abc123"
    file = {"fileData": {"fileUri": uri, "mimeType": "text/plain"}}
    for body in (
        {"contents": [text], "cachedContent": "cachedContents/abc123"},
        {"contents": [{"role": "user", "parts": [{"text": "hello"}, file]}]},
    ):
        for _ in range(3):
            answer = await proxy.post("/v1beta/models/m:generateContent", body)
            assert answer.headers["x-pilotfish-service"] == "g/sim-n2"


async def test_it_goes_with_the_credential_that_made_it(proxy, vendors):
    label = str(proxy.app.router.snapshot.providers["a"].tokens[1])
    proxy.app.ledger.holders.note(["resp_000001"], Holder("a", label))
    for _ in range(2):
        assert (await responses(proxy, previous_response_id="resp_000001")).status == 200
    sent = [dict(r.headers)["authorization"] for r in vendors[0].requests]
    assert sent == [f"Bearer {planted('b')}"] * 2


async def test_a_holder_that_is_out_is_not_replaced(proxy):
    proxy.app.ledger.holders.note(["resp_000001"], Holder("b"))
    health = proxy.app.ledger.services["b", "sim-n2"].health
    health.force_cooldown(1e12, "said so", 0.0, retry_after_given=True)
    answer = await responses(proxy, previous_response_id="resp_000001")
    assert answer.status in (429, 503)
    assert "b/sim-n2" in answer.json["error"]["message"]
    assert set(await turns_of(proxy)) == {"a", "g"}


async def test_a_holder_that_the_rule_does_not_have_is_a_503_that_says_so(proxy):
    proxy.app.ledger.holders.note(["resp_000001"], Holder("a"))
    answer = await responses(proxy, "only-b", previous_response_id="resp_000001")
    assert (answer.status, answer.json["error"]["message"]) == (
        503,
        "what this request names is held by provider 'a', of which rule 'only-b' has no service",
    )


async def test_an_id_that_nobody_knows_leaves_it_to_those_who_may_know(proxy):
    proxy.app.ledger.holders.note(["resp_000001"], Holder("b"))
    assert set(await turns_of(proxy, previous_response_id="resp_unheard_of")) == {"a", "b"}


async def test_made_up_ids_take_no_room(proxy):
    await responses(proxy)
    before = len(proxy.app.ledger.holders)
    for i in range(50):
        await responses(proxy, previous_response_id=f"resp_made_up_{i}")
        async with proxy.http.get(f"{proxy.base}/v1/responses/resp_made_up_{i}") as answer:
            await answer.read()
    assert len(proxy.app.ledger.holders) <= before + 50  # those of the answers


async def test_a_stored_answer_is_asked_for_where_it_is(proxy, vendors):
    answer = await responses(proxy, "only-b")
    named = answer.json["id"]
    async with proxy.http.get(f"{proxy.base}/v1/responses/{named}") as got:
        assert got.headers["x-pilotfish-service"] == "b"
    chat = {"messages": [{"role": "user", "content": "x"}], "store": True}
    made = await proxy.post("/v1/chat/completions", {"model": "only-b", **chat})
    path = f"/v1/chat/completions/{made.json['id']}/messages"
    async with proxy.http.get(proxy.base + path) as got:
        assert got.headers["x-pilotfish-service"] == "b"
    assert orjson.loads(orjson.dumps(proxy.record()))["held"] is True
