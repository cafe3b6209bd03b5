"""Bedrock's Converse as the vendor speaks it."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from botocore.eventstream import EventStreamBuffer

from pilotfish.simulated.asked import BadRequest
from pilotfish.simulated.wires.bedrock import BedrockWire
from pilotfish.simulated.wires.wire import Kind, Trouble
from simulated.wires.said import ASKED, FULL, PLAIN, whole

WIRE = BedrockWire()
USER = {"role": "user", "content": [{"text": "hello"}]}


def frames(data):
    """(headers, JSON) of each frame."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(event.headers, orjson.loads(event.payload)) for event in buffer]


def streamed(answer=PLAIN):
    return [
        (event.kind, headers[":event-type"], payload)
        for event in WIRE.events(ASKED, answer, 0)
        for headers, payload in frames(event.data)
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "must start with a user message"),
        ({"messages": [7]}, "messages: found int"),
        ({"messages": [USER], "inferenceConfig": {"maxTokens": -1}}, "inferenceConfig.maxTokens"),
    ],
)
def test_a_request_of_the_wrong_shape_is_refused_with_the_field(body, words):
    with pytest.raises(BadRequest, match=words):
        WIRE.read(body, "m", False)


def test_a_request_is_read():
    schema = '{"const": 1}'
    asked = WIRE.read(
        {
            "system": [{"text": "be brief"}],
            "messages": [
                USER,
                {"role": "assistant", "content": [{"text": "hm"}]},
                {"role": "user", "content": [{"toolResult": {"content": []}}]},
            ],
            "toolConfig": {
                "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {}}}}],
                "toolChoice": {"tool": {"name": "weather"}},
            },
            "additionalModelRequestFields": {"thinking": {"type": "enabled"}},
            "outputConfig": {"textFormat": {"structure": {"jsonSchema": {"schema": schema}}}},
            "inferenceConfig": {"maxTokens": 9},
        },
        "m",
        True,
    )
    assert [turn.role for turn in asked.turns] == ["system", "user", "assistant", "tool"]
    assert (asked.tools, asked.forced, asked.think) == ({"weather": {}}, "weather", True)
    assert (asked.schema, asked.max_tokens) == ({"const": 1}, 9)


def test_a_whole_answer_has_blocks_and_what_was_cached_is_not_counted_as_input():
    answer = whole(WIRE, FULL)
    content = answer["output"]["message"]["content"]
    assert [next(iter(block)) for block in content] == ["reasoningContent", "text", "toolUse"]
    assert answer["stopReason"] == "tool_use"
    usage = whole(WIRE, replace(PLAIN, cache_write_tokens=3))["usage"]
    kinds = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens", "totalTokens")
    assert [usage[kind] for kind in kinds] == [3, 4, 3, 12]


def test_only_tool_use_is_announced_in_a_stream():
    found = streamed(FULL)
    starts = [payload for _, name, payload in found if name == "contentBlockStart"]
    stops = [payload for _, name, payload in found if name == "contentBlockStop"]
    assert [start["contentBlockIndex"] for start in starts] == [2]
    assert [stop["contentBlockIndex"] for stop in stops] == [0, 1, 2]
    assert found[0][1] == "messageStart"
    assert found[-1][:2] == (Kind.DONE, "metadata")
    assert sum(kind is Kind.CONTENT for kind, _, _ in found) == FULL.output_tokens


def test_without_usage_only_metrics_are_left():
    assert "usage" not in whole(WIRE, replace(PLAIN, usage=False))


def test_a_guardrail_says_its_own_text_and_a_filter_says_nothing():
    blocked, declined = PLAIN.refused("blocked"), PLAIN.refused("declined")
    assert whole(WIRE, blocked)["stopReason"] == "guardrail_intervened"
    (block,) = whole(WIRE, blocked)["output"]["message"]["content"]
    said = [p["delta"]["text"] for kind, _, p in streamed(blocked) if kind is Kind.CONTENT]
    assert "".join(said) == block["text"]
    assert whole(WIRE, declined)["stopReason"] == "content_filtered"
    assert whole(WIRE, declined)["output"]["message"]["content"] == []


@pytest.mark.parametrize(
    ("trouble", "status", "exception"),
    [
        (Trouble(status=401, kind="key"), 403, "UnrecognizedClientException"),
        (Trouble(status=403, kind="scope"), 403, "AccessDeniedException"),
        (Trouble(status=403, kind="no_access"), 403, "AccessDeniedException"),
        (Trouble(status=404, model="m"), 404, "ResourceNotFoundException"),
        (Trouble(status=422), 422, "ValidationException"),
        (Trouble(status=429), 429, "ThrottlingException"),
        (Trouble(status=529), 529, "InternalServerException"),
    ],
)
def test_the_exception_is_named_in_a_header(trouble, status, exception):
    failure = WIRE.failure(trouble)
    assert (failure.status, dict(failure.headers)["x-amzn-errortype"]) == (status, exception)
    assert "{model}" not in orjson.loads(failure.body)["message"]


def test_errors_keep_alives_and_damage_are_frames():
    ((headers, payload),) = frames(WIRE.error_event(Trouble(status=429, message="why"), first=True))
    assert headers[":message-type"] == "exception"
    assert headers[":exception-type"] == "throttlingException"
    assert payload == {"message": "why"}
    assert frames(WIRE.heartbeat())[0][0][":event-type"] == "keepAlive"
    buffer = EventStreamBuffer()
    buffer.add_data(WIRE.malformed())
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(next(iter(buffer)).payload)
