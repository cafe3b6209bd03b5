"""What the engine learns of a Chat Completions answer in passing."""

from __future__ import annotations

import json

import msgspec
import pytest

from pilotfish.core.formats.style import (
    CONTENT,
    ERROR,
    FINISH,
    MALFORMED,
    PING,
    TERMINAL,
    USAGE_ONLY,
)
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.openai.inspector import OpenAIInspector, OpenAITokenCounts
from style_wire import sse

USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 4},
}


def seen(payload, inspector=None):
    (event,) = sse(payload)
    return (inspector or OpenAIInspector()).event(event)


def delta(**fields):
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


@pytest.mark.parametrize("data", [b"{", b"hello", b'{"a":1}}', b"\xff", b"[DONE", b"[" * 5000])
def test_what_is_no_json_is_malformed(data):
    assert OpenAIInspector().event(b"data: " + data + b"\n\n") == MALFORMED


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"choices": {}},
        {"choices": [7]},
        {"choices": [{"delta": 7}]},
        {"choices": [{"delta": {"tool_calls": "x"}}]},
        {"usage": "x"},
        {"new": 1},
        {"choices": [{"delta": {"function_call": {"name": "", "arguments": ""}}}]},
    ],
)
def test_a_shape_that_nobody_documented_passes_as_nothing(payload):
    assert seen(payload) == 0


@pytest.mark.parametrize(
    "payload",
    [
        delta(role="assistant", content=""),
        delta(role="assistant", content=None),
        delta(),
        delta(reasoning_content=""),
    ],
)
def test_a_role_or_an_empty_delta_is_no_first_token(payload):
    assert seen(payload) == 0


@pytest.mark.parametrize(
    ("payload", "chars"),
    [
        (delta(content="Hi"), 2),
        (delta(content=[{"type": "text", "text": "Hi"}]), 2),
        (delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]), 2),
        (delta(content=[{"type": "text", "text": 7}]), 0),
        (delta(reasoning_content="Hm"), 2),
        (delta(reasoning="Hm"), 2),
        (
            delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]),
            1,
        ),
        (delta(tool_calls=[{"index": 0, "custom": {"input": "ls"}}]), 2),
        (delta(function_call={"arguments": "{}"}), 2),
        (delta(audio={"data": "AAAA"}), 0),
        ({"choices": [{"index": 0, "text": "Hi"}]}, 2),
        (delta(content="Hi", refusal=7), 2),
    ],
)
def test_what_a_client_sees_is_content(payload, chars):
    inspector = OpenAIInspector()
    assert seen(payload, inspector) == CONTENT
    assert inspector.chars == chars


def test_the_end_a_comment_and_a_finish():
    inspector = OpenAIInspector()
    assert inspector.event(b"data: [DONE]\n\n") == TERMINAL
    assert inspector.event(b": ping\n\n") == PING
    assert (
        seen(
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "model": "m"},
            inspector,
        )
        == FINISH
    )
    assert (inspector.finish_reason, inspector.model) == ("stop", "m")


def test_usage_that_the_client_may_not_have_asked_for_is_told_from_usage_beside_content():
    inspector = OpenAIInspector()
    assert seen({"choices": [], "usage": USAGE}, inspector) == USAGE_ONLY
    assert inspector.usage == Usage(input=19, output=10, cached_input=8, cache_write=2, reasoning=4)
    assert seen(delta(content="x") | {"usage": USAGE}) == CONTENT


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 5, "total_tokens": 5}, Usage(input=5)),
        ({"total_tokens": 9}, Usage(input=9)),
        ({"input_tokens": 5, "output_tokens": 2}, Usage(input=5, output=2)),
        ({"prompt_tokens": 5, "prompt_cache_hit_tokens": 3}, Usage(input=5, cached_input=3)),
        ({"prompt_tokens": "5", "completion_tokens": 2}, Usage(input=0, output=2)),
    ],
)
def test_usage_in_the_words_of_other_endpoints_and_vendors(usage, expected):
    inspector = OpenAIInspector()
    assert inspector.reply(json.dumps({"data": [], "usage": usage}).encode()) == CONTENT | TERMINAL
    assert inspector.usage == expected


def test_groqs_usage_stands_elsewhere():
    inspector = OpenAIInspector()
    seen(delta() | {"x_groq": {"usage": {"prompt_tokens": 3}}}, inspector)
    assert inspector.usage == Usage(input=3)


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"error": {"message": "m", "type": "server_error"}}, 500),
        ({"error": {"message": "m", "code": 429}}, 429),
        ({"error": {"message": "m", "code": "rate_limit_exceeded"}}, 429),
        ({"object": "error", "message": "m", "code": 400}, 400),
        ({"error": "m"}, None),
    ],
)
def test_an_error_in_a_stream_says_what_it_is(payload, status):
    inspector = OpenAIInspector()
    assert seen(payload, inspector) == ERROR
    assert inspector.error.message == "m"
    assert inspector.error.status == status
    assert OpenAIInspector().reply(json.dumps(payload).encode()) == ERROR


@pytest.mark.parametrize("body", [b"", b"{", b'"text"', b"7", b"null", b"<html>"])
def test_an_answer_that_is_none_is_malformed(body):
    assert OpenAIInspector().reply(body) == MALFORMED


def test_a_whole_answer_is_counted():
    inspector = OpenAIInspector()
    message = {
        "role": "assistant",
        "content": "Hello",
        "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
    }
    assert (
        inspector.reply(
            json.dumps(
                {"model": "m", "choices": [{"message": message, "finish_reason": "tool_calls"}]}
            ).encode()
        )
        == CONTENT | TERMINAL
    )
    assert (inspector.chars, inspector.finish_reason, inspector.model, inspector.usage) == (
        8,
        "tool_calls",
        "m",
        None,
    )


@pytest.mark.parametrize(
    ("counts", "output", "reasoning"),
    [
        # xAI: prompt 12, completion 1, reasoning 290
        ({"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 303,
          "completion_tokens_details": {"reasoning_tokens": 290}}, 291, 290),
        # Gemini in this style: the total alone tells
        ({"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 303}, 291, 290),
        # OpenAI: reasoning is in the output
        ({"prompt_tokens": 12, "completion_tokens": 291, "total_tokens": 303,
          "completion_tokens_details": {"reasoning_tokens": 290}}, 291, 290),
        # a total that is something else is not believed
        ({"prompt_tokens": 12, "completion_tokens": 291, "total_tokens": 320,
          "completion_tokens_details": {"reasoning_tokens": 290}}, 291, 290),
        ({"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 303,
          "completion_tokens_details": {"reasoning_tokens": 0}}, 1, 0),
        ({"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 3}, 5, 0),
    ],
)  # fmt: skip
def test_output_holds_reasoning_however_the_vendor_counts(counts, output, reasoning):
    usage = msgspec.convert(counts, OpenAITokenCounts).usage()
    assert (usage.input, usage.output, usage.reasoning) == (12, output, reasoning)


@pytest.mark.parametrize(
    "counts",
    [{"cached_tokens": 64}, {"num_cached_tokens": 64}, {"prompt_cache_hit_tokens": 64}],
    ids=["Moonshot", "Mistral", "DeepSeek"],
)
def test_cached_tokens_are_counted_under_every_vendors_name(counts):
    given = {"prompt_tokens": 90, "completion_tokens": 1, "total_tokens": 91} | counts
    assert msgspec.convert(given, OpenAITokenCounts).usage().cached_input == 64
