"""Gemini as the vendor speaks it: as SSE and as a JSON array."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from pilotfish.simulated.asked import BadRequest
from pilotfish.simulated.wires.google import GoogleWire, error_body
from pilotfish.simulated.wires.wire import Kind, Trouble
from simulated.wires.said import ASKED, FULL, PLAIN, content_events, sse_data, streamed, whole

WIRE, ARRAY = GoogleWire(), GoogleWire(array=True)
USER = {"role": "user", "parts": [{"text": "hello"}]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "contents is not specified"),
        ({"contents": USER}, "contents: found dict"),
        ({"contents": ["hello"]}, "contents: found str"),
        ({"contents": [USER], "generationConfig": [1]}, "generationConfig: found list"),
        ({"contents": [USER], "generationConfig": {"maxOutputTokens": 0}}, "maxOutputTokens"),
    ],
)
def test_a_request_of_the_wrong_shape_is_refused_with_the_field(body, words):
    with pytest.raises(BadRequest, match=words):
        WIRE.read(body, "m", False)


@pytest.mark.parametrize("snake", [False, True])
def test_a_request_is_read_in_both_spellings(snake):
    """The vendor's own client library sends snake case."""
    names = {
        "systemInstruction": "system_instruction",
        "functionDeclarations": "function_declarations",
        "toolConfig": "tool_config",
        "functionCallingConfig": "function_calling_config",
        "allowedFunctionNames": "allowed_function_names",
        "generationConfig": "generation_config",
        "maxOutputTokens": "max_output_tokens",
        "responseSchema": "response_schema",
        "thinkingConfig": "thinking_config",
        "includeThoughts": "include_thoughts",
        "functionResponse": "function_response",
    }
    body = {
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [
            USER,
            {"role": "model", "parts": [{"text": "hm"}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "weather"}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "weather"}]}],
        "toolConfig": {
            "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}
        },
        "generationConfig": {
            "maxOutputTokens": 9,
            "responseSchema": {"type": "STRING"},
            "thinkingConfig": {"includeThoughts": True},
        },
    }
    text = orjson.dumps(body)
    for camel, other in names.items() if snake else ():
        text = text.replace(f'"{camel}"'.encode(), f'"{other}"'.encode())
    asked = WIRE.read(orjson.loads(text), "m", True)
    assert [turn.role for turn in asked.turns] == ["system", "user", "assistant", "tool"]
    assert (asked.tools, asked.forced, asked.think) == ({"weather": None}, "weather", True)
    assert (asked.max_tokens, asked.schema, asked.stream) == (9, {"type": "STRING"}, True)


def test_a_whole_answer_has_parts_and_thoughts_are_beside_the_candidates_tokens():
    answer = whole(WIRE, FULL)
    parts = answer["candidates"][0]["content"]["parts"]
    assert parts[0] == {"text": "hm ", "thought": True}
    assert parts[1] == {"text": "the end "}
    assert parts[2]["functionCall"]["args"] == {"city": "Kiel"}
    usage = answer["usageMetadata"]
    assert usage["thoughtsTokenCount"] == 1
    assert usage["candidatesTokenCount"] == FULL.output_tokens - 1


def test_only_the_last_reply_of_a_stream_has_all_of_the_usage():
    found = streamed(WIRE)
    counts = [data["usageMetadata"].get("totalTokenCount") for _, data in found]
    assert counts == [None] * (len(found) - 1) + [12]
    assert found[-1][1]["candidates"][0]["finishReason"] == "STOP"
    assert len(content_events(found)) == 2


def test_a_stream_without_sse_is_one_json_array():
    events = ARRAY.events(ASKED, PLAIN, 0)
    replies = orjson.loads(b"".join(event.data for event in events))
    assert replies == [data for _, data in streamed(WIRE)]
    assert events[-1].kind is Kind.DONE
    assert ARRAY.content_type(ASKED).startswith("application/json")


def test_without_usage_there_is_no_such_key():
    assert "usageMetadata" not in whole(WIRE, replace(PLAIN, usage=False))


def test_a_blocked_prompt_has_no_candidates_and_a_declined_one_has_no_content():
    assert "candidates" not in whole(WIRE, PLAIN.refused("blocked"))
    (candidate,) = whole(WIRE, PLAIN.refused("declined"))["candidates"]
    assert candidate == {"finishReason": "SAFETY", "index": 0}
    for how in ("blocked", "declined"):
        assert [kind for kind, _ in streamed(WIRE, PLAIN.refused(how))] == [Kind.FINISH]


@pytest.mark.parametrize(
    ("trouble", "code", "status"),
    [
        (Trouble(status=401), 401, "UNAUTHENTICATED"),
        (Trouble(status=403, kind="scope"), 403, "PERMISSION_DENIED"),
        (Trouble(status=403, kind="no_access", model="m"), 403, "PERMISSION_DENIED"),
        (Trouble(status=429), 429, "RESOURCE_EXHAUSTED"),
        (Trouble(status=503), 503, "UNAVAILABLE"),
        (Trouble(status=418), 418, "UNKNOWN"),
    ],
)
def test_an_error_has_its_code_and_status(trouble, code, status):
    error = error_body(trouble)["error"]
    assert (error["code"], error["status"]) == (code, status)
    assert "{model}" not in error["message"]
    assert "details" not in error


def test_a_wrong_key_is_told_as_a_bad_request():
    failure = WIRE.failure(Trouble(status=401, kind="key"))
    error = orjson.loads(failure.body)["error"]
    assert (failure.status, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["reason"] == "API_KEY_INVALID"


def test_a_wait_is_told_in_the_details():
    details = error_body(Trouble(status=429, retry_s=1.5))["error"]["details"]
    assert details[0]["retryDelay"] == "1.5s"


def test_errors_keep_alives_and_damage_are_in_the_form_of_the_stream():
    trouble = Trouble(status=503)
    assert sse_data(WIRE.error_event(trouble, first=True))["error"]["code"] == 503
    assert WIRE.heartbeat() == b": keep-alive\n\n"
    assert WIRE.malformed().startswith(b"data: ")
    assert orjson.loads(ARRAY.error_event(trouble, first=True))[0]["error"]["code"] == 503
    later = b"[{}" + ARRAY.error_event(trouble, first=False)
    assert orjson.loads(later)[1]["error"]["code"] == 503
    assert ARRAY.heartbeat().isspace()
    assert ARRAY.malformed().startswith(b",\r\n{")
