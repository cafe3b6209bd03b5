"""Anthropic's clients and a Claude on Bedrock: asked in its own form, in Bedrock's frames, with
Bedrock's signatures and refusals.
"""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml
from aiohttp import web

from harness import proxied
from pilotfish.core.formats import eventstream
from pilotfish.simulated import Fault, SimulatedVendor

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
TEXT = "the small pilot fish swims ahead of great "
USER: list[Any] = [{"role": "user", "content": "hello"}]
ASK = {"model": "m", "max_tokens": 99, "messages": USER}


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("KEY", "AKIDhush")


def rules(base: str, model: str = CLAUDE, **rule: Any) -> str:
    key = {"env": "KEY"}
    bedrock = {
        "kind": "bedrock",
        "api_base": base,
        "options": {"region": "eu-west-1", "access_key": key, "secret_key": key},
    }
    made = {"name": "r", "services": [{"provider": "bedrock", "model": model}], **rule}
    return yaml.safe_dump({"providers": {"bedrock": bedrock}, "rules": [made]})


@asynccontextmanager
async def served(tmp_path, words: str = "", **rule: Any):
    async with SimulatedVendor(key="AKIDhush") as vendor:
        rule.setdefault("retries", {"max_retries": 0})
        async with proxied(
            tmp_path, rules(vendor.base, f"{CLAUDE}-sim-{words}" if words else CLAUDE, **rule)
        ) as proxy:
            yield proxy, vendor


# ---- what goes wrong


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, "invalid_request_error"),
        (429, "rate_limit_error"),
        (503, "overloaded_error"),
        (404, "not_found_error"),
        (401, "permission_error"),
    ],
)
async def test_a_refusal_in_bedrocks_words_is_told_in_anthropics(tmp_path, code, kind):
    async with served(tmp_path) as (proxy, vendor):
        vendor.script(Fault.status(code))
        answer = await proxy.post("/v1/messages", ASK)
        assert (answer.status, answer.json["type"], answer.json["error"]["type"]) == (
            403 if code == 401 else code,
            "error",
            kind,
        )
        assert "AKIDhush" not in answer.text


async def test_a_throttled_claude_is_asked_again_like_any_other_model_of_bedrocks(tmp_path):
    async with served(tmp_path, retries={"max_retries": 1, "base_ms": 10}) as (proxy, vendor):
        vendor.script(Fault.status(429))
        assert (await proxy.post("/v1/messages", ASK)).status == 200
        await proxy.settled()
        assert [a["outcome"] for a in proxy.record()["attempts"]] == ["overloaded", "served"]


async def test_an_exception_amid_the_stream_is_an_error_event_and_no_end(tmp_path):
    async with served(tmp_path, "gap-5ms-err-after") as (proxy, _vendor):
        answer = await proxy.post("/v1/messages", {**ASK, "stream": True})
        assert answer.events[-1]["type"] == "error"
        assert not {"message_delta", "message_stop"} & {event["type"] for event in answer.events}
        await proxy.settled()
        assert proxy.record()["attempts"][-1]["outcome"] == "broken_stream"


def chunk(payload: dict[str, Any]) -> bytes:
    data = base64.b64encode(json.dumps(payload).encode()).decode()
    headers = {
        ":event-type": "chunk",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return eventstream.write(headers, json.dumps({"bytes": data}).encode())


STREAM = [
    chunk(
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "model": "c",
                "usage": {"input_tokens": 1, "output_tokens": 1},
            },
        }
    ),
    chunk(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    ),
    *(
        chunk(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": word},
            }
        )
        for word in ("one ", "two ", "three")
    ),
    chunk({"type": "content_block_stop", "index": 0}),
    chunk(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 3},
        }
    ),
    chunk({"type": "message_stop"}),
]


