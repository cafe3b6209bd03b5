"""`anthropic` and Messages, asynchronous and not, whatever serves."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic as anthropic_sdk
import pytest

TEXT = "the small pilot fish swims ahead of great "
USER: list[Any] = [{"role": "user", "content": "hello"}]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [{"name": name, "input_schema": CITY} for name in ("weather", "clock")]
ASK_BOTH: list[Any] = [
    {"role": "user", "content": 'call:weather({"city": "Oslo"}) call:clock({"city": "Rome"})'}
]


async def test_a_rate_limit_is_the_librarys_own_error_with_its_wait(anthropic, upstream):
    with pytest.raises(anthropic_sdk.RateLimitError) as limited:
        await anthropic.messages.create(
            model=f"{upstream}/sim-429-ra30", max_tokens=100, messages=USER
        )
    assert limited.value.response.headers["retry-after"] == "30"
    assert limited.value.body["error"]["type"] == "rate_limit_error"


async def test_an_unknown_model_is_not_found(anthropic):
    with pytest.raises(anthropic_sdk.NotFoundError, match="no rule for model 'nobody'"):
        await anthropic.messages.create(model="nobody", max_tokens=100, messages=USER)


async def test_an_error_after_content_is_raised_and_not_taken_for_the_end(anthropic, upstream):
    pieces: list[str] = []

    async def listen() -> None:
        async with anthropic.messages.stream(
            model=f"{upstream}/sim-gap-40ms-err-after", max_tokens=100, messages=USER
        ) as stream:
            async for piece in stream.text_stream:
                pieces.append(piece)

    with pytest.raises(anthropic_sdk.APIStatusError):
        await listen()
    assert "".join(pieces) == "the small pilot fish "


async def test_a_whole_answer(anthropic, model):
    answer = await anthropic.messages.create(
        model=model, max_tokens=100, system="be brief", messages=USER
    )
    assert ([block.text for block in answer.content], answer.stop_reason) == ([TEXT], "end_turn")
    assert answer.usage.output_tokens == 8


async def test_a_stream_says_the_same_with_the_same_usage(anthropic, model):
    async with anthropic.messages.stream(model=model, max_tokens=100, messages=USER) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        answer = await stream.get_final_message()
    assert (text, answer.content[0].text, answer.stop_reason, answer.usage.output_tokens) == (
        TEXT,
        TEXT,
        "end_turn",
        8,
    )
    assert answer.usage.input_tokens > 0


@pytest.mark.parametrize("streamed", [False, True])
async def test_parallel_tool_calls_and_their_results(anthropic, model, streamed):
    if streamed:
        async with anthropic.messages.stream(
            model=model, max_tokens=100, messages=ASK_BOTH, tools=TOOLS
        ) as stream:
            answer: Any = await stream.get_final_message()
    else:
        answer = await anthropic.messages.create(
            model=model, max_tokens=100, messages=ASK_BOTH, tools=TOOLS
        )
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [(c.name, c.input) for c in calls] == [
        ("weather", {"city": "Oslo"}),
        ("clock", {"city": "Rome"}),
    ]
    assert answer.stop_reason == "tool_use"
    said = {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": c.id, "name": c.name, "input": c.input} for c in calls
        ],
    }
    results = [
        {"type": "tool_result", "tool_use_id": c.id, "content": [{"type": "text", "text": "sunny"}]}
        for c in calls
    ]
    history: Any = [*ASK_BOTH, said, {"role": "user", "content": results}]
    last = await anthropic.messages.create(
        model=model, max_tokens=100, messages=history, tools=TOOLS
    )
    assert last.content[0].text == TEXT


async def test_a_forced_tool_is_called(anthropic, model):
    choice: Any = {"type": "tool", "name": "clock"}
    answer = await anthropic.messages.create(
        model=model, max_tokens=100, messages=USER, tools=TOOLS, tool_choice=choice
    )
    assert [b.name for b in answer.content if b.type == "tool_use"] == ["clock"]


async def test_an_image_reaches_the_vendor(anthropic, vendor, model):
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
    }
    messages: Any = [{"role": "user", "content": [image, {"type": "text", "text": "what is it?"}]}]
    answer = await anthropic.messages.create(model=model, max_tokens=100, messages=messages)
    assert answer.content[0].text == TEXT
    assert PIXEL.encode() in vendor.requests[-1].body


@pytest.mark.parametrize("streamed", [False, True])
async def test_thinking_comes_as_a_block_of_its_own(anthropic, model, streamed):
    asked: Any = {
        "model": model,
        "max_tokens": 4096,
        "messages": USER,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    if streamed:
        async with anthropic.messages.stream(**asked) as stream:
            answer: Any = await stream.get_final_message()
    else:
        answer = await anthropic.messages.create(**asked)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert (answer.content[0].thinking, answer.content[1].text) == (
        "thought 1 thought 2 thought 3 thought 4 ",
        TEXT,
    )


async def test_structured_output_follows_its_schema(anthropic, model):
    config: Any = {
        "format": {"type": "json_schema", "schema": {**CITY, "additionalProperties": False}}
    }
    answer = await anthropic.messages.create(
        model=model, max_tokens=100, messages=USER, extra_body={"output_config": config}
    )
    assert answer.content[0].text == '{"city":"fish"}'


async def test_a_token_limit_ends_the_answer_as_max_tokens(anthropic, upstream):
    answer = await anthropic.messages.create(
        model=f"{upstream}/sim-n30", max_tokens=20, messages=USER
    )
    assert (answer.usage.output_tokens, answer.stop_reason) == (20, "max_tokens")


async def test_tokens_are_counted(anthropic, model):
    """Forwarded where the provider counts in the same style, translated where it counts in another,
    estimated where it cannot.
    """
    assert (await anthropic.messages.count_tokens(model=model, messages=USER)).input_tokens > 0


async def test_the_synchronous_client_whole_streamed_and_with_tools(anthropic_sync, model):
    def work() -> tuple[str, str, Any]:
        whole = anthropic_sync.messages.create(model=model, max_tokens=100, messages=USER)
        with anthropic_sync.messages.stream(model=model, max_tokens=100, messages=USER) as stream:
            streamed = "".join(stream.text_stream)
        called = anthropic_sync.messages.create(
            model=model, max_tokens=100, messages=ASK_BOTH, tools=TOOLS
        )
        return (
            whole.content[0].text,
            streamed,
            [b.name for b in called.content if b.type == "tool_use"],
        )

    assert await asyncio.to_thread(work) == (TEXT, TEXT, ["weather", "clock"])


async def test_the_synchronous_client_raises_its_own_errors(anthropic_sync, upstream):
    with pytest.raises(anthropic_sdk.InternalServerError):
        await asyncio.to_thread(
            anthropic_sync.messages.create,
            model=f"{upstream}/sim-500",
            max_tokens=100,
            messages=USER,
        )
