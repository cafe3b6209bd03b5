"""Chat clients of a service that speaks their style and takes not all of it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from pilotfish import providers
from pilotfish.core.formats.sse import SseDecoder
from pilotfish.core.formats.style import Quirks
from pilotfish.styles.openai import STYLE
from pilotfish.styles.openai.same_style import AnswerEditor, edits
from style_wire import payloads, sse

RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded" / "openai"
MISTRAL = Quirks(tool_id="mistral9", assistant_after_tool=True)
CALL = {"id": "call_AbC123xyz", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def edited(messages, quirks=MISTRAL):
    found = edits({"messages": msgspec.Raw(json.dumps(messages).encode())}, quirks)
    return json.loads(found["messages"]) if found else None


@pytest.mark.parametrize("raw", [b"7", b"null", b'"x"', b"[7, null]", b'[{"role": 7}]', b"[["])
def test_what_are_no_messages_is_for_the_service_to_refuse(raw):
    assert edits({"messages": msgspec.Raw(raw)}, MISTRAL) == {}
    assert edits({}, MISTRAL) == {}


def test_a_call_and_its_answer_get_the_same_id_that_the_service_takes():
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [CALL], "unknown": 1.50},
        {"role": "tool", "tool_call_id": "call_AbC123xyz", "content": "1"},
    ]
    call, answer = edited(messages)
    identity = call["tool_calls"][0]["id"]
    assert (len(identity), identity.isalnum()) == (9, True)
    assert answer["tool_call_id"] == identity
    assert call["unknown"] == 1.5


def test_an_assistants_message_stands_between_a_tools_and_a_users():
    messages = [
        {"role": "tool", "tool_call_id": "D681PevKs", "content": "1"},
        {"role": "user", "content": "and now?"},
    ]
    assert [message["role"] for message in edited(messages)] == ["tool", "assistant", "user"]


def test_messages_that_are_as_the_service_wants_them_stay_the_bytes_they_are():
    call = CALL | {"id": "D681PevKs"}
    messages = [
        {"role": "assistant", "tool_calls": [call, "odd", {"id": 7}]},
        {"role": "tool", "tool_call_id": "D681PevKs"},
        {"role": "tool", "tool_call_id": "E681PevKs"},
    ]
    assert edited(messages) is None


def test_the_style_is_asked_only_where_a_quirk_says_so():
    assert MISTRAL.edits_history
    assert not Quirks(tool_id_max=40).edits_history
    assert STYLE.same_style_edits({}, MISTRAL) == {}


# --- answers ---


def pieces_of(stream):
    """The choices' deltas of a stream as a client of the style gets it."""
    editor = AnswerEditor("r1")
    return [
        payload["choices"][0]["delta"]
        for payload in payloads(b"".join(editor.edit(event) for event in SseDecoder().feed(stream)))
        if payload != "[DONE]" and payload["choices"]
    ]


def chunk(**delta):
    return {"choices": [{"index": 0, "delta": delta}]}


def piece(index, arguments, **more):
    name = {"name": more.pop("name")} if "name" in more else {}
    return {"index": index, "function": name | {"arguments": arguments}} | more


@pytest.mark.parametrize(
    "data",
    [
        b'data: {"tool_calls": [[[\n\n',
        b'data: {"choices": 7, "tool_calls": 1}\n\n',
        b'data: {"choices":[{"delta":{"tool_calls":[7,{"function":1}]}},null,{"delta":7}]}\n\n',
        b'data: {"tool_calls":' + b"[" * 5000 + b"]" * 5000 + b"}\n\n",
        b": tool_calls\n\n",
        b'data: {"choices":[{"index":0,"delta":{"content":"a \\"tool_calls\\" b"}}]}\n\n',
    ],
)
def test_what_is_no_odd_call_passes_as_it_came(data):
    assert AnswerEditor("r1").edit(data) == data


def test_a_call_with_an_id_stays_the_bytes_it_was():
    [event] = sse(chunk(tool_calls=[piece(0, "", name="f", id="call_1", type="function")]))
    [more] = sse(chunk(tool_calls=[piece(0, "{}")]))
    editor = AnswerEditor("r1")
    assert (editor.edit(event), editor.edit(more)) == (event, more)


def test_a_call_has_a_type_which_strict_clients_look_for():
    """As recorded of Mistral."""
    body = (RECORDED / "mistral_tools" / "upstream.json").read_bytes()
    [call] = json.loads(AnswerEditor("r1").edit(body))["choices"][0]["message"]["tool_calls"]
    assert (call["id"], call["type"]) == ("D681PevKs", "function")
    [event] = sse(chunk(tool_calls=[{"index": 0, "id": "", "custom": {"name": "f", "input": ""}}]))
    [payload] = payloads(AnswerEditor("r1").edit(event))
    assert payload["choices"][0]["delta"]["tool_calls"][0]["type"] == "custom"


def test_calls_without_ids_get_some_though_all_are_numbered_0():
    """As recorded: two calls, each whole, both with the id "" and the index 0."""
    stream = (RECORDED / "empty_ids" / "upstream.sse").read_bytes()
    calls = [call for delta in pieces_of(stream) for call in delta.get("tool_calls", ())]
    assert [call["index"] for call in calls] == [0, 1]
    assert len({call["id"] for call in calls} - {""}) == 2


def test_the_pieces_of_a_call_without_an_id_belong_to_it():
    stream = sse(
        chunk(tool_calls=[piece(0, "", name="f", id="")]),
        chunk(tool_calls=[piece(0, '{"a"', id="")]),
        chunk(tool_calls=[piece(0, ":1}")]),
        chunk(tool_calls=[piece(0, "{}", name="g")]),
        chunk(tool_calls=[piece(0, "", id="")]),
    )
    calls = [call for delta in pieces_of(b"".join(stream)) for call in delta["tool_calls"]]
    assert [call["index"] for call in calls] == [0, 0, 0, 1, 1]
    assert [bool(call.get("id")) for call in calls] == [True, False, False, True, False]
    assert "".join(call["function"]["arguments"] for call in calls[:3]) == '{"a":1}'


def test_a_whole_answer_gets_ids_too_and_function_calls_of_nothing_go():
    body = json.loads((RECORDED / "empty_ids" / "upstream.json").read_bytes())
    edited = json.loads(AnswerEditor("r1").edit(json.dumps(body).encode()))
    calls = edited["choices"][0]["message"]["tool_calls"]
    assert len({call["id"] for call in calls} - {""}) == len(calls) == 2
    phantom = (RECORDED / "phantom" / "upstream.json").read_bytes()
    message = json.loads(AnswerEditor("r1").edit(phantom))["choices"][0]["message"]
    assert "function_call" not in message
    assert message["content"] == "Mild."
    stream = (RECORDED / "phantom" / "upstream.sse").read_bytes()
    assert all("function_call" not in delta for delta in pieces_of(stream))
    real = b'{"choices":[{"message":{"function_call":{"name":"f","arguments":"{}"}}}]}'
    assert AnswerEditor("r1").edit(real) == real


def test_only_answers_of_services_that_answer_so_are_looked_at():
    assert providers.get("openai_compatible").quirks.edits_answers
    assert not providers.get("openai").quirks.edits_answers
    [event] = sse(chunk(tool_calls=[piece(0, "{}", name="f")]))
    assert STYLE.same_style_answer(Quirks(), "r1")(event) == event
    assert STYLE.same_style_answer(Quirks(odd_calls=True), "r1")(event) != event
