"""OpenAI Responses as the vendor speaks it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilotfish.simulated.asked import BadRequest
from pilotfish.simulated.wires.openai_responses import OpenAIResponsesWire
from pilotfish.simulated.wires.wire import Kind, Trouble
from simulated.wires.said import FULL, PLAIN, content_events, sse_data, streamed, whole

WIRE = OpenAIResponsesWire()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "m"}, "input: found none"),
        ({"model": "m", "input": {"role": "user"}}, "input: found dict"),
        ({"model": "m", "input": ["hello"]}, "input: found str"),
        ({"input": "hello"}, "must provide a model"),
        ({"model": "m", "input": "hello", "text": "json"}, "text: found str"),
    ],
)
def test_a_request_of_the_wrong_shape_is_refused_with_the_field(body, words):
    with pytest.raises(BadRequest, match=words):
        WIRE.read(body, None, False)


def test_a_request_is_read():
    asked = WIRE.read(
        {
            "model": "m",
            "instructions": "be brief",
            "input": [
                {"role": "developer", "content": "really"},
                {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
                {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "sun"},
            ],
            "tools": [{"type": "function", "name": "weather"}, {"type": "web_search"}],
            "tool_choice": "required",
            "reasoning": {"effort": "high"},
            "text": {"format": {"type": "json_schema", "schema": {"const": 1}}},
            "max_output_tokens": 9,
        },
        None,
        True,
    )
    assert [turn.role for turn in asked.turns] == ["system", "system", "user", "assistant", "tool"]
    assert (asked.tools, asked.forced, asked.think) == ({"weather": None}, "*", True)
    assert (asked.schema, asked.max_tokens, asked.stream) == ({"const": 1}, 9, True)


def test_a_whole_answer_is_a_list_of_items():
    answer = whole(WIRE, FULL)
    assert [item["type"] for item in answer["output"]] == ["reasoning", "message", "function_call"]
    assert answer["status"] == "completed"
    assert answer["usage"]["output_tokens_details"]["reasoning_tokens"] == 1


def test_events_are_numbered_and_the_last_one_holds_the_whole_answer():
    found = streamed(WIRE, FULL)
    assert [data["sequence_number"] for _, data in found] == list(range(len(found)))
    assert [data["type"] for _, data in found[:2]] == ["response.created", "response.in_progress"]
    kind, last = found[-1]
    assert (kind, last["type"]) == (Kind.DONE, "response.completed")
    assert last["response"]["output"] == whole(WIRE, FULL)["output"]
    deltas = [data["delta"] for data in content_events(found)]
    assert "".join(deltas) == 'hm the end {"city": "Kiel"}'


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("blocked", "content_filter")]
)
def test_an_answer_that_was_cut_is_incomplete_and_says_why(finish, reason):
    answer = whole(WIRE, replace(PLAIN, finish=finish))
    assert (answer["status"], answer["incomplete_details"]) == ("incomplete", {"reason": reason})
    assert streamed(WIRE, replace(PLAIN, finish=finish))[-1][1]["type"] == "response.incomplete"


def test_a_declined_answer_is_a_refusal_part():
    declined = PLAIN.refused("declined")
    (part,) = whole(WIRE, declined)["output"][0]["content"]
    found = streamed(WIRE, declined)
    names = [data["type"] for kind, data in found if kind is Kind.CONTENT]
    assert set(names) == {"response.refusal.delta"}
    assert "".join(data["delta"] for data in content_events(found)) == part["refusal"]
    assert whole(WIRE, declined)["status"] == "completed"


def test_without_usage_it_is_null():
    assert whole(WIRE, replace(PLAIN, usage=False))["usage"] is None


def test_an_error_event_has_its_fields_at_the_top():
    event = sse_data(WIRE.error_event(Trouble(status=503, kind="overloaded"), first=False))
    assert (event["type"], event["code"]) == ("error", "server_is_overloaded")
    assert WIRE.heartbeat().startswith(b":")
    assert WIRE.malformed().startswith(b"event: response.output_text.delta\n")
    assert WIRE.failure(Trouble(status=404)).status == 404
