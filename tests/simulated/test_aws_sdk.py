"""Bedrock's answers are what AWS's own client library parses, and Anthropic's where a Claude is
asked in its own form.
"""

from __future__ import annotations

import asyncio
from contextlib import closing

import anthropic
import boto3
import orjson
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from pilotfish.simulated import Fault, SimulatedVendor

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture
async def vendor():
    async with SimulatedVendor(key="k") as vendor:
        yield vendor


@pytest.fixture
def bedrock(vendor):
    """The synchronous client; its calls belong into a thread, since the vendor runs in this one."""
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=vendor.base,
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()


def streamed_from(bedrock):
    """All events. The stream is closed even where it breaks, since its connection is nobody's
    else.
    """
    with closing(bedrock.converse_stream(**CONVERSE)["stream"]) as stream:
        return list(stream)


CONVERSE = {
    "modelId": "anthropic.claude-v1:0",
    "messages": [{"role": "user", "content": [{"text": "say:fine call:weather"}]}],
    "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]},
    "additionalModelRequestFields": {"thinking": {"type": "enabled"}},
}


async def test_bedrock_whole_and_streamed_say_the_same(bedrock):
    whole = await asyncio.to_thread(bedrock.converse, **CONVERSE)
    streamed = await asyncio.to_thread(streamed_from, bedrock)
    deltas = [
        event["contentBlockDelta"]["delta"] for event in streamed if "contentBlockDelta" in event
    ]
    content = whole["output"]["message"]["content"]
    assert (
        "".join(delta.get("text", "") for delta in deltas)
        == content[1]["text"]
        == "fine call:weather"
    )
    assert (
        orjson.loads("".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta))
        == content[2]["toolUse"]["input"]
    )
    assert (
        streamed[-2]
        == {"messageStop": {"stopReason": whole["stopReason"]}}
        == {"messageStop": {"stopReason": "tool_use"}}
    )
    assert streamed[-1]["metadata"]["usage"] == whole["usage"]


async def test_bedrock_raises_its_own_errors_before_and_inside_a_stream(vendor, bedrock):
    vendor.script(Fault.status(429), Fault.error_event("after", 50))
    with pytest.raises(ClientError, match="ThrottlingException"):
        await asyncio.to_thread(bedrock.converse, **CONVERSE)
    with pytest.raises(EventStreamError, match="serviceUnavailableException"):
        await asyncio.to_thread(streamed_from, bedrock)


# ---- a Claude in Anthropic's form


CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NEWER = "global.anthropic.claude-opus-4-7"  # takes the version that Anthropic's library sends
MESSAGES = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 2000,
    "messages": [{"role": "user", "content": "say:fine call:weather"}],
    "tools": [{"name": "weather", "input_schema": SCHEMA}],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
}


def invoked(bedrock, **more):
    answer = bedrock.invoke_model(modelId=CLAUDE, body=orjson.dumps(MESSAGES | more))
    with closing(answer["body"]) as body:
        return orjson.loads(body.read())


def invoked_stream(bedrock, **more):
    answer = bedrock.invoke_model_with_response_stream(
        modelId=CLAUDE, body=orjson.dumps(MESSAGES | more)
    )
    with closing(answer["body"]) as stream:
        return [orjson.loads(event["chunk"]["bytes"]) for event in stream]


@pytest.mark.parametrize(
    "wrong",
    [
        {"anthropic_version": "2026-10-21"},
        {"model": CLAUDE},
        {"stream": True},
        {"anthropic_beta": ["oauth-2025-04-20"]},
        {"messages": []},
    ],
)
async def test_what_only_anthropic_takes_is_refused_as_bedrock_refuses_it(bedrock, wrong):
    with pytest.raises(ClientError, match="ValidationException"):
        await asyncio.to_thread(invoked, bedrock, **wrong)


async def test_invoke_raises_bedrocks_errors_before_and_inside_a_stream(vendor, bedrock):
    vendor.script(Fault.status(429), Fault.error_event("after", 50))
    with pytest.raises(ClientError, match="ThrottlingException"):
        await asyncio.to_thread(invoked, bedrock)
    with pytest.raises(EventStreamError, match="serviceUnavailableException"):
        await asyncio.to_thread(invoked_stream, bedrock)


async def test_invoke_whole_and_streamed_say_the_same(bedrock):
    whole = await asyncio.to_thread(invoked, bedrock)
    streamed = await asyncio.to_thread(invoked_stream, bedrock)
    deltas = [event["delta"] for event in streamed if event["type"] == "content_block_delta"]
    thinking, text, call = whole["content"]
    assert "".join(delta.get("text", "") for delta in deltas) == text["text"] == "fine call:weather"
    assert "".join(delta.get("thinking", "") for delta in deltas) == thinking["thinking"]
    assert orjson.loads("".join(delta.get("partial_json", "") for delta in deltas)) == call["input"]
    assert streamed[-2]["usage"] == whole["usage"]
    assert (
        streamed[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"]
        == whole["usage"]["output_tokens"]
    )


async def test_anthropics_own_client_for_bedrock_reads_it(vendor):
    asked = {k: v for k, v in MESSAGES.items() if k != "anthropic_version"}
    async with anthropic.AsyncAnthropicBedrock(
        base_url=vendor.base,
        aws_region="us-east-1",
        aws_access_key="k",
        aws_secret_key="s",
        max_retries=0,
    ) as client:
        async with client.messages.stream(model=NEWER, **asked) as stream:
            streamed = await stream.get_final_message()
        whole = await client.messages.create(model=NEWER, **asked)
    assert [block.type for block in whole.content] == ["thinking", "text", "tool_use"]
    assert [block.to_dict() | {"id": ""} for block in streamed.content] == [
        block.to_dict() | {"id": ""} for block in whole.content
    ]
    assert streamed.usage.output_tokens == whole.usage.output_tokens
