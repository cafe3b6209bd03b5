"""Writing Responses requests."""

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
from pilotfish.styles.openai_responses.request_out import write_request

HI = Turn("user", (Text("hi"),))
PLAIN = Quirks()


def write(*turns, quirks=PLAIN, stream=False, **fields):
    chat = Chat(model="asked", turns=turns or (HI,), **fields)
    written = write_request(chat, Target(model="m", stream=stream, quirks=quirks))
    return json.loads(written.body), written.dropped


@pytest.mark.parametrize(
    ("fields", "quirks", "dropped"),
    [
        ({"stop": ("a",), "seed": 1}, PLAIN, ("stop", "seed")),
        ({"top_k": 1}, PLAIN, ("top_k",)),
        ({"max_tokens": 5}, PLAIN, ("max_tokens",)),
        ({"system": (Text("s", Cache()),)}, PLAIN, ("cache_control",)),
        ({"tools": (Tool(name="ws", kind="hosted", origin="anthropic"),)}, PLAIN, ("tools.ws",)),
        ({"tools": (Tool(name="f", origin="anthropic", raw={"x": 1}),)}, PLAIN, ("tools.x",)),
        (
            {"response_format": ResponseFormat(kind="json_schema")},
            Quirks(json_schema=False),
            ("response_format.json_schema",),
        ),
        (
            {"thinking": ThinkingConfig(effort="low")},
            Quirks(reasoning_effort=False),
            ("reasoning_effort",),
        ),
        ({"extras": {"openai": {"n": 2}, "anthropic": {"x": 1}}}, PLAIN, ("n", "x")),
    ],
)
def test_what_cannot_be_carried_is_named(fields, quirks, dropped):
    assert write(quirks=quirks, **fields)[1] == dropped


@pytest.mark.parametrize(
    ("role", "part", "dropped"),
    [
        ("assistant", Thinking(text="hm"), "messages.thinking"),
        ("assistant", Thinking(signature=Signature("anthropic", "S")), "messages.thinking"),
        ("assistant", Image(url="https://x"), "messages.image"),
        ("assistant", Opaque("anthropic", {"type": "server_tool_use"}), "messages.server_tool_use"),
        (
            "assistant",
            ToolCall(id="c", name="f", signature=Signature("google", "G")),
            "messages.tool_calls.signature",
        ),
        ("user", Image(file_id="f", origin="anthropic"), "messages.image.file_id"),
        ("user", Document(file_id="f", origin="anthropic"), "messages.document.file_id"),
        ("user", Document(text="a", cite=True), "messages.document.citations"),
        ("user", Audio(url="gs://x"), "messages.audio"),
    ],
)
def test_parts_that_have_no_place_are_named(role, part, dropped):
    assert write(Turn(role, (part,)))[1] == (dropped,)


def test_items_keep_the_order_of_their_turn():
    parts = (
        Text("a"),
        ToolCall(id="c", name="f"),
        Text("b"),
        Refusal("no"),
        ToolCall(id="d", name="sh", arguments="ls", kind="custom"),
        Opaque("openai_responses", {"type": "web_search_call"}),
    )
    body, dropped = write(HI, Turn("assistant", parts, "bob"), Turn("system", (Text("s"),)))
    assert [item["type"] for item in body["input"]] == [
        "message",
        "message",
        "function_call",
        "message",
        "custom_tool_call",
        "web_search_call",
        "message",
    ]
    assert [part["type"] for part in body["input"][3]["content"]] == ["output_text", "refusal"]
    assert body["input"][-1]["role"] == "developer"
    assert dropped == ("messages.name",)


def test_results_hold_pictures_and_say_errors():
    results = (
        ToolResult(call_id="a", parts=(Text("x"), Image(data="AA", media_type="image/png"))),
        ToolResult(call_id="b", is_error=True),
        ToolResult(call_id="c", kind="custom", parts=(Text("y"),), is_error=True),
    )
    body, _ = write(Turn("user", results))
    assert [part["type"] for part in body["input"][0]["output"]] == ["input_text", "input_image"]
    assert [item["output"] for item in body["input"][1:]] == ["Error", "Error: y"]
    assert body["input"][2]["type"] == "custom_tool_call_output"


