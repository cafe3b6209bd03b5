"""`google-genai` and generateContent, whatever serves."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from google.genai import errors, types
from pydantic import BaseModel

TEXT = "the small pilot fish swims ahead of great "
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
CITY = types.Schema(
    type=types.Type.OBJECT,
    properties={"city": types.Schema(type=types.Type.STRING)},
    required=["city"],
)
TOOLS: Any = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(name=n, description=n, parameters=CITY)
        for n in ("weather", "clock")
    ]
)
ASK_BOTH = 'call:weather({"city": "Oslo"}) call:clock({"city": "Rome"})'


class City(BaseModel):
    city: str


async def test_a_rate_limit_is_the_librarys_own_error(google, upstream):
    with pytest.raises(errors.ClientError) as limited:
        await google.models.generate_content(model=f"{upstream}/sim-429-ra30", contents="hello")
    assert (limited.value.code, limited.value.status) == (429, "RESOURCE_EXHAUSTED")


async def test_an_error_after_content_does_not_look_like_a_finished_answer(google, upstream):
    chunks: list[Any] = []

    async def listen() -> None:
        async for chunk in await google.models.generate_content_stream(
            model=f"{upstream}/sim-gap-40ms-err-after", contents="hello"
        ):
            chunks.append(chunk)

    with pytest.raises(errors.APIError):
        await listen()
    assert "".join(chunk.text or "" for chunk in chunks) == "the small pilot fish "
    assert not [
        c.finish_reason for chunk in chunks for c in chunk.candidates or [] if c.finish_reason
    ]


async def test_a_whole_answer(google, model):
    answer = await google.models.generate_content(
        model=model,
        contents="hello",
        config=types.GenerateContentConfig(system_instruction="be brief"),
    )
    assert (answer.text, answer.candidates[0].finish_reason.value) == (TEXT, "STOP")
    assert answer.usage_metadata.candidates_token_count == 8


async def test_a_stream_says_the_same_with_the_same_usage(google, model):
    chunks = [
        chunk
        async for chunk in await google.models.generate_content_stream(
            model=model, contents="hello"
        )
    ]
    assert "".join(chunk.text or "" for chunk in chunks) == TEXT
    assert chunks[-1].usage_metadata.candidates_token_count == 8
    assert chunks[-1].candidates[0].finish_reason.value == "STOP"


@pytest.mark.parametrize("streamed", [False, True])
async def test_parallel_tool_calls_and_their_results(google, model, streamed):
    config = types.GenerateContentConfig(
        tools=[TOOLS], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
    )
    asked = types.Content(role="user", parts=[types.Part(text=ASK_BOTH)])
    if streamed:
        chunks = [
            c
            async for c in await google.models.generate_content_stream(
                model=model, contents=[asked], config=config
            )
        ]
    else:
        chunks = [
            await google.models.generate_content(model=model, contents=[asked], config=config)
        ]
    calls = [call for chunk in chunks for call in chunk.function_calls or []]
    assert [(c.name, c.args) for c in calls] == [
        ("weather", {"city": "Oslo"}),
        ("clock", {"city": "Rome"}),
    ]
    said = types.Content(role="model", parts=[types.Part(function_call=c) for c in calls])
    results = [
        types.Part(
            function_response=types.FunctionResponse(
                id=c.id, name=c.name, response={"result": "sunny"}
            )
        )
        for c in calls
    ]
    last = await google.models.generate_content(
        model=model,
        contents=[asked, said, types.Content(role="user", parts=results)],
        config=config,
    )
    assert last.text == TEXT


async def test_an_image_reaches_the_vendor(google, vendor, model):
    image = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    answer = await google.models.generate_content(model=model, contents=["what is it?", image])
    assert answer.text == TEXT
    seen = vendor.requests[-1].body
    assert (
        PIXEL.encode() in seen
        or PIXEL.rstrip("=").replace("+", "-").replace("/", "_").encode() in seen
    )


async def test_thoughts_are_parts_of_their_own(google, model):
    config = types.GenerateContentConfig(
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024),
        max_output_tokens=4096,
    )
    answer = await google.models.generate_content(model=model, contents="hello", config=config)
    parts = answer.candidates[0].content.parts
    assert "".join(p.text for p in parts if p.thought) == "thought 1 thought 2 thought 3 thought 4 "
    assert answer.text == TEXT


async def test_structured_output_is_parsed(google, model):
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_schema=City
    )
    answer = await google.models.generate_content(model=model, contents="hello", config=config)
    assert answer.parsed == City(city="fish")


async def test_a_token_limit_ends_the_answer_as_max_tokens(google, upstream):
    config = types.GenerateContentConfig(max_output_tokens=20)
    answer = await google.models.generate_content(
        model=f"{upstream}/sim-n30", contents="hello", config=config
    )
    assert (
        answer.usage_metadata.candidates_token_count,
        answer.candidates[0].finish_reason.value,
    ) == (20, "MAX_TOKENS")


async def test_tokens_are_counted(google, model):
    assert (await google.models.count_tokens(model=model, contents="hello")).total_tokens > 0
