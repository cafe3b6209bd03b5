"""A known day of traffic costs what a bill written by hand says: cached and written tokens,
reasoning, service tiers, long requests, races, rescues, and nothing for what nobody knows the price
of.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from harness import proxied

MILLION = 1_000_000
SAID = "twelve chars"  # what the stream says before it breaks: three tokens
ASKED = {"messages": [{"role": "user", "content": "hello"}]}


def chat(prompt: int, completion: int, *, cached: int = 0, reasoning: int = 0, **more: Any):
    """A whole answer of Chat Completions with this usage."""
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    message = {"role": "assistant", "content": "hello"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"object": "chat.completion", "choices": choices, "usage": usage, **more}


MESSAGE = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 50_000,
        "cache_creation_input_tokens": 40_000,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 30_000,
            "ephemeral_1h_input_tokens": 10_000,
        },
        "cache_read_input_tokens": 60_000,
        "output_tokens": 5_000,
    },
}
ANSWERS = {
    "gpt-4o": chat(400_000, 50_000, cached=100_000, reasoning=20_000),
    "gpt-5.5": chat(300_000, 10_000),
    "gpt-5.4": chat(100_000, 10_000, service_tier="flex"),
    "first": chat(100_000, 10_000),
    "second": chat(100_000, 20_000),
    "mystery": chat(70_000, 7_000),
}
# US dollars, by hand; prices of known models are those of their vendors' pages.
BILL = {
    "gpt-4o": (300_000 * 2.5 + 100_000 * 1.25 + 50_000 * 10) / MILLION,  # reasoning is output
    "gpt-5.5": (300_000 * 10 + 10_000 * 45) / MILLION,  # more than 272 000 tokens
    "gpt-5.4": (100_000 * 1.25 + 10_000 * 7.5) / MILLION,  # half price
    "claude-sonnet-4-5": (50_000 * 3 + 30_000 * 3.75 + 10_000 * 6 + 60_000 * 0.3 + 5_000 * 15)
    / MILLION,
    "raced": (100_000 * 1 + 10_000 * 2 + 100_000 * 3 + 20_000 * 4) / MILLION,  # both of them
}
RULES = {
    "rules": [
        {
            "name": "raced",
            "request_model": "raced",
            "services": [{"provider": "o", "model": m} for m in ("first", "second")],
            "race": {"strategy": "quality", "max_parallel": 2},
        },
        {
            "name": "rescued",
            "request_model": "rescued",
            "services": [
                {"provider": "o", "model": "breaks"},
                {"provider": "o", "model": "rescues", "tier": 1},
            ],
            "on_stream_break": "continue",
        },
        {
            "name": "claude",
            "request_model": "claude-*",
            "services": [{"provider": "a", "model": "claude-sonnet-4-5"}],
        },
        *(
            {"name": m, "request_model": m, "services": [{"provider": "o", "model": m}]}
            for m in ("gpt-4o", "gpt-5.5", "gpt-5.4", "mystery")
        ),
    ],
    "prices": {
        "o/first": {"input": 1, "output": 2},
        "o/second": {"input": 3, "output": 4},
        "o/breaks": {"input": 100, "output": 100_000},
        "o/rescues": {"input": 1, "output": 2},
    },
}


def chunk(**delta: str) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": None}]
    return (
        b"data: " + orjson.dumps({"object": "chat.completion.chunk", "choices": choices}) + b"\n\n"
    )


def usage_chunk(prompt: int, completion: int) -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    end = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    return b"data: " + orjson.dumps({"choices": end, "usage": usage}) + b"\n\ndata: [DONE]\n\n"


async def completions(request: web.Request) -> web.StreamResponse:
    model = (await request.json())["model"]
    if model in ANSWERS:
        return web.json_response(ANSWERS[model])
    answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await answer.prepare(request)
    if model == "breaks":
        await answer.write(chunk(role="assistant", content=SAID))
        assert request.transport is not None
        request.transport.close()
        return answer
    await answer.write(chunk(role="assistant", content=" and more"))
    await answer.write(usage_chunk(200_000, 30_000))
    return answer


async def messages(request: web.Request) -> web.Response:
    return web.json_response(MESSAGE)


@pytest.fixture
async def vendor():
    app = web.Application()
    app.router.add_post("/v1/chat/completions", completions)
    app.router.add_post("/v1/messages", messages)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}/v1"


async def test_the_day_costs_what_the_bill_says_in_the_log_and_in_the_metrics(tmp_path, vendor):
    own = {"api_base": vendor, "no_key_required": True}
    providers = {"o": {"kind": "openai", **own}, "a": {"kind": "anthropic", **own}}
    rules = orjson.dumps({"providers": providers, **RULES}).decode()
    async with proxied(tmp_path, rules) as proxy:
        for model in ("gpt-4o", "gpt-5.5", "gpt-5.4", "raced", "mystery"):
            assert (await proxy.chat(model)).status == 200
        answer = await proxy.post(
            "/v1/messages", {"model": "claude-sonnet-4-5", "max_tokens": 9, **ASKED}
        )
        assert answer.status == 200
        rescued = {"model": "rescued", "stream": True, **ASKED}
        assert b"and more" in (await proxy.post("/v1/chat/completions", rescued)).body
        await proxy.settled()
        costs = await proxy.series("pilotfish_cost_usd_total")
        unpriced = await proxy.series("pilotfish_unpriced_tokens_total", model="mystery")
        proxy.app.log.flush()
        lines = {line["rule"]: line for line in proxy.log}

    # Of a stream that breaks the vendor says nothing: four bytes are taken for a token.
    guessed = len(orjson.dumps(rescued)) // 4 + 1
    broken = (guessed * 100 + len(SAID) // 4 * 100_000) / MILLION
    went_on = (200_000 * 1 + 30_000 * 2) / MILLION
    bill = {**BILL, "rescued": broken + went_on}
    told = {rule: line["cost_usd"] for rule, line in lines.items()}
    told["claude-sonnet-4-5"] = told.pop("claude")
    assert told.pop("mystery") is None
    assert told == {rule: pytest.approx(usd, abs=1e-9) for rule, usd in bill.items()}
    assert sum(costs) == pytest.approx(sum(bill.values()), abs=1e-9)
    assert unpriced == [77_000.0]
    assert lines["mystery"]["unit_price_source"] == "unpriced"
    assert lines["gpt-4o"]["unit_price_source"].startswith("list 2026-")
    assert lines["raced"]["unit_price_source"] == "rules"
