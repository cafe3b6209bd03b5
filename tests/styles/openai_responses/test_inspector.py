"""What the engine learns of a Responses answer in passing."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.style import CONTENT, ERROR, FINISH, MALFORMED, PING, TERMINAL
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.openai_responses.inspector import ResponsesInspector
from style_wire import sse

USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 10},
    "output_tokens": 25,
    "output_tokens_details": {"reasoning_tokens": 12},
}


def seen(payload, inspector=None):
    (event,) = sse(payload)
    return (inspector or ResponsesInspector()).event(event)


@pytest.mark.parametrize("data", [b"{", b"hello", b"\xff", b"[" * 5000])
def test_what_is_no_json_is_malformed(data):
    assert ResponsesInspector().event(b"event: x\ndata: " + data + b"\n\n") == MALFORMED


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": 7},
        {"type": "response.new"},
        {"type": "response.output_text.delta", "delta": 7},
        {"type": "response.output_text.delta", "delta": ""},
        {"type": "response.output_item.added", "item": 7},
    ],
)
def test_a_shape_that_nobody_documented_passes_as_nothing(payload):
    assert seen(payload) == 0


@pytest.mark.parametrize("item", ["message", "reasoning"])
def test_items_that_are_filled_later_are_no_first_token(item):
    assert seen({"type": "response.output_item.added", "item": {"type": item}}) == 0


@pytest.mark.parametrize(
    "kind",
    [
        "output_text",
        "reasoning_summary_text",
        "reasoning_text",
        "function_call_arguments",
        "custom_tool_call_input",
    ],
)
def test_what_a_client_sees_is_content(kind):
    inspector = ResponsesInspector()
    assert seen({"type": f"response.{kind}.delta", "delta": "Hi"}, inspector) == CONTENT
    assert inspector.chars == 2


def test_a_call_is_content_from_its_name_on():
    assert (
        seen({"type": "response.output_item.added", "item": {"type": "function_call", "name": "f"}})
        == CONTENT
    )


def test_a_stream_from_its_start_to_its_end():
    inspector = ResponsesInspector()
    assert seen({"type": "response.created", "response": {"model": "m"}}, inspector) == 0
    assert inspector.event(b": ping\n\n") == PING
    assert (
        seen(
            {"type": "response.completed", "response": {"status": "completed", "usage": USAGE}},
            inspector,
        )
        == FINISH | TERMINAL
    )
    assert inspector.event(b"data: [DONE]\n\n") == PING
    assert (inspector.model, inspector.finish_reason) == ("m", "completed")
    assert inspector.usage == Usage(input=30, output=25, cached_input=10, reasoning=12)


def test_an_incomplete_answer_says_why():
    inspector = ResponsesInspector()
    assert (
        seen(
            {
                "type": "response.incomplete",
                "response": {"incomplete_details": {"reason": "max_output_tokens"}},
            },
            inspector,
        )
        == FINISH | TERMINAL
    )
    assert inspector.finish_reason == "max_output_tokens"


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (
            {
                "type": "response.failed",
                "response": {"error": {"code": "rate_limit_exceeded", "message": "m"}},
            },
            429,
        ),
        (
            {
                "type": "response.failed",
                "response": {"error": {"code": "server_error", "message": "m"}},
            },
            500,
        ),
        ({"type": "error", "code": "server_error", "message": "m"}, 500),
        ({"type": "error", "error": {"code": "server_error", "message": "m"}}, 500),
    ],
)
def test_failures_say_what_they_are_and_are_no_end(payload, status):
    inspector = ResponsesInspector()
    assert seen(payload, inspector) == ERROR
    assert (inspector.error.message, inspector.error.status) == ("m", status)


def test_a_failure_without_a_reason_is_one_all_the_same():
    inspector = ResponsesInspector()
    assert seen({"type": "response.failed", "response": {}}, inspector) == ERROR
    assert "without saying why" in inspector.error.message


@pytest.mark.parametrize("body", [b"", b"{", b'"text"', b"null"])
def test_an_answer_that_is_none_is_malformed(body):
    assert ResponsesInspector().reply(body) == MALFORMED


def test_whole_answers():
    inspector = ResponsesInspector()
    output = [
        {"type": "reasoning", "summary": [{"text": "hm"}]},
        {"type": "message", "content": [{"text": "Hi"}, {"refusal": "no"}]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
    ]
    assert (
        inspector.reply(
            json.dumps(
                {"model": "m", "status": "completed", "output": output, "usage": USAGE}
            ).encode()
        )
        == CONTENT | TERMINAL
    )
    assert (inspector.chars, inspector.model, inspector.usage.output) == (9, "m", 25)
    assert inspector.reply(b'{"error": {"message": "m"}}') == ERROR
