"""Writing Chat Completions requests."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.neutral import (
    Audio,
    Cache,
    Chat,
    Document,
    Image,
    Opaque,
    Refusal,
    ResponseFormat,
    Signature,
    Text,
    Thinking,
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
    ("part", "dropped"),
    [
        (Thinking(text="hm"), "messages.thinking"),
        (Opaque("anthropic", {"type": "server_tool_use"}), "messages.server_tool_use"),
        (Image(url="https://x"), "messages.image"),
        (Document(data="A"), "messages.document"),
        (
            ToolCall(id="c", name="f", signature=Signature("google", "G")),
            "messages.tool_calls.signature",
        ),
        (Text("a", Cache()), "cache_control"),
    ],
)
def test_parts_that_an_assistant_message_cannot_hold_are_named(part, dropped):
    assert write(HI, Turn("assistant", (part,)))[1] == (dropped,)


def test_tool_results_come_before_what_the_user_says_and_their_pictures_after():
    results = (
        Text("and?"),
        ToolResult(call_id="a", parts=(Text("one"), Image(url="https://x"))),
        ToolResult(call_id="b", parts=(Image(url="https://y"),), is_error=True),
    )
    body, dropped = write(Turn("user", results))
    assert [message["role"] for message in body["messages"]] == ["tool", "tool", "user"]
    assert [message["content"] for message in body["messages"][:2]] == ["one", "Error"]
    assert [
        part.get("text") or part["image_url"]["url"] for part in body["messages"][2]["content"]
    ] == [
        "and?",
        "Output of tool call a:",
        "https://x",
        "Output of tool call b:",
        "https://y",
    ]
    assert dropped == ()


def test_an_error_that_says_so_is_not_told_twice():
    results = (
        ToolResult(call_id="a", parts=(Text("Error: no"),), is_error=True),
        ToolResult(call_id="b", is_error=False),
    )
    body, _ = write(Turn("user", results))
    assert [message["content"] for message in body["messages"]] == ["Error: no", ""]


def test_an_assistant_message_with_everything():
    parts = (
        Text("a"),
        Text("b"),
        Refusal("no"),
        ToolCall(id="c", name="f"),
        ToolCall(id="d", name="sh", arguments="ls", kind="custom"),
        Audio(id="au", origin="openai"),
    )
    body, dropped = write(HI, Turn("assistant", parts, "bob"))
    assert body["messages"][1] == {
        "role": "assistant",
        "audio": {"id": "au"},
        "content": "ab",
        "name": "bob",
        "refusal": "no",
        "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "d", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
        ],
    }
    assert dropped == ()


@pytest.mark.parametrize(
    ("field", "thinking", "written", "dropped"),
    [
        ("reasoning_content", Thinking(text="hm"), "hm", ()),
        (
            "reasoning_content",
            Thinking(text="hm", signature=Signature("anthropic", "S")),
            "hm",
            ("messages.thinking.signature",),
        ),
        ("reasoning_details", Thinking(text="hm"), None, ()),
        (
            "reasoning_details",
            Thinking(text="hm", signature=Signature("anthropic", "S")),
            [
                {
                    "type": "reasoning.text",
                    "text": "hm",
                    "signature": "S",
                    "format": "anthropic-claude-v1",
                    "index": 0,
                }
            ],
            (),
        ),
    ],
)
def test_earlier_reasoning_goes_back_where_the_service_wants_it(field, thinking, written, dropped):
    body, lost = write(
        HI, Turn("assistant", (thinking, Text("a"))), quirks=Quirks(reasoning_field=field)
    )
    assert body["messages"][1].get(field) == written
    assert lost == dropped


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


def test_where_a_user_may_not_follow_a_tool_the_assistant_stands_between():
    turns = (
        Turn("assistant", (ToolCall(id="a", name="f"),)),
        Turn("user", (ToolResult(call_id="a", parts=(Text("1"),)), Text("and now?"))),
    )
    body, _ = write(*turns, quirks=Quirks(assistant_after_tool=True))
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["assistant", "tool", "assistant", "user"]
    assert body["messages"][2]["content"]
    assert len(write(*turns)[0]["messages"]) == 3


def test_calls_of_another_vendors_model_have_googles_word_for_a_signature():
    """Gemini 3 refuses a turn whose first call has none; before that none was checked."""
    calls = (ToolCall(id="a", name="f"), ToolCall(id="b", name="f"))
    quirks = Quirks(google_signatures=True)
    for model, signed in (("gemini-3-pro-preview", [True, False]), ("gemini-2.5-pro", [False] * 2)):
        chat = Chat(model="m", turns=(Turn("assistant", calls),))
        target = Target(model=model, stream=False, quirks=quirks)
        message = json.loads(write_request(chat, target).body)["messages"][0]
        assert ["extra_content" in call for call in message["tool_calls"]] == signed


def test_neighbouring_turns_of_the_assistant_are_one_message():
    body, _ = write(
        Turn("assistant", (Text("a"),)), Turn("assistant", (ToolCall(id="x", name="f"),))
    )
    (message,) = body["messages"]
    assert (message["content"], len(message["tool_calls"])) == ("a", 1)


def test_a_turn_of_which_nothing_is_left_is_left_out():
    video = Opaque("google", {"fileData": {"fileUri": "gs://b/v.mp4"}})
    body, dropped = write(HI, Turn("assistant", (video,)), Turn("user", (video,)))
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert dropped == ("messages.block",)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("reasoning_content", {"content": "a", "reasoning_content": "hm"}),
        ("reasoning", {"content": "a", "reasoning": "hm"}),
        ("reasoning_details", {"content": "a", "reasoning": "hm"}),
        (
            "content",
            {
                "content": [
                    {
                        "type": "thinking",
                        "thinking": [{"type": "text", "text": "hm"}],
                        "closed": True,
                    },
                    {"type": "text", "text": "a"},
                ]
            },
        ),
    ],
)
def test_reasoning_goes_back_where_the_service_takes_it(field, message):
    turn = Turn("assistant", (Thinking(text="hm"), Text("a")))
    body, dropped = write(turn, quirks=Quirks(reasoning_field=field))
    assert body["messages"] == [{"role": "assistant"} | message]
    assert dropped == ()


def test_cache_marks_stay_where_the_service_knows_them():
    body, dropped = write(
        system=(Text("s", Cache("1h")),), quirks=Quirks(prompt_cache_breakpoints=True)
    )
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "s", "prompt_cache_breakpoint": {"mode": "explicit"}}
    ]
    assert dropped == ()


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
