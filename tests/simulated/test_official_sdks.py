"""The simulated vendors' answers are what the vendors' own client libraries parse."""

from __future__ import annotations

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI, RateLimitError

from pilotfish.simulated import Fault, SimulatedVendor


@pytest.fixture
async def vendor():
    async with SimulatedVendor(key="k") as vendor:
        yield vendor


@pytest.fixture
async def openai(vendor):
    async with AsyncOpenAI(base_url=f"{vendor.base}/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
async def anthropic(vendor):
    async with AsyncAnthropic(base_url=vendor.base, api_key="k", max_retries=0) as client:
        yield client


USER = [{"role": "user", "content": "hello"}]


async def test_openai_raises_its_own_rate_limit_error(vendor, openai):
    vendor.script(Fault.status(429, retry_after=7))
    with pytest.raises(RateLimitError) as caught:
        await openai.chat.completions.create(model="m", messages=USER)
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.code == "rate_limit_exceeded"


async def test_openai_chat_whole_and_streamed_say_the_same(openai):
    whole = await openai.chat.completions.create(model="m", messages=USER)
    assert whole.usage.completion_tokens == 8
    text, usage = "", None
    async for chunk in await openai.chat.completions.create(model="m", messages=USER, stream=True, stream_options={"include_usage": True}):
        text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        usage = chunk.usage or usage
    assert text == whole.choices[0].message.content
    assert usage.model_dump() == whole.usage.model_dump()


async def test_anthropic_messages_whole_and_streamed_say_the_same(anthropic):
    whole = await anthropic.messages.create(model="m", messages=USER, max_tokens=100)
    async with anthropic.messages.stream(model="m", messages=USER, max_tokens=100) as stream:
        final = await stream.get_final_message()
    assert final.content[0].text == whole.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens == 8
    assert final.stop_reason == "end_turn"
