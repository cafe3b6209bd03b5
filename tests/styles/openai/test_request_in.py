"""Reading Chat Completions requests."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.neutral import (
    Audio,
    Refusal,
    ResponseFormat,
    Signature,
    Text,
    ThinkingConfig,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from pilotfish.errors import ClientError
from pilotfish.styles.openai.request_in import read_request

HI = {"role": "user", "content": "hi"}


def read(*messages, **fields):
    return read_request(
        json.dumps({"messages": list(messages) or [HI]} | fields).encode(), model="m", stream=False
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"messages": None}, "messages: expected a list, found null"),
        ({"messages": "hi"}, 'messages: expected a list, found "hi"'),
        ({"messages": [7]}, "messages[0]: expected an object, found 7"),
        (
            {"messages": [{"role": "robot"}]},
            'messages[0].role: expected system, developer, user, assistant or tool, found "robot"',
        ),
        (
            {"messages": [{"role": "tool", "content": "x"}]},
            "messages[0].tool_call_id: expected the id of a tool call, found null",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text: expected a string, found nothing",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]},
            "messages[0].tool_calls[0].function.name: expected a string, found nothing",
        ),
        ({"temperature": "hot"}, 'temperature: expected a number, found "hot"'),
        (
            {"tool_choice": "some"},
            'tool_choice: expected auto, none, required or an object, found "some"',
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].function: expected an object, found null"),
        (
            {"response_format": {"type": "xml"}},
            'response_format.type: expected text, json_object or json_schema, found "xml"',
        ),
        ({"stop": [1]}, "stop[0]: expected a string, found 1"),
    ],
)
def test_a_wrong_request_is_told_where_it_is_wrong(fields, message):
    with pytest.raises(ClientError) as caught:
        read_request(json.dumps({"messages": [HI]} | fields).encode(), model="m", stream=False)
    assert caught.value.message == message


def test_only_leading_instructions_are_the_system_prompt():
    chat = read(
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        HI,
        {"role": "system", "content": "c"},
    )
    assert chat.system == (Text("a"), Text("b"))
    assert chat.turns == (Turn("user", (Text("hi"),)), Turn("system", (Text("c"),)))


def test_neighbouring_tool_messages_are_one_turn_and_know_their_tools():
    calls = [{"id": name, "function": {"name": f"f{name}", "arguments": "{}"}} for name in "ab"]
    chat = read(
        {"role": "assistant", "content": "", "tool_calls": calls},
        *({"role": "tool", "tool_call_id": name, "content": "r"} for name in "ab"),
        HI,
    )
    assert chat.turns[1] == Turn(
        "user",
        tuple(ToolResult(call_id=name, name=f"f{name}", parts=(Text("r"),)) for name in "ab"),
    )
    assert chat.turns[2] == Turn("user", (Text("hi"),))


def test_the_older_form_of_function_calls_still_works():
    chat = read(
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "r"},
        functions=[{"name": "f"}],
        function_call={"name": "f"},
    )
    (call,) = chat.turns[0].parts
    assert call == ToolCall(id=call.id, name="f", arguments="{}")
    assert call.id
    assert chat.turns[1].parts == (ToolResult(call_id=call.id, name="f", parts=(Text("r"),)),)
    assert chat.tools == (Tool(name="f"),)
    assert chat.tool_choice == ToolChoice("tool", ("f",))


def test_results_without_ids_answer_the_calls_without_ids_in_their_order():
    """A server that gives its calls no ids leaves them empty in the client's next turn, too."""
    calls = [{"id": "", "function": {"name": name, "arguments": "{}"}} for name in "fg"]
    chat = read(
        {"role": "assistant", "tool_calls": [*calls, {"id": "call_0", "function": {"name": "h"}}]},
        {"role": "tool", "tool_call_id": "call_0", "content": "of h"},
        {"role": "tool", "tool_call_id": "", "content": "of f"},
        {"role": "tool", "content": "of g"},
    )
    made = {part.name: part.id for part in chat.turns[0].parts}
    assert len(set(made.values())) == 3
    assert made["h"] == "call_0"
    results = [(part.call_id, part.name, part.parts[0].text) for part in chat.turns[1].parts]
    assert results == [
        (made["h"], "h", "of h"),
        (made["f"], "f", "of f"),
        (made["g"], "g", "of g"),
    ]


