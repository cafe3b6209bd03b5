"""`openai` and the Responses API, whatever serves."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai as openai_sdk
import pytest
from pydantic import BaseModel

TEXT = "the small pilot fish swims ahead of great "
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: list[Any] = [
    {"type": "function", "name": name, "parameters": CITY, "strict": True}
    for name in ("weather", "clock")
]
ASK_BOTH = 'call:weather({"city": "Oslo"}) call:clock({"city": "Rome"})'


class City(BaseModel):
    city: str


async def test_an_overloaded_vendor_is_the_librarys_own_error(openai, upstream):
    with pytest.raises(openai_sdk.InternalServerError) as refused:
        await openai.responses.create(model=f"{upstream}/sim-503", input="hello")
    assert refused.value.status_code == 503


async def test_an_error_after_content_never_completes_the_response(openai, upstream):
    kinds: list[str] = []

    async def listen() -> None:
        async with openai.responses.stream(
            model=f"{upstream}/sim-gap-40ms-err-after", input="hello"
        ) as stream:
            async for event in stream:
                kinds.append(event.type)
            await stream.get_final_response()

    with pytest.raises(
        (openai_sdk.APIError, RuntimeError)
    ):  # raised for an `error` event, and for a stream without an end
        await listen()
    assert "response.output_text.delta" in kinds
    assert "response.completed" not in kinds


async def test_a_whole_answer(openai, model):
    answer = await openai.responses.create(model=model, instructions="be brief", input="hello")
    assert (answer.output_text, answer.status, answer.usage.output_tokens) == (TEXT, "completed", 8)


async def test_a_stream_tells_its_events_in_order_and_ends_in_the_same_response(openai, model):
    kinds: list[str] = []
    async with openai.responses.stream(model=model, input="hello") as stream:
        numbers = []
        async for event in stream:
            kinds.append(event.type)
            numbers.append(event.sequence_number)
        answer = await stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert numbers == sorted(set(numbers))
    assert (answer.output_text, answer.usage.output_tokens) == (TEXT, 8)


@pytest.mark.parametrize("streamed", [False, True])
async def test_parallel_tool_calls_and_their_results(openai, model, streamed):
    if streamed:
        async with openai.responses.stream(model=model, input=ASK_BOTH, tools=TOOLS) as stream:
            answer: Any = await stream.get_final_response()
    else:
        answer = await openai.responses.create(model=model, input=ASK_BOTH, tools=TOOLS)
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [(c.name, json.loads(c.arguments)) for c in calls] == [
        ("weather", {"city": "Oslo"}),
        ("clock", {"city": "Rome"}),
    ]
    said = [
        {"type": "function_call", "call_id": c.call_id, "name": c.name, "arguments": c.arguments}
        for c in calls
    ]
    results = [
        {"type": "function_call_output", "call_id": c.call_id, "output": "sunny"} for c in calls
    ]
    history: Any = [{"role": "user", "content": ASK_BOTH}, *said, *results]
    last = await openai.responses.create(model=model, input=history, tools=TOOLS)
    assert last.output_text == TEXT


async def test_an_image_reaches_the_vendor(openai, vendor, model):
    content = [
        {"type": "input_text", "text": "what is it?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
    ]
    answer = await openai.responses.create(
        model=model, input=[{"role": "user", "content": content}]
    )
    assert answer.output_text == TEXT
    assert PIXEL.encode() in vendor.requests[-1].body


async def test_reasoning_comes_as_an_item_of_its_own(openai, model):
    answer = await openai.responses.create(
        model=model,
        input="hello",
        reasoning={"effort": "low", "summary": "auto"},
        max_output_tokens=4096,
    )
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.output[0].summary[0].text == "thought 1 thought 2 thought 3 thought 4 "
    assert answer.output_text == TEXT


async def test_structured_output_is_parsed(openai, model):
    answer = await openai.responses.parse(model=model, input="hello", text_format=City)
    assert answer.output_parsed == City(city="fish")


async def test_a_token_limit_makes_the_response_incomplete(openai, upstream):
    answer = await openai.responses.create(
        model=f"{upstream}/sim-n30", input="hello", max_output_tokens=20
    )
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")


async def test_the_synchronous_client_whole_and_streamed(openai_sync, model):
    def work() -> tuple[str, str]:
        whole = openai_sync.responses.create(model=model, input="hello")
        with openai_sync.responses.stream(model=model, input="hello") as stream:
            return whole.output_text, stream.get_final_response().output_text

    assert await asyncio.to_thread(work) == (TEXT, TEXT)
