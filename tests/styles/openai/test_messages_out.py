"""Writing the messages of a Chat Completions request."""

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
    Signature,
    Text,
    Thinking,
    ToolCall,
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
    assert dropped == ("messages.fileData",)


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
