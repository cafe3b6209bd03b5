"""The simulated vendors' answers are what the vendors' own client libraries parse."""

from __future__ import annotations

import io

import anthropic as anthropic_sdk
import openai as openai_sdk
import orjson
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types
from pydantic import BaseModel

from pilotfish.simulated import Fault, SimulatedVendor

USER = [{"role": "user", "content": "hello"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": SCHEMA}}
    for name in ("weather", "time")
]
ASK_BOTH = 'please call:weather({"city": "Kiel"}) and call:time'
TEXT = "the small pilot fish swims ahead of great "


class City(BaseModel):
    city: str


@pytest.fixture
async def vendor():
    async with SimulatedVendor(key="k") as vendor:
        yield vendor


@pytest.fixture
async def openai(vendor):
    async with openai_sdk.AsyncOpenAI(
        base_url=f"{vendor.base}/v1", api_key="k", max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def anthropic(vendor):
    async with anthropic_sdk.AsyncAnthropic(
        base_url=vendor.base, api_key="k", max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def google(vendor):
    client = genai.Client(api_key="k", http_options=genai_types.HttpOptions(base_url=vendor.base))
    yield client.aio
    await client.aio.aclose()
    client.close()


async def test_openai_raises_its_own_errors(vendor, openai):
    vendor.script(Fault.status(429, retry_after=7), Fault.status(500), Fault.context_length())
    with pytest.raises(openai_sdk.RateLimitError) as limited:
        await openai.chat.completions.create(model="m", messages=USER)
    assert (limited.value.response.headers["retry-after"], limited.value.code) == (
        "7",
        "rate_limit_exceeded",
    )
    with pytest.raises(openai_sdk.InternalServerError):
        await openai.chat.completions.create(model="m", messages=USER)
    with pytest.raises(openai_sdk.BadRequestError) as long:
        await openai.responses.create(model="m", input="hello")
    assert long.value.code == "context_length_exceeded"


async def test_openai_sees_an_error_event_inside_a_stream(vendor, openai):
    vendor.script(Fault.error_event("after", 50))
    stream = await openai.chat.completions.create(model="m", messages=USER, stream=True)
    with pytest.raises(openai_sdk.APIError, match="overloaded"):
        async for _ in stream:
            pass


async def test_openai_chat_whole_and_streamed_say_the_same(openai):
    whole = await openai.chat.completions.create(model="m", messages=USER)
    text, usage, finish = "", None, None
    async for chunk in await openai.chat.completions.create(
        model="m", messages=USER, stream=True, stream_options={"include_usage": True}
    ):
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            finish = chunk.choices[0].finish_reason or finish
        usage = chunk.usage or usage
    assert (text, finish) == (whole.choices[0].message.content, "stop") == (TEXT, "stop")
    assert usage.model_dump() == whole.usage.model_dump()
    assert usage.completion_tokens == 8


async def test_openai_usage_is_streamed_only_to_those_who_asked(openai):
    chunks = [
        chunk
        async for chunk in await openai.chat.completions.create(
            model="m", messages=USER, stream=True
        )
    ]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


async def test_openai_parallel_tools_whole_and_streamed(openai):
    messages = [{"role": "user", "content": ASK_BOTH}]
    whole = await openai.chat.completions.create(model="m", messages=messages, tools=OPENAI_TOOLS)
    async with openai.chat.completions.stream(
        model="m", messages=messages, tools=OPENAI_TOOLS
    ) as stream:
        streamed = await stream.get_final_completion()
    for answer in (whole, streamed):
        calls = answer.choices[0].message.tool_calls
        assert [(c.function.name, orjson.loads(c.function.arguments)) for c in calls] == [
            ("weather", {"city": "Kiel"}),
            ("time", {"city": "fish"}),
        ]
        assert len({c.id for c in calls}) == 2
        assert answer.choices[0].finish_reason == "tool_calls"


async def test_openai_structured_output_reasoning_length_and_choices(openai):
    parsed = await openai.chat.completions.parse(model="m", messages=USER, response_format=City)
    assert parsed.choices[0].message.parsed == City(city="fish")
    thought = await openai.chat.completions.create(
        model="m-sim-cached50", messages=USER, reasoning_effort="low"
    )
    assert thought.usage.completion_tokens_details.reasoning_tokens == 4
    short = await openai.chat.completions.create(
        model="m", messages=USER, max_completion_tokens=2, n=2
    )
    assert [(c.index, c.message.content, c.finish_reason) for c in short.choices] == [
        (0, "the small ", "length"),
        (1, "the small ", "length"),
    ]


async def test_openai_completions(openai):
    whole = await openai.completions.create(model="m", prompt="hello", max_tokens=3)
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("the small pilot ", "length")
    text = "".join(
        [
            c.choices[0].text
            async for c in await openai.completions.create(model="m", prompt="hello", stream=True)
        ]
    )
    assert text == TEXT


async def test_openai_responses_whole_and_streamed_say_the_same(openai):
    tools = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]
    wanted = {
        "model": "m",
        "input": "say:it is call:weather",
        "tools": tools,
        "reasoning": {"effort": "low"},
    }
    whole = await openai.responses.create(**wanted)
    async with openai.responses.stream(**wanted) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert [item.type for item in whole.output] == ["reasoning", "message", "function_call"]
    assert final.output_text == whole.output_text == "it is call:weather"
    assert final.output[2].arguments == whole.output[2].arguments == '{"city":"fish"}'
    assert final.usage.model_dump() == whole.usage.model_dump()
    assert whole.usage.output_tokens_details.reasoning_tokens == 4
    assert [event.sequence_number for event in events if hasattr(event, "sequence_number")] == list(
        range(len(events))
    )


async def test_openai_responses_tell_an_incomplete_answer(openai):
    short = await openai.responses.create(
        model="m", input=[{"role": "user", "content": "hello"}], max_output_tokens=2
    )
    assert (short.status, short.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    parsed = await openai.responses.parse(model="m", input="hello", text_format=City)
    assert parsed.output_parsed == City(city="fish")


async def test_openai_side_endpoints(openai):
    assert (await openai.embeddings.create(model="e", input=["a", "b"])).data[1].embedding == [
        0.5,
        -0.25,
        0.125,
        1.0,
    ]
    assert (await openai.moderations.create(input="violence")).results[0].categories.violence
    assert [model.id async for model in openai.models.list()] == ["sim-large", "sim-small"]
    assert (await openai.models.retrieve("sim-small")).id == "sim-small"
    assert (await openai.images.generate(model="i", prompt="fish")).data[0].b64_json
    assert (
        await openai.audio.transcriptions.create(model="w", file=("a.wav", io.BytesIO(b"12345")))
    ).text == "a recording of 5 bytes"
    assert (
        len((await openai.audio.speech.create(model="s", voice="alloy", input="hi")).content)
        == 4096
    )


async def test_anthropic_raises_its_own_errors(vendor, anthropic):
    vendor.script(Fault.status(529), Fault.status(429, retry_after=2))
    with pytest.raises(anthropic_sdk.InternalServerError) as busy:
        await anthropic.messages.create(model="m", messages=USER, max_tokens=9)
    assert busy.value.body["error"]["type"] == "overloaded_error"
    with pytest.raises(anthropic_sdk.RateLimitError):
        await anthropic.messages.create(model="m", messages=USER, max_tokens=9)


async def test_anthropic_sees_an_error_event_inside_a_stream(vendor, anthropic):
    vendor.script(Fault.error_event("after", 50))
    with pytest.raises(anthropic_sdk.APIStatusError, match="Overloaded"):
        async with anthropic.messages.stream(model="m", messages=USER, max_tokens=99) as stream:
            await stream.get_final_message()


async def test_anthropic_whole_and_streamed_say_the_same(anthropic):
    wanted = {
        "model": "sim-cached50",
        "messages": [{"role": "user", "content": f"say:well {ASK_BOTH}"}],
        "max_tokens": 2000,
        "tools": [{"name": name, "input_schema": SCHEMA} for name in ("weather", "time")],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    whole = await anthropic.messages.create(**wanted)
    async with anthropic.messages.stream(**wanted) as stream:
        final = await stream.get_final_message()
    assert [block.type for block in whole.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert [block.model_dump(exclude={"id"}) for block in final.content] == [
        block.model_dump(exclude={"id"}) for block in whole.content
    ]
    assert (whole.content[0].signature, whole.content[2].input, whole.stop_reason) == (
        final.content[0].signature,
        {"city": "Kiel"},
        "tool_use",
    )
    assert final.usage.output_tokens == whole.usage.output_tokens > 8
    assert whole.usage.cache_read_input_tokens > 0


async def test_anthropic_continues_a_prefill_counts_and_lists(anthropic):
    prefill = await anthropic.messages.create(
        model="m", messages=[*USER, {"role": "assistant", "content": TEXT[:9]}], max_tokens=99
    )
    assert TEXT[:9] + prefill.content[0].text == TEXT
    assert (await anthropic.messages.count_tokens(model="m", messages=USER)).input_tokens == 1
    assert [model.id async for model in anthropic.models.list()] == ["sim-large", "sim-small"]
    assert (
        await anthropic.messages.create(model="m", messages=USER, max_tokens=1)
    ).stop_reason == "max_tokens"


async def test_google_raises_its_own_errors(vendor, google):
    vendor.script(Fault.status(503))
    with pytest.raises(genai_errors.ServerError, match="UNAVAILABLE"):
        await google.models.generate_content(model="m", contents="hello")


async def test_google_whole_and_streamed_say_the_same(google):
    declaration = genai_types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)
    config = genai_types.GenerateContentConfig(
        tools=[genai_types.Tool(function_declarations=[declaration])],
        thinking_config=genai_types.ThinkingConfig(include_thoughts=True),
        automatic_function_calling=genai_types.AutomaticFunctionCallingConfig(disable=True),
    )
    wanted = {"model": "m", "contents": "say:fine call:weather", "config": config}
    whole = await google.models.generate_content(**wanted)
    chunks = [chunk async for chunk in await google.models.generate_content_stream(**wanted)]
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    assert (
        "".join(p.text for p in parts if p.text and not p.thought)
        == whole.candidates[0].content.parts[1].text
        == "fine call:weather"
    )
    assert (
        [p.function_call.name for p in parts if p.function_call]
        == [call.name for call in whole.function_calls]
        == ["weather"]
    )
    assert chunks[-1].candidates[0].finish_reason == "STOP"
    assert chunks[-1].usage_metadata == whole.usage_metadata
    assert whole.usage_metadata.thoughts_token_count == 4


async def test_google_side_endpoints_and_blocked_prompts(google):
    assert (await google.models.count_tokens(model="m", contents="hello there")).total_tokens == 2
    assert len((await google.models.embed_content(model="e", contents="hello")).embeddings) == 1
    assert [model.name async for model in await google.models.list()] == [
        "models/sim-large",
        "models/sim-small",
    ]
    blocked = [
        c
        async for c in await google.models.generate_content_stream(
            model="sim-contentpolicy", contents="hello"
        )
    ]
    assert [c.prompt_feedback.block_reason for c in blocked] == ["PROHIBITED_CONTENT"]
