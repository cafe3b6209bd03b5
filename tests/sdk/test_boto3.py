"""`boto3` and Converse, whatever serves. The client is synchronous: it works in a thread."""

from __future__ import annotations

import asyncio
import base64
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

TEXT = "the small pilot fish swims ahead of great "
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {
    "tools": [
        {"toolSpec": {"name": n, "inputSchema": {"json": CITY}}} for n in ("weather", "clock")
    ]
}


def user(*blocks: Any) -> list[Any]:
    return [{"role": "user", "content": [{"text": b} if isinstance(b, str) else b for b in blocks]}]


ASK_BOTH = user('call:weather({"city": "Oslo"}) call:clock({"city": "Rome"})')


@pytest.fixture
def converse(bedrock):
    async def ask(**asked: Any) -> Any:
        return await asyncio.to_thread(lambda: bedrock.converse(**asked))

    return ask


@pytest.fixture
def converse_stream(bedrock):
    def events(**asked: Any) -> list[Any]:
        with closing(bedrock.converse_stream(**asked)["stream"]) as stream:
            return list(stream)

    async def ask(**asked: Any) -> list[Any]:
        return await asyncio.to_thread(lambda: events(**asked))

    return ask


async def test_a_rate_limit_is_throttling(converse, upstream):
    with pytest.raises(ClientError) as limited:
        await converse(modelId=f"{upstream}/sim-429-ra30", messages=user("hello"))
    assert limited.value.response["Error"]["Code"] == "ThrottlingException"


async def test_an_error_after_content_is_raised_and_not_taken_for_the_end(
    converse_stream, upstream
):
    with pytest.raises(EventStreamError):
        await converse_stream(modelId=f"{upstream}/sim-gap-40ms-err-after", messages=user("hello"))


async def test_a_whole_answer(converse, model):
    answer = await converse(modelId=model, system=[{"text": "be brief"}], messages=user("hello"))
    assert (answer["output"]["message"]["content"], answer["stopReason"]) == (
        [{"text": TEXT}],
        "end_turn",
    )
    assert answer["usage"]["outputTokens"] == 8


async def test_a_stream_says_the_same_with_the_same_usage(converse_stream, model):
    events = await converse_stream(modelId=model, messages=user("hello"))
    assert (
        "".join(e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e)
        == TEXT
    )
    assert [e["metadata"]["usage"]["outputTokens"] for e in events if "metadata" in e] == [8]
    assert [e["messageStop"]["stopReason"] for e in events if "messageStop" in e] == ["end_turn"]


async def test_parallel_tool_calls_and_their_results(converse, model):
    answer = await converse(modelId=model, messages=ASK_BOTH, toolConfig=TOOLS)
    calls = [b["toolUse"] for b in answer["output"]["message"]["content"] if "toolUse" in b]
    assert [(c["name"], c["input"]) for c in calls] == [
        ("weather", {"city": "Oslo"}),
        ("clock", {"city": "Rome"}),
    ]
    assert answer["stopReason"] == "tool_use"
    results = [
        {"toolResult": {"toolUseId": c["toolUseId"], "content": [{"text": "sunny"}]}} for c in calls
    ]
    last = await converse(
        modelId=model,
        messages=[*ASK_BOTH, answer["output"]["message"], *user(*results)],
        toolConfig=TOOLS,
    )
    assert last["output"]["message"]["content"] == [{"text": TEXT}]


async def test_parallel_tool_calls_streamed(converse_stream, model):
    events = await converse_stream(modelId=model, messages=ASK_BOTH, toolConfig=TOOLS)
    names = [
        e["contentBlockStart"]["start"]["toolUse"]["name"]
        for e in events
        if "contentBlockStart" in e
    ]
    inputs: dict[int, str] = {}
    for event in events:
        if "contentBlockDelta" in event:
            at = event["contentBlockDelta"]["contentBlockIndex"]
            inputs[at] = inputs.get(at, "") + event["contentBlockDelta"]["delta"].get(
                "toolUse", {}
            ).get("input", "")
    assert names == ["weather", "clock"]
    assert [text.replace(" ", "") for text in inputs.values() if text] == [
        '{"city":"Oslo"}',
        '{"city":"Rome"}',
    ]


async def test_an_image_reaches_the_vendor(converse, vendor, model):
    image = {"image": {"format": "png", "source": {"bytes": base64.b64decode(PIXEL)}}}
    answer = await converse(modelId=model, messages=user("what is it?", image))
    assert answer["output"]["message"]["content"] == [{"text": TEXT}]
    assert PIXEL.encode() in vendor.requests[-1].body


async def test_reasoning_is_a_block_of_its_own(converse, model):
    more = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    answer = await converse(
        modelId=model,
        messages=user("hello"),
        inferenceConfig={"maxTokens": 4096},
        additionalModelRequestFields=more,
    )
    first, second = answer["output"]["message"]["content"]
    assert (
        first["reasoningContent"]["reasoningText"]["text"]
        == "thought 1 thought 2 thought 3 thought 4 "
    )
    assert second == {"text": TEXT}


async def test_a_token_limit_ends_the_answer_as_max_tokens(converse, upstream):
    answer = await converse(
        modelId=f"{upstream}/sim-n30", messages=user("hello"), inferenceConfig={"maxTokens": 20}
    )
    assert (answer["usage"]["outputTokens"], answer["stopReason"]) == (20, "max_tokens")
