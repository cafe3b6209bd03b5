"""Reading Messages requests."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.neutral import (
    Cache,
    Opaque,
    ResponseFormat,
    Text,
    ThinkingConfig,
    Tool,
    ToolChoice,
    Turn,
)
from pilotfish.core.formats.style import Target
from pilotfish.errors import ClientError
from pilotfish.styles import get
from pilotfish.styles.anthropic.request_in import read_request

HI = {"role": "user", "content": "hi"}


def read(**fields):
    return read_request(
        json.dumps({"messages": [HI], "max_tokens": 9} | fields).encode(), model="m", stream=True
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"messages": None}, "messages: expected a list, found null"),
        (
            {"messages": [{"role": "tool", "content": ""}]},
            'messages[0].role: expected user, assistant or system, found "tool"',
        ),
        ({"system": 7}, "system.content: expected a list, found 7"),
        ({"max_tokens": "9"}, 'max_tokens: expected a number, found "9"'),
        (
            {"tool_choice": {"type": "some"}},
            'tool_choice.type: expected auto, any, none or tool, found "some"',
        ),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name: expected a string, found nothing"),
        ({"tools": [{}]}, "tools[0].name: expected a string, found nothing"),
        (
            {"output_config": {"format": {"type": "xml"}}},
            'output_config.format.type: expected json_schema, found "xml"',
        ),
        ({"thinking": {"budget_tokens": 5}}, "thinking.type: expected a string, found nothing"),
    ],
)
def test_a_wrong_request_is_told_where_it_is_wrong(fields, message):
    with pytest.raises(ClientError) as caught:
        read(**fields)
    assert caught.value.message == message


def test_system_as_a_string_or_as_blocks():
    """A list here was answered with 400 by a peer."""
    assert read(system="a").system == (Text("a"),)
    blocks = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "b"},
    ]
    assert read(system=blocks).system == (Text("a", Cache()), Text("b"))


def test_instructions_in_the_middle_stay_there():
    assert read(messages=[HI, {"role": "system", "content": "s"}]).turns[1] == Turn(
        "system", (Text("s"),)
    )


def test_a_summary_of_what_went_before_is_text():
    """It stands for turns that are no longer sent, so it must reach every vendor; Anthropic itself
    gets it as the block that it is."""
    summary = {"type": "compaction", "content": "They spoke of fish."}
    answer = {"type": "text", "text": "Yes."}
    messages = [{"role": "assistant", "content": [summary, answer]}, HI]
    chat = read(messages=messages, max_tokens=9)
    assert chat.turns[0].parts[0] == Opaque("anthropic", summary, "They spoke of fish.")
    target = Target(model="m", stream=False)
    for name in ("anthropic", "openai", "openai_responses", "google", "bedrock"):
        written = get(name).write_request(chat, target)
        assert b"They spoke of fish." in written.body
        assert not any(name.startswith("messages") for name in written.dropped)
        assert (b"compaction" in written.body) is (name == "anthropic")
    failed = summary | {"content": None}
    kept = read(messages=[{"role": "assistant", "content": [failed]}, HI]).turns[0].parts
    assert kept == (Opaque("anthropic", {"type": "compaction"}),)


def test_tools_flat_below_custom_and_hosted():
    tools = read(
        tools=[
            {"name": "f", "input_schema": {}, "defer_loading": True},
            {"type": "custom", "custom": {"name": "g"}},
            {"type": "bash_20250124", "name": "bash"},
        ]
    ).tools
    assert tools == (
        Tool(name="f", schema={}, origin="anthropic", raw={"defer_loading": True}),
        Tool(name="g", origin="anthropic"),
        Tool(
            name="bash",
            kind="hosted",
            origin="anthropic",
            raw={"type": "bash_20250124", "name": "bash"},
        ),
    )


@pytest.mark.parametrize(
    ("choice", "found", "parallel"),
    [
        (None, None, None),
        ({"type": "any"}, ToolChoice("required"), None),
        ({"type": "none"}, ToolChoice("none"), None),
        (
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            ToolChoice("tool", ("f",)),
            False,
        ),
        ({"type": "auto", "disable_parallel_tool_use": False}, ToolChoice("auto"), True),
    ],
)
def test_tool_choices(choice, found, parallel):
    chat = read(tool_choice=choice)
    assert (chat.tool_choice, chat.parallel_tool_calls) == (found, parallel)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            ThinkingConfig(enabled=True, budget=2000),
        ),
        ({"thinking": {"type": "disabled"}}, ThinkingConfig(enabled=False)),
        (
            {
                "thinking": {"type": "adaptive", "display": "omitted"},
                "output_config": {"effort": "max"},
            },
            ThinkingConfig(enabled=True, adaptive=True, effort="max", show=False),
        ),
        ({"output_config": {"effort": "low"}}, ThinkingConfig(effort="low")),
        ({}, None),
    ],
)
def test_thinking(fields, found):
    assert read(**fields).thinking == found


def test_who_asks_and_what_only_anthropic_knows():
    chat = read(
        metadata={"user_id": "u", "team": 7},
        container="c",
        cache_control={"type": "ephemeral"},
        output_config={"format": {"type": "json_schema", "schema": {}}, "new": 1},
    )
    assert (chat.user, chat.metadata, chat.cache) == ("u", {"team": "7"}, Cache())
    assert chat.extras == {"anthropic": {"container": "c"}}
    assert chat.response_format == ResponseFormat(kind="json_schema", schema={}, strict=True)
    assert chat.lost == ("output_config.new",)


def test_fields_of_messages_that_nobody_knows_are_named():
    assert read(messages=[HI | {"mood": "good"}]).lost == ("messages.mood",)
