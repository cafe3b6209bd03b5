"""Reading Responses requests."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.neutral import (
    ResponseFormat,
    Text,
    Thinking,
    ThinkingConfig,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from pilotfish.errors import ClientError
from pilotfish.styles.openai_responses.request_in import read_request


def read(given="hi", **fields):
    return read_request(json.dumps({"input": given} | fields).encode(), model="m", stream=False)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input": 7}, "input: expected a string or a list, found 7"),
        ({"input": [7]}, "input[0]: expected an object, found 7"),
        ({"instructions": 7}, "instructions: expected a string, found 7"),
        ({"tools": [{}]}, "tools[0].type: expected a string, found nothing"),
        (
            {"tool_choice": "some"},
            'tool_choice: expected auto, none, required or an object, found "some"',
        ),
        ({"tool_choice": 7}, "tool_choice: expected a string or an object with a type, found 7"),
        (
            {"text": {"format": {"type": "xml"}}},
            'text.format.type: expected text, json_object or json_schema, found "xml"',
        ),
        ({"reasoning": {"effort": 7}}, "reasoning.effort: expected a string, found 7"),
        ({"include": [7]}, "include[0]: expected a string, found 7"),
    ],
)
def test_a_wrong_request_is_told_where_it_is_wrong(fields, message):
    with pytest.raises(ClientError) as caught:
        read(**({"given": fields.pop("input")} if "input" in fields else {}), **fields)
    assert caught.value.message == message


def test_a_request_without_input_has_no_turns():
    """A stored prompt may stand for it."""
    assert read_request(b"{}", model="m", stream=False).turns == ()


def test_instructions_and_leading_messages_are_the_system_prompt():
    chat = read(
        [
            {"role": "developer", "content": "b"},
            {"role": "user", "content": "hi"},
            {"role": "system", "content": "c"},
        ],
        instructions="a",
    )
    assert chat.system == (Text("a"), Text("b"))
    assert chat.turns == (Turn("user", (Text("hi"),)), Turn("system", (Text("c"),)))


def test_items_of_one_side_are_one_turn():
    items = [
        {"type": "reasoning", "id": "r", "summary": []},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": ""},
        {"type": "function_call", "call_id": "b", "name": "g", "arguments": ""},
        {"type": "function_call_output", "call_id": "a", "output": ""},
        {"type": "function_call_output", "call_id": "b", "output": ""},
    ]
    assert read(items).turns == (
        Turn(
            "assistant", (Thinking(id="r"), ToolCall(id="a", name="f"), ToolCall(id="b", name="g"))
        ),
        Turn("user", (ToolResult(call_id="a", name="f"), ToolResult(call_id="b", name="g"))),
    )


def test_a_bare_string_is_what_the_user_says_and_nothing_is_nothing():
    assert read("hi").turns == (Turn("user", (Text("hi"),)),)
    assert read(None).turns == ()


@pytest.mark.parametrize(
    ("choice", "found", "kept"),
    [
        ("none", ToolChoice("none"), False),
        ({"type": "function", "name": "f"}, ToolChoice("tool", ("f",)), False),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
            },
            ToolChoice("auto", ("f", "web_search")),
            False,
        ),
        ({"type": "allowed_tools", "mode": "required", "tools": []}, ToolChoice("required"), False),
        ({"type": "web_search"}, None, True),
    ],
)
def test_tool_choices(choice, found, kept):
    chat = read(tool_choice=choice)
    assert chat.tool_choice == found
    assert ("tool_choice" in chat.extras.get("openai_responses", {})) is kept


def test_tools_of_every_kind():
    assert read(
        tools=[
            {"type": "function", "name": "f", "parameters": {}},
            {"type": "custom", "name": "sh", "format": {"type": "text"}},
            {"type": "web_search", "x": 1},
        ]
    ).tools == (
        Tool(name="f", schema={}, origin="openai_responses"),
        Tool(name="sh", kind="custom", origin="openai_responses", raw={"format": {"type": "text"}}),
        Tool(
            name="web_search",
            kind="hosted",
            origin="openai_responses",
            raw={"type": "web_search", "x": 1},
        ),
    )


@pytest.mark.parametrize(
    ("reasoning", "found"),
    [
        ({"effort": "low"}, ThinkingConfig(enabled=True, effort="low")),
        ({"effort": "none"}, ThinkingConfig(enabled=False, effort="none")),
        ({"summary": "detailed"}, ThinkingConfig(show=True, summary="detailed")),
        ({"generate_summary": "auto"}, ThinkingConfig(show=True, summary="auto")),
        ({}, None),
    ],
)
def test_reasoning(reasoning, found):
    assert read(reasoning=reasoning).thinking == found


def test_text():
    assert read(
        text={"format": {"type": "json_object"}, "verbosity": "low"}
    ).response_format == ResponseFormat(kind="json")
    assert read(text={"verbosity": "low"}).verbosity == "low"
    assert read(text={"new": 1}, reasoning={"mode": "pro"}).lost == ("text.new", "reasoning.mode")


def test_defaults_say_nothing_and_the_rest_is_kept_for_its_own_family():
    chat = read(
        store=False,
        background=False,
        truncation="disabled",
        previous_response_id="p",
        include=[
            "reasoning.encrypted_content",
            "message.output_text.logprobs",
            "file_search_call.results",
        ],
    )
    assert chat.extras == {
        "openai_responses": {"previous_response_id": "p", "include": ["file_search_call.results"]}
    }
    assert chat.logprobs is True


def test_an_item_that_is_lost_makes_no_turn():
    chat = read([{"type": "item_reference", "id": "x"}, {"role": "assistant", "content": "a"}])
    assert chat.turns == (Turn("assistant", (Text("a"),)),)
    assert chat.lost == ("input.item_reference",)
