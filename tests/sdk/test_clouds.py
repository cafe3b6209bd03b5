"""The clouds' own clients through the proxy: Claude as Bedrock and Vertex AI offer it, Gemini on
Vertex AI, Responses on Azure, and models on Bedrock that have forms of their own.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from typing import Any

import anthropic as anthropic_sdk
import openai as openai_sdk
import pytest
from botocore.exceptions import ClientError, EventStreamError
from google import genai
from google.genai import types as genai_types
from google.oauth2.credentials import Credentials

from planted import CLIENT_KEY

TEXT = "the small pilot fish swims ahead of great "
HELLO = [{"role": "user", "content": "hello"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"name": name, "input_schema": CITY} for name in ("weather", "clock")]
ASK_BOTH = [
    {"role": "user", "content": 'call:weather({"city": "Oslo"}) call:clock({"city": "Rome"})'}
]


@pytest.fixture(params=["bedrock", "vertex"])
async def cloud(request, proxy):
    """Anthropic's client for one of the clouds."""
    made: Any = (
        anthropic_sdk.AsyncAnthropicBedrock(
            aws_region="us-east-1",
            aws_access_key=CLIENT_KEY,
            aws_secret_key=CLIENT_KEY,
            base_url=proxy.base,
            max_retries=0,
        )
        if request.param == "bedrock"
        else anthropic_sdk.AsyncAnthropicVertex(
            region="us-east5",
            project_id="p",
            access_token=CLIENT_KEY,
            base_url=f"{proxy.base}/v1",
            max_retries=0,
        )
    )
    async with made as client:
        yield client


async def test_an_error_is_the_one_of_its_status(cloud, upstream):
    with pytest.raises(anthropic_sdk.RateLimitError):
        await cloud.messages.create(model=f"{upstream}/sim-429-ra30", max_tokens=99, messages=HELLO)


async def test_an_error_after_content_is_raised_and_not_taken_for_the_end(cloud, upstream):
    async def read():
        async with cloud.messages.stream(
            model=f"{upstream}/sim-gap-40ms-err-after", max_tokens=99, messages=HELLO
        ) as stream:
            async for _ in stream:
                pass

    with pytest.raises(anthropic_sdk.APIError):
        await read()


async def test_a_whole_answer(cloud, model):
    answer = await cloud.messages.create(model=model, max_tokens=99, messages=HELLO)
    assert (answer.content[0].text, answer.stop_reason) == (TEXT, "end_turn")
    assert answer.usage.output_tokens == 8


async def test_a_stream_says_the_same_with_the_same_usage(cloud, model):
    async with cloud.messages.stream(model=model, max_tokens=99, messages=HELLO) as stream:
        assert "".join([text async for text in stream.text_stream]) == TEXT
        final = await stream.get_final_message()
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 8)


async def test_parallel_tool_calls_streamed(cloud, model):
    async with cloud.messages.stream(
        model=model, max_tokens=99, messages=ASK_BOTH, tools=TOOLS
    ) as stream:
        final = await stream.get_final_message()
    calls = [(b.name, b.input) for b in final.content if b.type == "tool_use"]
    assert calls == [("weather", {"city": "Oslo"}), ("clock", {"city": "Rome"})]
    assert final.stop_reason == "tool_use"


async def test_beta_flags_reach_whoever_takes_them(cloud, vendor, proxy):
    """On Bedrock they are in the body, everywhere else in a header."""
    answer = await cloud.beta.messages.create(
        model="anthropic/claude-opus-4-5",
        max_tokens=9,
        messages=HELLO,
        betas=["files-api-2025-04-14"],
    )
    assert answer.content[0].text == TEXT
    asked = vendor.requests[-1]
    assert asked.headers["anthropic-beta"] == "files-api-2025-04-14"
    assert not {"anthropic_version", "anthropic_beta"} & json.loads(asked.body).keys()


async def test_tokens_are_counted_on_vertex(proxy, upstream):
    async with anthropic_sdk.AsyncAnthropicVertex(
        region="us-east5", project_id="p", access_token=CLIENT_KEY, base_url=f"{proxy.base}/v1"
    ) as client:
        counted = await client.messages.count_tokens(
            model=f"{upstream}/claude-opus-4-5", messages=HELLO
        )
    assert counted.input_tokens > 0


@pytest.fixture
def invoke(bedrock):
    def ask(model: str, body: Any) -> Any:
        return json.loads(bedrock.invoke_model(modelId=model, body=json.dumps(body))["body"].read())

    return lambda *asked: asyncio.to_thread(ask, *asked)


@pytest.fixture
def invoke_stream(bedrock):
    def ask(model: str, body: Any) -> list[Any]:
        answer = bedrock.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
        with closing(answer["body"]) as frames:
            return [json.loads(frame["chunk"]["bytes"]) for frame in frames]

    return lambda *asked: asyncio.to_thread(ask, *asked)


CLAUDE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 99, "messages": HELLO}


async def test_boto3_invokes_a_claude_whoever_serves(invoke, model):
    answer = await invoke(model, CLAUDE)
    assert answer["content"] == [{"type": "text", "text": TEXT}]
    assert answer["usage"]["output_tokens"] == 8


async def test_boto3_invokes_a_claude_streamed_whoever_serves(invoke_stream, model):
    events = await invoke_stream(model, CLAUDE)
    said = [e["delta"]["text"] for e in events if e["type"] == "content_block_delta"]
    assert "".join(said) == TEXT
    assert events[0]["type"] == "message_start"
    assert events[-1]["type"] == "message_stop"


async def test_boto3_gets_its_own_exceptions(invoke, invoke_stream, upstream):
    with pytest.raises(ClientError) as limited:
        await invoke(f"{upstream}/sim-429-ra30", CLAUDE)
    assert limited.value.response["Error"]["Code"] == "ThrottlingException"
    with pytest.raises(EventStreamError):
        await invoke_stream(f"{upstream}/sim-gap-40ms-err-after", CLAUDE)


async def test_responses_of_azures_client(proxy, model):
    async with openai_sdk.AsyncAzureOpenAI(
        azure_endpoint=proxy.base,
        api_version="2025-04-01-preview",
        api_key=CLIENT_KEY,
        max_retries=0,
    ) as client:
        answer = await client.responses.create(model=model, input="hello")
        assert answer.output_text == TEXT
        async with client.responses.stream(model=model, input="hello") as stream:
            async for _ in stream:
                pass
            assert (await stream.get_final_response()).output_text == TEXT


async def test_gemini_on_vertex(proxy, model, upstream):
    if upstream == "google":  # which the client takes for the publisher that it need not name
        model = f"google/{model}"
    client = genai.Client(
        enterprise=True,
        project="p",
        location="us-central1",
        credentials=Credentials(token=CLIENT_KEY),
        http_options=genai_types.HttpOptions(base_url=proxy.base),
    )
    try:
        answer = await client.aio.models.generate_content(model=model, contents="hello")
        assert answer.text == TEXT
        stream = await client.aio.models.generate_content_stream(model=model, contents="hello")
        assert "".join([chunk.text or "" async for chunk in stream]) == TEXT
    finally:
        await client.aio.aclose()
        client.close()
