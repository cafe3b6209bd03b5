"""Anthropic Messages as the vendor speaks it."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from pilotfish.simulated.asked import BadRequest
from pilotfish.simulated.wires.anthropic import AnthropicMessages, error_body
from pilotfish.simulated.wires.wire import Kind, Trouble
from simulated.wires.said import FULL, PLAIN, content_events, sse_data, streamed, whole

WIRE = AnthropicMessages()
USER = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "m", "max_tokens": 9}, "at least one message"),
        ({"model": "m", "messages": USER}, "max_tokens: Field required"),
        ({"model": "m", "messages": USER, "max_tokens": 0}, "max_tokens: found 0"),
        ({"messages": USER, "max_tokens": 9}, "must provide a model"),
        ({"model": "m", "messages": USER, "max_tokens": 9, "tools": {}}, "tools: found dict"),
    ],
)
def test_a_request_of_the_wrong_shape_is_refused_with_the_field(body, words):
    with pytest.raises(BadRequest, match=words):
        WIRE.read(body, None, False)


def test_a_request_is_read():
    asked = WIRE.read(
        {
            "model": "m",
            "system": [{"type": "text", "text": "be brief"}],
            "messages": [
                *USER,
                {"role": "assistant", "content": [{"type": "tool_use", "name": "weather"}]},
                {"role": "user", "content": [{"type": "tool_result", "content": "sun"}]},
            ],
            "tools": [{"name": "weather", "input_schema": {}}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "output_config": {"format": {"type": "json_schema", "schema": {"const": 1}}},
            "max_tokens": 9,
        },
        None,
        False,
    )
    assert [turn.role for turn in asked.turns] == ["system", "user", "assistant", "tool"]
    assert (asked.forced, asked.parallel, asked.think) == ("*", False, True)
    assert (asked.schema, asked.max_tokens) == ({"const": 1}, 9)


def test_a_whole_answer_has_blocks_and_what_was_cached_is_not_counted_as_input():
    answer = whole(WIRE, FULL)
    assert [block["type"] for block in answer["content"]] == ["thinking", "text", "tool_use"]
    assert answer["content"][2]["input"] == {"city": "Kiel"}
    assert answer["stop_reason"] == "tool_use"
    usage = whole(WIRE, replace(PLAIN, cache_write_tokens=3))["usage"]
    kinds = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert [usage[kind] for kind in kinds] == [3, 4, 3]


def test_a_stream_opens_and_closes_each_block_once():
    found = streamed(WIRE, FULL)
    names = [data["type"] for _, data in found]
    assert names[:2] == ["message_start", "ping"]
    assert names[-2:] == ["message_delta", "message_stop"]
    for name in ("content_block_start", "content_block_stop"):
        assert [d["index"] for _, d in found if d["type"] == name] == [0, 1, 2]
    assert found[-1][0] is Kind.DONE
    assert len(content_events(found)) == FULL.output_tokens


def test_usage_that_is_missing_is_told_as_zeros():
    """The vendor always sends the field."""
    assert whole(WIRE, replace(PLAIN, usage=False))["usage"] == {
        "input_tokens": 0,
        "output_tokens": 0,
    }


@pytest.mark.parametrize("how", ["blocked", "declined"])
def test_a_refused_answer_stops_for_that_reason_without_content(how):
    answer = whole(WIRE, PLAIN.refused(how))
    assert (answer["content"], answer["stop_reason"]) == ([], "refusal")
    assert content_events(streamed(WIRE, PLAIN.refused(how))) == []


@pytest.mark.parametrize(
    ("trouble", "type_"),
    [
        (Trouble(status=401, kind="key"), "authentication_error"),
        (Trouble(status=403, kind="scope"), "permission_error"),
        (Trouble(status=403, kind="no_access", model="m"), "permission_error"),
        (Trouble(status=404, model="m"), "not_found_error"),
        (Trouble(status=422), "invalid_request_error"),
        (Trouble(status=500), "api_error"),
        (Trouble(status=529), "overloaded_error"),
    ],
)
def test_an_error_has_its_type(trouble, type_):
    body = error_body(trouble)
    assert (body["type"], body["error"]["type"]) == ("error", type_)
    assert "{model}" not in body["error"]["message"]


def test_errors_keep_alives_and_damage_are_in_the_styles_form():
    event = WIRE.error_event(Trouble(status=503, kind="overloaded", retry_s=7), first=True)
    assert event.startswith(b"event: error\n")
    assert sse_data(event)["error"]["message"] == "Overloaded Please try again in 7s."
    assert sse_data(WIRE.heartbeat()) == {"type": "ping"}
    assert WIRE.malformed().startswith(b"event: content_block_delta\n")
    assert orjson.loads(WIRE.failure(Trouble(status=400, message="why")).body)["error"][
        "message"
    ] == ("why")
