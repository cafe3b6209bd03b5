"""Everything that clients may call beside chat, and the ways in which a model is addressed."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from harness import proxied, until
from pilotfish.simulated import Fault

RULES = """
providers:
  openai: {{kind: openai, api_base: {base}/v1, no_key_required: true, models: [sim-n2, sim-n3, embed, tell, draw]}}
  claude: {{kind: anthropic, api_base: {base}, no_key_required: true}}
  local: {{kind: vllm, api_base: {base}/v1, no_key_required: true}}
  gemini: {{kind: google, api_base: {base}/v1beta, no_key_required: true}}
rules:
  - {{name: chat, request_model: m, description: everyday, services: [{{provider: openai, model: sim-n2}}]}}
  - {{name: coder, scenario: claude_code, request_model: m, services: [{{provider: claude, model: sim-n3}}]}}
  - {{name: globbed, request_model: "gpt-*", services: [{{provider: openai, model: sim-n3}}]}}
  - {{name: counted, request_model: c, services: [{{provider: claude, model: x}}]}}
  - {{name: uncounted, request_model: u, services: [{{provider: openai, model: sim-n2}}]}}
  - {{name: embeddings, request_model: e, services: [{{provider: openai, model: embed}}]}}
  - {{name: vectors, request_model: g, services: [{{provider: gemini, model: embed}}]}}
  - {{name: speech, request_model: s, services: [{{provider: openai, model: tell}}]}}
  - {{name: pictures, request_model: p, services: [{{provider: openai, model: draw}}]}}
virtual_models:
  fastest: {{display_name: Fastest, description: whoever speaks first, strategy: first_wins, providers: [{{name: openai, model: sim-n2}}]}}
{default}
"""
CHAT: dict[str, Any] = {"max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
async def proxy(tmp_path, vendor):
    async with proxied(tmp_path, RULES.format(base=vendor.base, default="")) as proxy:
        yield proxy


# Beside chat


async def test_embeddings(proxy, vendor):
    answer = await proxy.post(
        "/v1/embeddings", {"model": "e", "input": ["a", "b"], "dimensions": 4}
    )
    assert [d["embedding"] for d in answer.json["data"]] == [[0.5, -0.25, 0.125, 1.0]] * 2
    assert vendor.requests[0].json == {"model": "embed", "input": ["a", "b"], "dimensions": 4}
    assert await proxy.metric("pilotfish_requests_total", rule="embeddings", code="200") == 1
    assert proxy.record()["input_tokens"] > 0


async def test_embeddings_of_a_provider_of_another_style(proxy, vendor):
    answer = await proxy.post("/v1/embeddings", {"model": "g", "input": ["a", "b"]})
    assert [d["embedding"] for d in answer.json["data"]] == [[0.5, -0.25, 0.125, 1.0]] * 2
    assert ":batchEmbedContents" in vendor.requests[0].path


async def test_moderations(proxy, vendor):
    answer = await proxy.post("/v1/moderations", {"model": "openai/tell", "input": "some violence"})
    assert answer.json["results"][0]["flagged"] is True
    assert vendor.requests[0].json["model"] == "tell"


async def test_moderations_without_a_model_are_sent_without_one(tmp_path, vendor):
    rules = """
