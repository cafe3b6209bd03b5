"""Bedrock's answers are what AWS's own client library parses."""

from __future__ import annotations

import asyncio
from contextlib import closing

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
    """All events. The stream is closed even where it breaks, since its connection is nobody's else."""
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
    deltas = [event["contentBlockDelta"]["delta"] for event in streamed if "contentBlockDelta" in event]
    content = whole["output"]["message"]["content"]
    assert "".join(delta.get("text", "") for delta in deltas) == content[1]["text"] == "fine call:weather"
    assert orjson.loads("".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)) == content[2]["toolUse"]["input"]
    assert streamed[-2] == {"messageStop": {"stopReason": whole["stopReason"]}} == {"messageStop": {"stopReason": "tool_use"}}
    assert streamed[-1]["metadata"]["usage"] == whole["usage"]


async def test_bedrock_raises_its_own_errors_before_and_inside_a_stream(vendor, bedrock):
    vendor.script(Fault.status(429), Fault.error_event("after", 50))
    with pytest.raises(ClientError, match="ThrottlingException"):
        await asyncio.to_thread(bedrock.converse, **CONVERSE)
    with pytest.raises(EventStreamError, match="serviceUnavailableException"):
        await asyncio.to_thread(streamed_from, bedrock)
