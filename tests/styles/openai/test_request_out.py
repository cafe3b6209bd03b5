"""Writing Chat Completions requests."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.neutral import (
    Cache,
    Chat,
    ResponseFormat,
    Text,
    ThinkingConfig,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from pilotfish.core.formats.style import Quirks, Target
from pilotfish.styles.openai.request_out import write_request

HI = Turn("user", (Text("hi"),))


PLAIN = Quirks()


def write(*turns, quirks=PLAIN, stream=False, **fields):
    chat = Chat(model="asked", turns=turns or (HI,), **fields)
    written = write_request(chat, Target(model="m", stream=stream, quirks=quirks))
    return json.loads(written.body), written.dropped


@pytest.mark.parametrize(
    ("fields", "quirks", "dropped"),
    [
        ({"top_k": 5}, Quirks(), ("top_k",)),
        ({"temperature": 0.5}, Quirks(sampling_fields=False), ("temperature",)),
        ({"cache": Cache()}, Quirks(), ("cache_control",)),
        ({"system": (Text("s", Cache()),)}, Quirks(), ("cache_control",)),
        ({"service_tier": "batch"}, Quirks(), ("service_tier",)),
        ({"thinking": ThinkingConfig(enabled=False)}, Quirks(), ("thinking",)),
        (
            {"thinking": ThinkingConfig(effort="low")},
            Quirks(reasoning_effort=False),
            ("reasoning_effort",),
        ),
        ({"thinking": ThinkingConfig(show=True)}, Quirks(), ("thinking.show",)),
        (
            {"tools": (Tool(name="web_search", kind="hosted", origin="anthropic"),)},
            Quirks(),
            ("tools.web_search",),
        ),
        (
            {"tools": (Tool(name="f", origin="anthropic", raw={"defer_loading": True}),)},
            Quirks(),
            ("tools.defer_loading",),
        ),
        ({"tools": (Tool(name="f", strict=True),)}, Quirks(strict_tools=False), ("tools.strict",)),
        (
            {"tools": (Tool(name="f"),), "parallel_tool_calls": False},
            Quirks(parallel_tool_calls=False),
            ("parallel_tool_calls",),
        ),
        (
            {"response_format": ResponseFormat(kind="json_schema", schema={})},
            Quirks(json_schema=False),
            ("response_format.json_schema",),
        ),
        ({"seed": 1}, Quirks(refuses=frozenset({"seed"})), ("seed",)),
        ({"extras": {"anthropic": {"container": "c"}}}, Quirks(), ("container",)),
        ({"extras": {"openai_responses": {"truncation": "auto"}}}, Quirks(), ("truncation",)),
        ({"lost": ("messages.video_url",)}, Quirks(), ("messages.video_url",)),
    ],
)
def test_what_cannot_be_carried_is_named(fields, quirks, dropped):
    assert write(quirks=quirks, **fields)[1] == dropped


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        (ThinkingConfig(enabled=True, budget=5000), "medium"),
        (ThinkingConfig(enabled=True, effort="high", budget=1), "high"),
        (ThinkingConfig(enabled=False, effort="none"), "none"),
        (ThinkingConfig(adaptive=True, enabled=True), None),
    ],
)
def test_effort_from_budget(thinking, effort):
    assert write(thinking=thinking)[0].get("reasoning_effort") == effort


def test_reasoning_is_switched_off_where_the_service_has_a_word_for_it():
    assert (
        write(thinking=ThinkingConfig(enabled=False), quirks=Quirks(no_effort=True))[0][
            "reasoning_effort"
        ]
        == "none"
    )


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice("required"), "required"),
        (ToolChoice("tool", ("f",)), {"type": "function", "function": {"name": "f"}}),
        (ToolChoice("tool", ("sh",)), {"type": "custom", "custom": {"name": "sh"}}),
        (
            ToolChoice("auto", ("f",)),
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "f"}}],
                },
            },
        ),
    ],
)
def test_tool_choices(choice, written):
    tools = (
        Tool(name="f", strict=True, schema={}),
        Tool(name="sh", kind="custom", description="shell", raw={"format": {"type": "text"}}),
    )
    body, _ = write(tools=tools, tool_choice=choice)
    assert body["tool_choice"] == written
    assert body["tools"][1] == {
        "type": "custom",
        "custom": {"name": "sh", "description": "shell", "format": {"type": "text"}},
    }


def test_a_grammar_of_responses_is_nested():
    raw = {"format": {"type": "grammar", "syntax": "lark", "definition": "d"}}
    body, _ = write(tools=(Tool(name="sh", kind="custom", raw=raw),))
    assert body["tools"][0]["custom"]["format"] == {
        "type": "grammar",
        "grammar": {"syntax": "lark", "definition": "d"},
    }


def test_quirks_choose_fields_and_ids():
    quirks = Quirks(max_tokens_field="max_tokens", tool_id="mistral9", stream_usage=False)
    turns = (
        Turn("assistant", (ToolCall(id="call_123456", name="f"),)),
        Turn("user", (ToolResult(call_id="call_123456"),)),
        Turn("system", (Text("s"),)),
    )
    body, _ = write(*turns, quirks=quirks, stream=True, max_tokens=9, system=(Text("a"), Text("b")))
    assert body["max_tokens"] == 9
    assert "stream_options" not in body
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "assistant", "tool", "system"]
    assert body["messages"][0]["content"] == "a\n\nb"
    call, answer = body["messages"][1:3]
    assert call["tool_calls"][0]["id"] == answer["tool_call_id"] != "call_123456"


def test_a_sister_styles_fields_come_along_where_both_know_them():
    body, dropped = write(
        extras={"openai_responses": {"prompt_cache_key": "k", "truncation": "auto"}}
    )
    assert body["prompt_cache_key"] == "k"
    assert dropped == ("truncation",)


def test_the_least_and_the_most_of_a_schema():
    least, most = (
        ResponseFormat(kind="json_schema"),
        ResponseFormat(
            kind="json_schema", name="n", schema={"a": 1}, strict=False, description="d"
        ),
    )
    assert write(response_format=least)[0]["response_format"]["json_schema"] == {
        "name": "response",
        "schema": {},
    }
    assert write(response_format=most)[0]["response_format"]["json_schema"] == {
        "name": "n",
        "description": "d",
        "schema": {"a": 1},
        "strict": False,
    }
    assert write(response_format=ResponseFormat(kind="json"))[0]["response_format"] == {
        "type": "json_object"
    }
