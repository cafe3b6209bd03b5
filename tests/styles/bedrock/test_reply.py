"""Bedrock's answers, to and from the neutral form; boto3's parser takes what is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_wire import parsed_reply
from pilotfish.core.formats.neutral import FinishReason, Reply, Signature, Text, Thinking, ToolCall
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.bedrock import STYLE


def read(*blocks: dict[str, Any], stop: str = "end_turn", **rest: Any) -> Reply:
    body = {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": stop,
        **rest,
    }
    return STYLE.read_reply(json.dumps(body).encode())


def write(reply: Reply) -> bytes:
    return STYLE.write_reply(reply, model="m", request_id="r", now=0.0)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<html>", "expected JSON"),
        (b"[]", "expected an object"),
        (b'{"message":"no"}', "output.message: expected an object"),
        (b'{"output":{"message":{"content":7}}}', "expected a list"),
        (b'{"output":{"message":{"content":[{"text":7}]}}}', "expected a string"),
    ],
)
def test_what_is_no_answer_is_a_value_error(body, problem):
    with pytest.raises(ValueError, match=problem):
        STYLE.read_reply(body)


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("end_turn", FinishReason.STOP),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("max_tokens", FinishReason.LENGTH),
        ("stop_sequence", FinishReason.STOP_SEQUENCE),
        ("guardrail_intervened", FinishReason.CONTENT_FILTER),
        ("content_filtered", FinishReason.CONTENT_FILTER),
        ("malformed_tool_use", FinishReason.MALFORMED_CALL),
        ("model_context_window_exceeded", FinishReason.CONTEXT),
        ("malformed_model_output", FinishReason.MALFORMED),
        ("something_new", FinishReason.OTHER),
    ],
)
def test_every_stop_reason_means_something(word, finish):
    assert read({"text": "a"}, stop=word).finish is finish


@pytest.mark.parametrize(
    ("finish", "word"),
    [
        (FinishReason.REFUSAL, "content_filtered"),
        (FinishReason.PAUSE, "end_turn"),
        (FinishReason.OTHER, "end_turn"),
        (FinishReason.CONTEXT, "model_context_window_exceeded"),
    ],
)
def test_other_vendors_reasons_have_a_word(finish, word):
    assert parsed_reply(write(Reply(finish=finish)))["stopReason"] == word


def test_cached_and_written_tokens_are_input_and_back():
    counts = {
        "inputTokens": 10,
        "outputTokens": 5,
        "totalTokens": 45,
        "cacheReadInputTokens": 20,
        "cacheWriteInputTokens": 10,
    }
    reply = read(
        {"text": "a"},
        usage=counts,
        serviceTier={"type": "flex"},
        trace={"x": 1},
        metrics={"latencyMs": 7},
    )
    assert reply.usage == Usage(input=40, output=5, cached_input=20, cache_write=10)
    assert (reply.service_tier, reply.extras) == ("flex", {"bedrock": {"trace": {"x": 1}}})
    assert json.loads(write(reply))["usage"] == counts


def test_which_stop_sequence_it_was_is_told_if_asked_for():
    reply = read(
        {"text": "a"}, stop="stop_sequence", additionalModelResponseFields={"stop_sequence": "END"}
    )
    assert reply.stop_sequence == "END"
    assert parsed_reply(write(reply))["additionalModelResponseFields"] == {"stop_sequence": "END"}
    assert read({"text": "a"}, additionalModelResponseFields=7).stop_sequence == ""


def test_the_forced_tools_input_is_the_answer():
    call = {"toolUse": {"toolUseId": "t", "name": "pilotfish_json_response", "input": {"a": 1}}}
    reply = read({"text": "Here:"}, call, stop="tool_use")
    assert (reply.parts, reply.finish) == ((Text('{"a":1}'),), FinishReason.STOP)


def test_bedrocks_client_sees_everything_in_its_place():
    parts = (
        Thinking(text="hm", signature=Signature("anthropic", "s")),
        Text("ü"),
        ToolCall(id="call_1", name="f", arguments='{"a":1}'),
    )
    seen = parsed_reply(
        write(Reply(parts=parts, finish=FinishReason.TOOL_CALLS, usage=Usage(input=3, output=4)))
    )
    assert seen["output"]["message"]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"text": "ü"},
        {"toolUse": {"toolUseId": "call_1", "name": "f", "input": {"a": 1}}},
    ]
    assert (seen["stopReason"], seen["usage"]) == (
        "tool_use",
        {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7},
    )
    assert seen["metrics"] == {"latencyMs": 0}


WORDS = st.text(min_size=1, max_size=8)
PARTS = st.one_of(
    st.builds(Text, WORDS),
    st.builds(
        ToolCall,
        id=WORDS,
        name=WORDS.filter(lambda name: not name.startswith("pilotfish")),
        arguments=st.just('{"a":"ü"}'),
    ),
    st.builds(
        Thinking,
        text=WORDS,
        signature=st.none()
        | st.just(Signature("anthropic", "c2ln"))
        | st.just(Signature("google", "c2ln")),
    ),
    st.builds(
        Thinking,
        signature=st.builds(
            Signature, st.just("anthropic"), WORDS.filter(lambda text: ":" not in text)
        ),
        redacted=st.just(True),
    ),
)
COUNTS = st.integers(0, 1000)


@given(
    st.lists(PARTS, max_size=4),
    st.builds(
        lambda a, b, c, d: Usage(input=a + b + c, output=d, cached_input=b, cache_write=c),
        COUNTS,
        COUNTS,
        COUNTS,
        COUNTS,
    ),
)
def test_what_bedrock_can_say_is_read_back_as_it_was_written(parts, usage):
    reply = Reply(parts=tuple(parts), usage=usage, finish=FinishReason.LENGTH)
    body = write(reply)
    parsed_reply(body)
    assert STYLE.read_reply(body) == reply