providers: {{openai: {{kind: openai, api_base: {base}/v1, no_key_required: true}}}}
rules: [{{name: chat, request_model: m, services: [{{provider: openai, model: sim-n2}}]}}]
"""
    async with proxied(tmp_path, rules.format(base=vendor.base)) as proxy:
        answer = await proxy.post("/v1/moderations", {"input": "some violence"})
        assert answer.json["results"][0]["flagged"] is True
        assert "model" not in vendor.requests[0].json
        assert (await proxy.post("/v1/chat/completions", {"messages": []})).status == 404


async def test_images(proxy, vendor):
    answer = await proxy.post("/v1/images/generations", {"model": "p", "prompt": "a fish", "n": 2})
    assert len(answer.json["data"]) == 2
    assert (vendor.requests[0].path, vendor.requests[0].json["model"]) == (
        "/v1/images/generations",
        "draw",
    )


async def test_rerank(proxy, vendor):
    answer = await proxy.post(
        "/v1/rerank", {"model": "local/sort", "query": "q", "documents": ["a", "b"]}
    )
    assert [r["index"] for r in answer.json["results"]] == [0, 1]
    assert vendor.requests[0].json["model"] == "sort"
    assert (
        await proxy.post("/v1/rerank", {"model": "m", "query": "q", "documents": []})
    ).status >= 400, "OpenAI has no such call"
    assert len(vendor.requests) == 1


async def test_a_recording_in_a_form_keeps_every_byte_but_the_models_name(proxy, vendor):
    recording = bytes(range(256)) * 40
    edge, mark = b"--edge\r\nContent-Disposition: form-data; name=", b"\r\n\r\n"
    form = (
        edge + b'"language"' + mark + b"de\r\n" + edge + b'"model"' + mark + b"s\r\n"
        + edge + b'"file"; filename="talk.wav"\r\nContent-Type: audio/wav' + mark + recording + b"\r\n--edge--\r\n"
    )  # fmt: skip
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    answer = await proxy.post("/v1/audio/transcriptions", form, headers)
    assert (answer.status, answer.json["text"]) == (200, "a recording of 10240 bytes")
    seen = vendor.requests[0]
    assert seen.body == form.replace(mark + b"s\r\n", mark + b"tell\r\n")
    assert seen.headers["content-type"] == headers["content-type"]


async def test_a_form_of_a_client_library_is_understood(proxy):
    form = aiohttp.FormData()
    form.add_field("file", b"x" * 99, filename="talk.wav", content_type="audio/wav")
    form.add_field("model", "s")
    async with proxy.http.post(f"{proxy.base}/v1/audio/translations", data=form) as answer:
        assert (answer.status, (await answer.json())["text"]) == (200, "a recording of 99 bytes")


async def test_speech_comes_back_as_bytes(proxy, vendor):
    answer = await proxy.post(
        "/v1/audio/speech", {"model": "s", "input": "hello", "voice": "alloy"}
    )
    assert (answer.headers["content-type"], answer.body) == ("audio/mpeg", bytes(range(256)) * 16)
    assert vendor.requests[0].json["model"] == "tell"


async def test_completions_and_azures_paths(proxy, vendor):
    plain = await proxy.post("/v1/completions", {"model": "m", "prompt": "hello"})
    assert plain.json["choices"][0]["text"] == "the small "
    azure = await proxy.post("/openai/deployments/m/chat/completions?api-version=2024-10-21", CHAT)
    assert azure.json["choices"][0]["message"]["content"] == "the small "
    newer = await proxy.post("/openai/v1/chat/completions", {"model": "m", **CHAT})
    assert newer.json["choices"][0]["message"]["content"] == "the small "
    assert {seen.model for seen in vendor.requests} == {"sim-n2"}


# Lists of models


async def test_models_in_three_forms(proxy):
    async def get(path: str, **headers: str) -> Any:
        async with proxy.http.get(proxy.base + path, headers=headers) as answer:
            assert answer.status == 200
            return await answer.json()

    openai = await get("/v1/models")
    names = {m["id"] for m in openai["data"]}
    assert {"m", "c", "fastest", "openai/embed"} <= names
    assert (openai["object"], "gpt-*" in names) == ("list", False)
    anthropic = await get("/v1/models", **{"anthropic-version": "2023-06-01"})
    assert {m["display_name"] for m in anthropic["data"] if m["id"] == "fastest"} == {"Fastest"}
    assert anthropic["has_more"] is False
    google = await get("/v1beta/models")
    assert {m["description"] for m in google["models"] if m["name"] == "models/fastest"} == {
        "whoever speaks first"
    }
    assert (await get("/v1/models/m"))["id"] == "m"
    assert (await get("/v1/models/openai/embed"))["id"] == "openai/embed"
    assert (await get("/v1beta/models/m"))["name"] == "models/m"
    async with proxy.http.get(f"{proxy.base}/v1/models/nobody") as missing:
        assert (missing.status, (await missing.json())["error"]["code"]) == (404, "model_not_found")


# Tokens


async def test_tokens_are_counted_where_the_provider_can(proxy, vendor):
    answer = await proxy.post(
        "/v1/messages/count_tokens", {"model": "c", "messages": CHAT["messages"]}
    )
    assert (answer.json["input_tokens"] > 0, answer.headers["x-pilotfish-service"]) == (
        True,
        "claude/x",
    )
    assert (vendor.requests[0].path, vendor.requests[0].model) == ("/v1/messages/count_tokens", "x")


async def test_tokens_are_estimated_where_no_service_can_count(proxy, vendor):
    answer = await proxy.post(
        "/v1/messages/count_tokens",
        {"model": "u", "messages": [{"role": "user", "content": "x" * 400}]},
    )
    assert (answer.status, answer.headers["x-pilotfish-estimated"]) == (200, "true")
    assert 80 <= answer.json["input_tokens"] <= 130
    google = await proxy.post(
        "/v1beta/models/u:countTokens",
        {"contents": [{"role": "user", "parts": [{"text": "x" * 400}]}]},
    )
    assert 80 <= google.json["totalTokens"] <= 130
    assert not vendor.requests


# Ways to a service


async def test_a_scenario_has_rules_of_its_own(proxy):
    async def rule(path: str) -> str:
        answer = await proxy.post(path, {"model": "m", **CHAT})
        return answer.headers.get("x-pilotfish-rule", str(answer.status))

    assert await rule("/claude_code/v1/messages") == "coder"
    assert await rule("/v1/messages") == "chat"
    assert await rule("/opencode/v1/chat/completions") == "chat"
    assert await rule("/anthropic/v1/messages") == "chat"


async def test_a_glob_yields_to_an_exact_name_and_a_provider_may_be_named(proxy):
    assert (await proxy.chat("gpt-9")).headers["x-pilotfish-rule"] == "globbed"
    direct = await proxy.chat("openai/sim-n3")
    assert (direct.status, direct.headers["x-pilotfish-service"]) == (200, "openai/sim-n3")
    other = await proxy.chat("claude/any/thing")
    assert (other.status, other.headers["x-pilotfish-service"]) == (200, "claude/any/thing")
    denied = await proxy.chat("openai/not-allowed")
    assert (denied.status, "does not allow" in denied.json["error"]["message"]) == (404, True)


async def test_a_model_that_a_client_made_up_makes_no_series_of_its_own(proxy):
    for i in range(3):
        await proxy.chat(f"claude/made-up-{i}")
    assert "made-up" not in (await proxy.admin("/metrics")).text
    assert await proxy.metric("pilotfish_attempts_total", provider="claude", model="other") == 3


async def test_the_default_virtual_model_takes_what_no_rule_knows(tmp_path, vendor, proxy):
    assert (await proxy.chat("unheard-of")).status == 404
    folder = tmp_path / "second"
    folder.mkdir()
    async with proxied(
        folder, RULES.format(base=vendor.base, default="default_virtual_model: fastest")
    ) as second:
        answer = await second.chat("unheard-of")
        assert (answer.status, answer.headers["x-pilotfish-rule"]) == (200, "fastest")
        assert (await second.chat("fastest")).headers["x-pilotfish-rule"] == "fastest"
        assert "unheard-of" not in (await second.admin("/metrics")).text


async def test_explain_says_what_a_request_would_meet_and_asks_nobody(proxy, vendor):
    told = (await proxy.admin("/explain?path=/v1/chat/completions", {"model": "m", **CHAT})).json
    assert (told["rule"], [c["service"] for c in told["candidates"]]) == ("chat", ["openai/sim-n2"])
    none = (await proxy.admin("/explain", {"model": "unheard-of", **CHAT})).json
    assert (none["rule"], "unheard-of" in none["why"]) == (None, True)
    assert not vendor.requests


# Limits of the proxy itself


async def test_more_requests_than_it_takes_are_503_with_a_time_to_come_back(tmp_path, vendor):
    gate = asyncio.Event()
    vendor.always(Fault.hold(gate))
    async with proxied(
        tmp_path, RULES.format(base=vendor.base, default=""), max_in_flight=3
    ) as proxy:
        asking = [asyncio.create_task(proxy.chat("m")) for _ in range(3)]
        await until(lambda: len(proxy.app.engine.in_flight) == 3)
        refused = await proxy.chat("m")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert await proxy.metric("pilotfish_requests_in_flight", rule="chat") == 3
        assert (await proxy.admin("/readyz")).status == 200
        gate.set()
        assert [a.status for a in await asyncio.gather(*asking)] == [200] * 3
        assert (await proxy.chat("m")).status == 200


async def test_reset_brings_a_service_back_by_hand(proxy, vendor):
    vendor.script(Fault.status(429, retry_after=60))
    assert (await proxy.chat("m")).status == 429
    assert (await proxy.service("openai", "sim-n2"))["state"] == "cooling"
    assert (await proxy.admin("/reset", {"service": "openai/sim-n2"})).status == 200
    assert (await proxy.chat("m")).status == 200
    assert (await proxy.admin("/reset", {"provider": "nobody"})).status == 404
    assert (await proxy.admin("/reset", {"both": 1, "of": 2})).status == 400