def test_a_call_that_says_nothing_is_none():
    empty = {"name": "", "arguments": ""}
    chat = read({"role": "assistant", "content": "hi", "function_call": empty})
    assert chat.turns[0].parts == (Text("hi"),)


def test_what_the_default_is_is_no_loss():
    chat = read(HI, modalities=["text"], n=1)
    assert (chat.extras, chat.lost) == ({}, ())


def test_calls_of_every_kind():
    calls = [
        {"id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
        {
            "id": "b",
            "function": {"name": "f", "arguments": {"x": 1}},
            "extra_content": {"google": {"thought_signature": "G"}},
        },
    ]
    assert read({"role": "assistant", "tool_calls": calls, "audio": {"id": "au"}}).turns[
        0
    ].parts == (
        Audio(id="au", origin="openai"),
        ToolCall(id="a", name="sh", arguments="ls", kind="custom"),
        ToolCall(id="b", name="f", arguments='{"x":1}', signature=Signature("google", "G")),
    )


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ("required", ToolChoice("required")),
        ("any", ToolChoice("required")),  # the word of Mistral and its clients
        ({"type": "custom", "custom": {"name": "sh"}}, ToolChoice("tool", ("sh",))),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "f"}}],
                },
            },
            ToolChoice("required", ("f",)),
        ),
    ],
)
def test_tool_choices(choice, found):
    assert read(tool_choice=choice).tool_choice == found


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"reasoning_effort": "low"}, ThinkingConfig(enabled=True, effort="low")),
        ({"reasoning_effort": "none"}, ThinkingConfig(enabled=False, effort="none")),
        (
            {"reasoning": {"max_tokens": 2000, "exclude": True}},
            ThinkingConfig(enabled=True, budget=2000, show=False),
        ),
        ({"reasoning": {"enabled": False}}, ThinkingConfig(enabled=False)),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            ThinkingConfig(enabled=True, budget=2048),
        ),
        ({"thinking": {"type": "disabled"}}, ThinkingConfig(enabled=False)),
        ({"reasoning": {}}, None),
    ],
)
def test_thinking_in_the_words_of_several_vendors(fields, found):
    assert read(**fields).thinking == found


def test_max_tokens_in_both_fields():
    assert read(max_tokens=5).max_tokens == 5
    assert read(max_tokens=5, max_completion_tokens=7).max_tokens == 7


def test_formats():
    schema = {"name": "n", "schema": {"type": "object"}, "strict": True}
    assert read(response_format={"type": "text"}).response_format is None
    assert read(response_format={"type": "json_object"}).response_format == ResponseFormat(
        kind="json"
    )
    assert read(
        response_format={"type": "json_schema", "json_schema": schema}
    ).response_format == ResponseFormat(
        kind="json_schema", name="n", schema={"type": "object"}, strict=True
    )


def test_what_has_no_neutral_place_is_kept_for_its_own_family():
    chat = read(store=True, n=2, logit_bias={"1": 1}, unheard_of=None)
    assert chat.extras == {"openai": {"store": True, "n": 2, "logit_bias": {"1": 1}}}
    assert read(n=1).extras == {}


def test_refusals_custom_and_hosted_tools_and_fields_that_nobody_knows():
    custom = {
        "type": "custom",
        "custom": {"name": "sh", "description": "d", "format": {"type": "text"}},
    }
    chat = read(
        {"role": "assistant", "content": None, "refusal": "no", "mood": "good"},
        tools=[custom, {"type": "web_search", "x": 1}],
    )
    assert chat.turns[0].parts == (Refusal("no"),)
    assert chat.lost == ("messages.mood",)
    assert chat.tools == (
        Tool(
            name="sh",
            description="d",
            kind="custom",
            origin="openai",
            raw={"format": {"type": "text"}},
        ),
        Tool(name="web_search", kind="hosted", origin="openai", raw={"type": "web_search", "x": 1}),
    )
