"""What the engine learns of a Messages answer in passing."""

from __future__ import annotations

import json

import msgspec
import pytest

from pilotfish.core.formats.style import CONTENT, ERROR, FINISH, MALFORMED, PING, TERMINAL
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.anthropic.inspector import AnthropicInspector, AnthropicTokenCounts
from style_wire import sse

USAGE = {
    "input_tokens": 20,
    "cache_creation_input_tokens": 100,
    "cache_read_input_tokens": 50,
    "output_tokens": 1,
}


def seen(payload, inspector=None):
    (event,) = sse(payload)
    return (inspector or AnthropicInspector()).event(event)


def delta(**fields):
    return {"type": "content_block_delta", "index": 0, "delta": fields}


def block(**fields):
    return {"type": "content_block_start", "index": 0, "content_block": fields}


@pytest.mark.parametrize("data", [b"{", b"hello", b"\xff", b"[" * 5000])
def test_what_is_no_json_is_malformed(data):
    assert AnthropicInspector().event(b"event: x\ndata: " + data + b"\n\n") == MALFORMED


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": 7},
        {"type": "new_event"},
        {"type": "message_delta", "usage": 7},
        delta(),
        {"type": "content_block_delta", "delta": 7},
        {"type": "content_block_start"},
    ],
)
def test_a_shape_that_nobody_documented_passes_as_nothing(payload):
    assert seen(payload) == 0


@pytest.mark.parametrize(
    "payload",
    [
        block(type="text", text=""),
        block(type="thinking", thinking="", signature=""),
        delta(type="signature_delta", signature="S"),
        delta(type="input_json_delta", partial_json=""),
        delta(type="citations_delta", citation={}),
    ],
)
def test_beginnings_and_proofs_are_no_first_token(payload):
    assert seen(payload) == 0


@pytest.mark.parametrize(
    ("payload", "chars"),
    [
        (delta(type="text_delta", text="Hi"), 2),
        (delta(type="thinking_delta", thinking="Hm"), 2),
        (delta(type="input_json_delta", partial_json="{}"), 2),
        (block(type="text", text="Hi"), 2),
        (block(type="tool_use", id="t", name="f", input={}), 1),
        (block(type="redacted_thinking", data="D"), 0),
        (delta(type="text_delta", text="Hi", index="odd", stop_reason=7), 2),
    ],
)
def test_what_a_client_sees_is_content(payload, chars):
    inspector = AnthropicInspector()
    assert seen(payload, inspector) == CONTENT
    assert inspector.chars == chars


def test_a_stream_from_its_start_to_its_end():
    inspector = AnthropicInspector()
    assert (
        seen({"type": "message_start", "message": {"model": "m", "usage": USAGE}}, inspector) == 0
    )
    assert seen({"type": "ping"}, inspector) == PING
    assert inspector.event(b": comment\n\n") == PING
    final = {"output_tokens": 15, "output_tokens_details": {"thinking_tokens": 9}}
    assert (
        seen(
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": final},
            inspector,
        )
        == FINISH
    )
    assert seen({"type": "message_stop"}, inspector) == TERMINAL
    assert (inspector.model, inspector.finish_reason) == ("m", "end_turn")
    assert inspector.usage == Usage(
        input=170, output=15, cached_input=50, cache_write=100, reasoning=9
    )


def test_a_message_delta_may_correct_the_input():
    inspector = AnthropicInspector()
    seen({"type": "message_start", "message": {"usage": USAGE}}, inspector)
    seen(
        {"type": "message_delta", "delta": {}, "usage": {"input_tokens": 30, "output_tokens": 2}},
        inspector,
    )
    assert inspector.usage == Usage(input=180, output=2, cached_input=50, cache_write=100)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("overloaded_error", 529), ("rate_limit_error", 429), ("api_error", 500), ("new_error", None)],
)
def test_an_error_has_the_status_of_its_type(kind, status):
    payload = {"type": "error", "error": {"type": kind, "message": "m"}}
    inspector = AnthropicInspector()
    assert seen(payload, inspector) == ERROR
    assert (inspector.error.type, inspector.error.message, inspector.error.status) == (
        kind,
        "m",
        status,
    )
    assert AnthropicInspector().reply(json.dumps(payload).encode()) == ERROR


@pytest.mark.parametrize("body", [b"", b"{", b'"text"', b"null"])
def test_an_answer_that_is_none_is_malformed(body):
    assert AnthropicInspector().reply(body) == MALFORMED


def test_a_whole_answer_is_counted():
    inspector = AnthropicInspector()
    content = [
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "name": "f", "input": {"a": 1}},
    ]
    body = {
        "type": "message",
        "model": "m",
        "content": content,
        "stop_reason": "tool_use",
        "usage": USAGE,
    }
    assert inspector.reply(json.dumps(body).encode()) == CONTENT | TERMINAL
    assert (inspector.chars, inspector.finish_reason, inspector.usage.output) == (13, "tool_use", 1)


def test_counted_tokens_are_input():
    inspector = AnthropicInspector()
    assert inspector.reply(b'{"input_tokens": 12}') == CONTENT | TERMINAL
    assert inspector.usage == Usage(input=12)


def test_tokens_of_a_compaction_and_of_advice_are_counted_beside_the_message():
    iterations = [
        {"type": "compaction", "input_tokens": 180, "output_tokens": 30},
        {"type": "message", "input_tokens": 40, "output_tokens": 9},
        {"type": "advisor_message", "input_tokens": 5, "output_tokens": 1, "model": "m"},
    ]
    counts = {
        "input_tokens": 40,
        "output_tokens": 9,
        "cache_creation_input_tokens": 10,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6},
        "iterations": iterations,
    }
    usage = msgspec.convert(counts, AnthropicTokenCounts).usage()
    assert (usage.input, usage.output) == (50 + 180 + 5, 9 + 30 + 1)
    assert (usage.cache_write, usage.cache_write_1h) == (10, 6)