@asynccontextmanager
async def streamed(*reads: bytes, heard: asyncio.Event):
    """A server that streams these, and waits before the last until the client has heard the
    first.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"content-type": "application/vnd.amazon.eventstream"}
        )
        await response.prepare(request)
        for read in reads[:-1]:
            await response.write(read)
        await heard.wait()
        await response.write(reads[-1])
        return response

    app = web.Application()
    app.router.add_post("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    finally:
        heard.set()
        await runner.cleanup()


@pytest.mark.parametrize("on_break", ["error", "continue"])
async def test_a_frame_that_is_damaged_amid_the_stream_never_leaves_a_hole_in_an_answer(
    tmp_path, on_break
):
    """HTTP is whole, all frames after it are, and so is the end: only the checksum tells that a
    word is missing.
    """
    spoilt = bytearray(b"".join(STREAM[3:]))
    spoilt[len(STREAM[3]) - 5] ^= 1  # within "two "
    heard = asyncio.Event()
    async with streamed(b"".join(STREAM[:3]), bytes(spoilt), heard=heard) as base:
        once = {"retries": {"max_retries": 0, "max_attempts": 1}}
        async with proxied(tmp_path, rules(base, on_stream_break=on_break, **once)) as proxy:
            async with proxy.http.post(
                f"{proxy.base}/v1/messages", json={**ASK, "stream": True}
            ) as answer:
                text = await answer.content.readuntil(b'"one "')
                heard.set()
                text += await answer.content.read()
            assert b"three" not in text
            assert b"event: error" in text
            assert b"message_stop" not in text
            await proxy.settled()
            assert proxy.record()["attempts"][-1]["outcome"] == "broken_stream"


async def test_a_broken_stream_is_continued_by_another_claude_with_the_clients_flags(tmp_path):
    two = [
        {"provider": "bedrock", "model": f"{CLAUDE}-sim-gap-5ms-cut66"},
        {"provider": "bedrock", "model": CLAUDE, "tier": 1},
    ]
    async with served(tmp_path, on_stream_break="continue", services=two) as (proxy, vendor):
        headers = {"anthropic-beta": "interleaved-thinking-2025-05-14"}
        answer = await proxy.post("/v1/messages", {**ASK, "stream": True}, headers)
        said = "".join(
            e["delta"].get("text", "") for e in answer.events if e["type"] == "content_block_delta"
        )
        assert answer.events[-1]["type"] == "message_stop"
        assert said.startswith(TEXT)
        assert [seen.json["anthropic_beta"] for seen in vendor.requests] == [
            ["interleaved-thinking-2025-05-14"]
        ] * 2
        assert vendor.requests[1].json["messages"][-1]["role"] == "assistant"


# ---- what goes well


async def test_the_request_goes_out_as_bedrock_wants_it_and_else_as_it_came(tmp_path):
    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    cited = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "d"},
        "citations": {"enabled": True},
    }
    asked = {
        "model": "m",
        "max_tokens": 2000,
        "system": [
            {"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
        ],
        "messages": [
            {"role": "user", "content": [cited]},
            {"role": "assistant", "content": [thought, {"type": "text", "text": "x"}]},
            *USER,
        ],
        "metadata": {"user_id": "u"},
    }
    beta = "oauth-2025-04-20,context-1m-2025-08-07"
    sent = {
        "anthropic-beta": beta,
        "anthropic-version": "2026-10-21",
        "accept": "application/json",
        "x-api-key": "the client's",
    }
    async with served(tmp_path) as (proxy, vendor):
        answer = await proxy.post(
            "/v1/messages", {**asked, "stream": True, "service_tier": "auto"}, sent
        )
        assert answer.status == 200
        assert (
            answer.headers["x-pilotfish-dropped"] == "service_tier, anthropic-beta.oauth-2025-04-20"
        )
        seen = vendor.requests[-1]
    assert seen.path == f"/model/{CLAUDE}/invoke-with-response-stream"
    assert seen.json == {k: v for k, v in asked.items() if k != "model"} | {
        "anthropic_version": "bedrock-2023-05-31",
        "anthropic_beta": ["context-1m-2025-08-07"],
    }
    assert seen.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDhush/")
    assert "/eu-west-1/bedrock/aws4_request" in seen.headers["authorization"]
    assert not {"anthropic-beta", "anthropic-version", "accept", "x-api-key"} & set(seen.headers)


async def test_a_whole_answer_comes_back_byte_for_byte_with_its_signature(tmp_path):
    async with served(tmp_path) as (proxy, _vendor):
        answer = await proxy.post(
            "/v1/messages", {**ASK, "thinking": {"type": "enabled", "budget_tokens": 50}}
        )
        assert answer.json["content"][0]["signature"]
        assert (answer.json["model"], answer.headers["content-type"]) == (
            CLAUDE,
            "application/json",
        )


async def test_a_stream_comes_as_anthropics_with_its_usage_and_clocks(tmp_path):
    async with served(tmp_path) as (proxy, _vendor):
        answer = await proxy.post("/v1/messages", {**ASK, "stream": True})
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.text.startswith('event: message_start\ndata: {"type":"message_start"')
        assert "".join(
            e["delta"]["text"] for e in answer.events if e["type"] == "content_block_delta"
        ).startswith(TEXT)
        assert answer.events[-1]["type"] == "message_stop"
        await proxy.settled()
        record = proxy.record()
        assert record["ttft_ms"] > 0
        assert (record["finish_reason"], record["output_tokens"]) == (
            "end_turn",
            answer.events[-2]["usage"]["output_tokens"],
        )


async def test_the_name_to_show_is_put_into_streams_and_answers(tmp_path):
    async with served(tmp_path, response_model="@requested") as (proxy, _vendor):
        assert (await proxy.post("/v1/messages", ASK)).json["model"] == "m"
        assert (await proxy.post("/v1/messages", {**ASK, "stream": True})).events[0]["message"][
            "model"
        ] == "m"


async def test_other_clients_reach_the_same_claude_through_converse(tmp_path):
    async with served(tmp_path) as (proxy, vendor):
        assert (await proxy.chat("m")).status == 200
        assert vendor.requests[-1].path == f"/model/{CLAUDE}/converse"
