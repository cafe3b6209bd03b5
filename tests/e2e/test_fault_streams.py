"""What a stream's start and its end may hide: keep-alives before a failover, arrays that break,
clients that see no seam.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from harness import proxied
from pilotfish.proxy import client_answer
from pilotfish.simulated import SimulatedVendor

TEXT = "the small pilot fish swims ahead of great "
TURNS: list[dict[str, Any]] = [{"role": "user", "content": "hello"}]
GOOGLE = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}


@asynccontextmanager
async def served(
    tmp_path,
    kind: str,
    first: str,
    rule: dict[str, Any] | None = None,
    second: str | None = "sim-n8",
):
    async with SimulatedVendor() as vendor:
        base = (
            f"{vendor.base}/v1beta"
            if kind == "google"
            else vendor.base
            if kind == "anthropic"
            else f"{vendor.base}/v1"
        )
        services = [
            {"provider": "a", "model": m, "tier": i} for i, m in enumerate([first, second]) if m
        ]
        made = {"name": "r", "services": services, "retries": {"max_retries": 0}, **(rule or {})}
        providers = {"a": {"kind": kind, "api_base": base, "no_key_required": True}}
        async with proxied(
            tmp_path, orjson.dumps({"providers": providers, "rules": [made]}).decode()
        ) as proxy:
            yield proxy, vendor


async def test_keep_alives_that_began_the_answer_do_not_hinder_a_failover(tmp_path, monkeypatch):
    """The status has gone out with the first of them; the next service's answer follows as if it
    were the first.
    """
    monkeypatch.setattr(client_answer, "KEEP_ALIVE_S", 0.05)
    async with served(
        tmp_path, "anthropic", "sim-roleonly", {"timeouts": {"first_token_s": 0.5}}
    ) as (proxy, _vendor):
        answer = await proxy.post(
            "/v1/messages", {"model": "m", "max_tokens": 99, "messages": TURNS, "stream": True}
        )
        kinds = [event["type"] for event in answer.events]
        assert kinds[0] == "ping"
        assert (kinds.count("message_start"), kinds[-1]) == (1, "message_stop")
        assert (
            "".join(
                e["delta"].get("text", "")
                for e in answer.events
                if e["type"] == "content_block_delta"
            )
            == TEXT
        )


async def test_keep_alives_and_then_nobody_end_in_an_error_event(tmp_path, monkeypatch):
    """The status cannot be told any more, the failure can."""
    monkeypatch.setattr(client_answer, "KEEP_ALIVE_S", 0.05)
    async with served(
        tmp_path,
        "openai",
        "sim-roleonly",
        {"timeouts": {"first_token_s": 0.5}},
        second="sim-429-ra60",
    ) as (proxy, _vendor):
        answer = await proxy.chat("m", stream=True)
        assert answer.status == 200
        assert answer.text.startswith(":")
        assert "error" in answer.events[-1]
        assert "[DONE]" not in answer.events


@pytest.mark.parametrize("fault", ["cut66", "clean66", "half66", "err-after66", "stall66", "rst66"])
async def test_an_array_that_breaks_is_still_json_and_tells_of_it(tmp_path, fault):
    """Its last element is the error; no element has a finish reason."""
    rule = {"timeouts": {"idle_s": 0.4}, "on_stream_break": "error"}
    async with served(tmp_path, "google", f"sim-gap-5ms-{fault}", rule) as (proxy, _vendor):
        elements = (await proxy.post("/v1beta/models/m:streamGenerateContent", GOOGLE)).json
        said = "".join(
            p["text"] for e in elements[:-1] for c in e["candidates"] for p in c["content"]["parts"]
        )
        assert TEXT.startswith(said)
        assert said not in ("", TEXT)
        assert elements[-1]["error"]["code"] >= 500
        assert not [c for e in elements[:-1] for c in e["candidates"] if c.get("finishReason")]


async def test_an_array_that_breaks_can_be_continued(tmp_path):
    async with served(tmp_path, "google", "sim-gap-5ms-cut66") as (proxy, _vendor):
        elements = (await proxy.post("/v1beta/models/m:streamGenerateContent", GOOGLE)).json
        assert (
            "".join(
                p.get("text", "")
                for e in elements
                for c in e.get("candidates", [])
                for p in c["content"].get("parts", [])
            )
            == TEXT
        )
        assert len({e["responseId"] for e in elements}) == 1


async def test_a_google_stream_without_a_finish_reason_is_not_finished(tmp_path):
    rule = {"on_stream_break": "error"}
    async with served(tmp_path, "google", "sim-gap-5ms-clean66", rule) as (proxy, _vendor):
        answer = await proxy.post("/v1beta/models/m:streamGenerateContent?alt=sse", GOOGLE)
        assert "error" in answer.events[-1]
        await proxy.settled()
        assert proxy.record()["attempts"][-1]["outcome"] == "broken_stream"


async def test_a_stream_is_not_continued_once_a_tool_call_has_begun(tmp_path):
    tools = [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "parameters": {"type": "object", "properties": {"city": {}}},
            },
        }
    ]
    async with served(tmp_path, "openai", "sim-gap-5ms-cut50") as (proxy, vendor):
        answer = await proxy.chat(
            "m", 'call:weather({"city": "Oslo, in the north"})', stream=True, tools=tools
        )
        assert "error" in answer.events[-1]
        assert len(vendor.requests) == 1


async def test_a_rescue_is_counted_marked_and_its_usage_is_of_all_attempts(tmp_path):
    async with served(tmp_path, "anthropic", "sim-gap-5ms-cut50") as (proxy, vendor):
        answer = await proxy.chat("m", stream=True, stream_options={"include_usage": True})
        assert answer.said() == TEXT
        await proxy.settled()
        record = proxy.record()
        usage = next(e["usage"] for e in answer.events if e != "[DONE]" and e.get("usage"))
        assert (record["rescued"], usage["completion_tokens"], usage["prompt_tokens"]) == (
            True,
            record["output_tokens"],
            record["input_tokens"],
        )
        assert (
            await proxy.metric("pilotfish_tokens_total", rule="r", kind="output")
            == record["output_tokens"]
        )
        assert (
            await proxy.metric("pilotfish_tokens_total", rule="r", kind="input")
            == record["input_tokens"]
        )
        assert (
            await proxy.metric(
                "pilotfish_stream_rescues_total", rule="r", mode="continue", result="rescued"
            )
            == 1
        )
        assert await proxy.metric("pilotfish_stream_breaks_total", provider="a") == 1
        last = vendor.requests[1].json["messages"][-1]
        assert last["role"] == "assistant", (
            "the second service is asked to go on from what was said"
        )


async def test_a_client_that_leaves_while_a_stream_is_rescued_ends_the_rescue(tmp_path):
    async with served(
        tmp_path,
        "openai",
        "sim-gap-5ms-cut50",
        second="sim-roleonly",
    ) as (proxy, vendor):
        asked = asyncio.create_task(proxy.chat("m", stream=True))
        await vendor.until_requests(2)
        asked.cancel()
        await vendor.until_cancelled()
        await proxy.settled()
        assert [a["outcome"] for a in proxy.record()["attempts"]] == [
            "broken_stream",
            "client_gone",
        ]


async def test_a_malformed_event_never_reaches_the_client_and_is_counted(tmp_path):
    async with served(tmp_path, "openai", "sim-gap-5ms-malformed") as (proxy, _vendor):
        answer = await proxy.chat("m", stream=True)
        assert answer.said() == TEXT  # every event was read as JSON on the way here
        await proxy.settled()
        assert await proxy.metric("pilotfish_malformed_events_total", provider="a") == 1


async def test_the_total_time_ends_a_stream_that_would_go_on(tmp_path):
    async with served(tmp_path, "openai", "sim-gap-50ms-n200", {"timeouts": {"total_s": 0.5}}) as (
        proxy,
        vendor,
    ):
        answer = await proxy.chat("m", stream=True)
        await vendor.until_cancelled()
        assert "error" in answer.events[-1]
        assert "[DONE]" not in answer.events
