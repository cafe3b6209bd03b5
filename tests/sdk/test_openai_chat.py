"""`openai` and Chat Completions, asynchronous and not, whatever serves."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai as openai_sdk
import pytest
from pydantic import BaseModel

TEXT = "the small pilot fish swims ahead of great "
USER: list[Any] = [{"role": "user", "content": "hello"}]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "parameters": CITY}}
    for name in ("weather", "clock")
]
ASK_BOTH: list[Any] = [
    {"role": "user", "content": 'call:weather({"city": "Oslo"}) call:clock({"city": "Rome"})'}
]


class City(BaseModel):
    city: str


async def test_a_rate_limit_is_the_librarys_own_error_with_its_wait(openai, upstream):
    with pytest.raises(openai_sdk.RateLimitError) as limited:
        await openai.chat.completions.create(model=f"{upstream}/sim-429-ra30", messages=USER)
    assert limited.value.response.headers["retry-after"] == "30"


async def test_a_request_that_is_too_long_is_told_so(openai, upstream):
    with pytest.raises(openai_sdk.BadRequestError) as refused:
        await openai.chat.completions.create(
            model=f"{upstream}/sim-contextlength", messages=USER, stream=True
        )
    assert refused.value.code == "context_length_exceeded"


async def test_an_unknown_model_is_not_found(openai):
    with pytest.raises(openai_sdk.NotFoundError, match="no rule for model 'nobody'"):
        await openai.chat.completions.create(model="nobody", messages=USER)


async def test_an_error_after_content_is_raised_and_not_taken_for_the_end(openai, upstream):
    pieces: list[str] = []

    async def listen() -> None:
        async for chunk in await openai.chat.completions.create(
            model=f"{upstream}/sim-gap-40ms-err-after", messages=USER, stream=True
        ):
            pieces.append(chunk.choices[0].delta.content or "")

    with pytest.raises(openai_sdk.APIError):
        await listen()
    assert "".join(pieces) == "the small pilot fish "


async def test_a_whole_answer(openai, model):
    answer = await openai.chat.completions.create(
        model=model, messages=[{"role": "system", "content": "be brief"}, *USER]
    )
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (TEXT, "stop")
    assert (answer.usage.completion_tokens, answer.usage.total_tokens) == (
        8,
        answer.usage.prompt_tokens + 8,
    )


async def test_a_stream_says_the_same_with_one_usage_at_its_end(openai, model):
    text, usages, finish = "", [], []
    stream = await openai.chat.completions.create(
        model=model, messages=USER, stream=True, stream_options={"include_usage": True}
    )
    async for chunk in stream:
        usages += [chunk.usage] if chunk.usage else []
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish += [choice.finish_reason] if choice.finish_reason else []
    assert (text, finish, [u.completion_tokens for u in usages]) == (TEXT, ["stop"], [8])


async def test_usage_that_was_not_asked_for_is_not_seen(openai, model):
    chunks = [
        chunk
        async for chunk in await openai.chat.completions.create(
            model=model, messages=USER, stream=True
        )
    ]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


@pytest.mark.parametrize("streamed", [False, True])
async def test_parallel_tool_calls_and_their_results(openai, model, streamed):
    if streamed:
        async with openai.chat.completions.stream(
            model=model, messages=ASK_BOTH, tools=TOOLS
        ) as stream:
            answer: Any = await stream.get_final_completion()
    else:
        answer = await openai.chat.completions.create(model=model, messages=ASK_BOTH, tools=TOOLS)
    calls = answer.choices[0].message.tool_calls
    assert [(c.function.name, json.loads(c.function.arguments)) for c in calls] == [
        ("weather", {"city": "Oslo"}),
        ("clock", {"city": "Rome"}),
    ]
    assert len({c.id for c in calls}) == 2
    assert answer.choices[0].finish_reason == "tool_calls"
    said = {
        "role": "assistant",
        "tool_calls": [c.model_dump(exclude={"parsed_arguments", "index"}) for c in calls],
    }
    said["tool_calls"] = [
        {**c, "function": {k: v for k, v in c["function"].items() if k != "parsed_arguments"}}
        for c in said["tool_calls"]
    ]
    results = [{"role": "tool", "tool_call_id": c.id, "content": "sunny"} for c in calls]
    last = await openai.chat.completions.create(
        model=model, messages=[*ASK_BOTH, said, *results], tools=TOOLS
    )
    assert last.choices[0].message.content == TEXT


async def test_a_forced_tool_is_called(openai, model):
    choice: Any = {"type": "function", "function": {"name": "clock"}}
    answer = await openai.chat.completions.create(
        model=model, messages=USER, tools=TOOLS, tool_choice=choice
    )
    assert [c.function.name for c in answer.choices[0].message.tool_calls] == ["clock"]


async def test_an_image_reaches_the_vendor(openai, vendor, model):
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    answer = await openai.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": [{"type": "text", "text": "what is it?"}, image]}],
    )
    assert answer.choices[0].message.content == TEXT
    assert PIXEL.encode() in vendor.requests[-1].body


async def test_reasoning_is_counted_and_shown(openai, model):
    whole = await openai.chat.completions.create(
        model=model, messages=USER, reasoning_effort="low", max_completion_tokens=4096
    )
    assert whole.choices[0].message.content == TEXT
    assert whole.choices[0].message.reasoning_content == "thought 1 thought 2 thought 3 thought 4 "
    thought, text = "", ""
    async for chunk in await openai.chat.completions.create(
        model=model, messages=USER, reasoning_effort="low", max_completion_tokens=4096, stream=True
    ):
        thought += getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
        text += chunk.choices[0].delta.content or ""
    assert (thought, text) == ("thought 1 thought 2 thought 3 thought 4 ", TEXT)


async def test_structured_output_is_parsed(openai, model):
    answer = await openai.chat.completions.parse(model=model, messages=USER, response_format=City)
    assert answer.choices[0].message.parsed == City(city="fish")


async def test_a_token_limit_ends_the_answer_as_length(openai, upstream):
    answer = await openai.chat.completions.create(
        model=f"{upstream}/sim-n30", messages=USER, max_completion_tokens=20
    )
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (20, "length")


async def test_the_synchronous_client_whole_streamed_and_with_tools(openai_sync, model):
    def work() -> tuple[Any, str, Any]:
        whole = openai_sync.chat.completions.create(model=model, messages=USER)
        stream = openai_sync.chat.completions.create(model=model, messages=USER, stream=True)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        called = openai_sync.chat.completions.create(model=model, messages=ASK_BOTH, tools=TOOLS)
        return (
            whole.choices[0].message.content,
            streamed,
            [c.function.name for c in called.choices[0].message.tool_calls],
        )

    assert await asyncio.to_thread(work) == (TEXT, TEXT, ["weather", "clock"])


async def test_the_synchronous_client_raises_its_own_errors(openai_sync, upstream):
    with pytest.raises(openai_sdk.InternalServerError):
        await asyncio.to_thread(
            openai_sync.chat.completions.create, model=f"{upstream}/sim-500", messages=USER
        )