def test_documents_and_sound():
    parts = (
        Document(url="https://x"),
        Document(file_id="f", origin="openai"),
        Document(data="AA", media_type="application/pdf"),
        Document(text="t", name="N", context="c", parts=(Text("p"),)),
        Audio(data="AA", media_type="audio/wav"),
        Image(file_id="i", origin="openai"),
    )
    content = write(Turn("user", parts))[0]["input"][0]["content"]
    assert content[0] == {"type": "input_file", "file_url": "https://x"}
    assert content[1] == {"type": "input_file", "file_id": "f"}
    assert content[2]["filename"] == "document.pdf"
    assert [part["text"] for part in content[3:6]] == ["c", "N\n\nt", "p"]
    assert content[6]["input_audio"] == {"data": "AA", "format": "wav"}
    assert content[7] == {"type": "input_image", "detail": "auto", "file_id": "i"}


def test_its_own_reasoning_goes_back_and_more_is_asked_for():
    thinking = Thinking(text="hm", signature=Signature("openai_responses", "E", "rs_1"))
    body, dropped = write(HI, Turn("assistant", (thinking,)))
    assert body["input"][1] == {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "E",
    }
    assert body["include"] == ["reasoning.encrypted_content"]
    assert dropped == ()


@pytest.mark.parametrize(
    ("thinking", "reasoning"),
    [
        (ThinkingConfig(enabled=True, budget=5000), {"effort": "medium", "summary": "auto"}),
        (ThinkingConfig(enabled=True, effort="low", show=False), {"effort": "low"}),
        (
            ThinkingConfig(effort="low", summary="detailed", show=True),
            {"effort": "low", "summary": "detailed"},
        ),
        (None, None),
    ],
)
def test_thinking_of_other_styles_is_asked_to_be_shown(thinking, reasoning):
    assert write(thinking=thinking)[0].get("reasoning") == reasoning


@pytest.mark.parametrize(
    ("extras", "store"),
    [
        ({}, False),
        ({"openai": {"store": True}}, True),
        ({"openai_responses": {"store": True}}, True),
        ({"openai_responses": {"previous_response_id": "p"}}, None),
    ],
)
def test_nothing_is_stored_that_the_client_did_not_ask_to_store(extras, store):
    """Storing is the default here and nowhere else; going on from a stored answer is only possible
    where it stays so.
    """
    assert write(extras=extras)[0].get("store") == store


CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}


def test_strictness_is_the_default_here_and_nowhere_else():
    tools = (
        Tool(name="f"),
        Tool(name="g", origin="openai_responses", schema={}),
        Tool(name="h", strict=True, schema=CLOSED),
        Tool(name="i", strict=True),  # not by OpenAI's rules
    )
    body, dropped = write(tools=tools)
    assert [tool["strict"] for tool in body["tools"]] == [False, True, True, False]
    assert dropped == ("tools.strict",)


def test_choices_grammars_and_the_rest():
    raw = {"format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "d"}}}
    tools = (
        Tool(name="sh", kind="custom", raw=raw),
        Tool(
            name="web_search", kind="hosted", origin="openai_responses", raw={"type": "web_search"}
        ),
    )
    body, _ = write(
        tools=tools,
        tool_choice=ToolChoice("auto", ("sh", "web_search")),
        logprobs=True,
        top_logprobs=3,
        stream=True,
        verbosity="low",
        response_format=ResponseFormat(kind="json"),
    )
    assert body["tools"][0]["format"] == {"type": "grammar", "syntax": "lark", "definition": "d"}
    assert body["tool_choice"] == {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "custom", "name": "sh"}, {"type": "web_search"}],
    }
    assert (body["include"], body["top_logprobs"], body["stream"]) == (
        ["message.output_text.logprobs"],
        3,
        True,
    )
    assert body["text"] == {"format": {"type": "json_object"}, "verbosity": "low"}
    assert write(tools=tools, tool_choice=ToolChoice("tool", ("sh",)))[0]["tool_choice"] == {
        "type": "custom",
        "name": "sh",
    }
    assert write(tools=tools, tool_choice=ToolChoice("required"))[0]["tool_choice"] == "required"


def test_cache_marks_stay_where_the_service_knows_them():
    body, dropped = write(
        Turn("user", (Text("a", Cache("12h")),)), quirks=Quirks(prompt_cache_breakpoints=True)
    )
    assert body["input"][0]["content"][0]["prompt_cache_breakpoint"] == {
        "mode": "explicit",
        "ttl": "12h",
    }
    assert dropped == ()


def test_a_custom_tool_without_a_grammar_and_a_document_of_pictures():
    body, _ = write(
        Turn("user", (Document(parts=(Image(url="https://x"),)),)),
        tools=(Tool(name="sh", kind="custom", raw={"format": {"type": "text"}}),),
    )
    assert body["tools"] == [{"type": "custom", "name": "sh", "format": {"type": "text"}}]
    assert body["input"][0]["content"] == [
        {"type": "input_image", "detail": "auto", "image_url": "https://x"}
    ]
