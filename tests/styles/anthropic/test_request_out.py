"""Writing Messages requests."""

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
from pilotfish.styles.anthropic.request_out import max_tokens_for, write_request

HI = Turn("user", (Text("hi"),))
PLAIN = Quirks()
SCHEMA = ResponseFormat(kind="json_schema", schema={"type": "object"})


def write(*turns, quirks=PLAIN, model="m", stream=False, **fields):
    chat = Chat(model="asked", turns=turns or (HI,), **fields)
    written = write_request(chat, Target(model=model, stream=stream, quirks=quirks))
    return json.loads(written.body), written.dropped


@pytest.mark.parametrize(
    ("fields", "quirks", "dropped"),
    [
        ({"temperature": 1.5}, PLAIN, ("temperature",)),
        ({"temperature": 0.5, "top_p": 0.5}, PLAIN, ("top_p",)),
        ({"temperature": 0.5, "top_p": 1}, PLAIN, ()),
        (
            {
                "temperature": 0.5,
                "top_p": 0.9,
                "top_k": 4,
                "thinking": ThinkingConfig(enabled=True, budget=2000),
            },
            PLAIN,
            ("temperature", "top_k", "top_p"),
        ),
        ({"top_p": 0.97, "thinking": ThinkingConfig(enabled=True, budget=2000)}, PLAIN, ()),
        ({"temperature": 0.5}, Quirks(sampling_fields=False), ("temperature",)),
        ({"stop": ("\n", "END")}, PLAIN, ("stop",)),
        (
            {"seed": 1, "presence_penalty": 0.0, "logprobs": True},
            PLAIN,
            ("seed", "presence_penalty", "logprobs"),
        ),
        ({"metadata": {"a": "b"}, "verbosity": "low"}, PLAIN, ("verbosity", "metadata")),
        ({"service_tier": "flex"}, PLAIN, ("service_tier",)),
        ({"tools": (Tool(name="f", strict=True),)}, PLAIN, ("tools.strict",)),
        ({"tools": (Tool(name="sh", kind="custom"),)}, PLAIN, ("tools.sh",)),
        (
            {"extras": {"openai": {"logit_bias": {}}, "anthropic": {"container": "c"}}},
            PLAIN,
            ("logit_bias",),
        ),
        ({"user": "u"}, Quirks(refuses=frozenset({"metadata"})), ("metadata",)),
        ({"lost": ("a",)}, PLAIN, ("a",)),
    ],
)
def test_what_cannot_be_carried_is_named(fields, quirks, dropped):
    assert write(quirks=quirks, **fields)[1] == dropped


def test_turns_alternate_begin_with_the_user_and_hold_results_first():
    body, dropped = write(
        Turn("assistant", (ToolCall(id="a", name="f"),)),
        Turn("user", (Text("x"), ToolResult(call_id="a")), "ann"),
        Turn("system", (Text("s"),)),
        Turn("user", (Text(""),)),
        Turn("user", (Text("y"),)),
    )
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][2]["content"]] == [
        "tool_result",
        "text",
        "text",
        "text",
    ]
    assert body["messages"][2]["content"][2]["text"] == "<system>\ns\n</system>"
    assert dropped == ("messages.name",)


def test_instructions_in_the_middle_stay_where_the_model_takes_them():
    body, _ = write(HI, Turn("system", (Text("s"),)), quirks=Quirks(system_turns=True))
    assert body["messages"][1] == {"role": "system", "content": "s"}


class TestPrefill:
    def test_its_end_is_not_blank(self):
        assert write(HI, Turn("assistant", (Text("So \n"),)))[0]["messages"][1]["content"] == "So"
        marked = write(HI, Turn("assistant", (Text("So \n", Cache()),)))[0]["messages"][1][
            "content"
        ]
        assert marked[0]["text"] == "So"

    @pytest.mark.parametrize(
        ("quirks", "thinking"),
        [(Quirks(prefill=False), None), (PLAIN, ThinkingConfig(enabled=True, budget=2000))],
    )
    def test_a_model_that_takes_none_is_asked_to_go_on(self, quirks, thinking):
        body, dropped = write(
            HI, Turn("assistant", (Text("So"),)), quirks=quirks, thinking=thinking
        )
        assert body["messages"][-1] == {
            "role": "user",
            "content": "Continue exactly where you stopped.",
        }
        assert dropped == ("messages.prefill",)


class TestMaxTokens:
    @pytest.mark.parametrize(
        ("model", "limit"),
        [
            ("claude-opus-4-6", 128_000),
            ("anthropic/claude-sonnet-4-5", 64_000),
            ("claude-opus-4-1", 32_000),
            ("claude-3-7-sonnet", 64_000),
            ("claude-3-5-haiku", 8192),
            ("claude-3-opus", 4096),
            ("glm-5", 8192),
        ],
    )
    def test_without_a_limit_the_model_may_write_all_it_can(self, model, limit):
        assert max_tokens_for(model, PLAIN) == limit

    def test_a_provider_may_know_better(self):
        assert max_tokens_for("claude-opus-4-6", Quirks(default_max_tokens=7)) == 7

    def test_it_is_raised_over_the_budget_and_never_cut(self):
        assert (
            write(max_tokens=100, thinking=ThinkingConfig(enabled=True, budget=2000))[0][
                "max_tokens"
            ]
            == 2100
        )
        assert (
            write(max_tokens=9000, thinking=ThinkingConfig(enabled=True, budget=2000))[0][
                "max_tokens"
            ]
            == 9000
        )
        assert write(thinking=ThinkingConfig(enabled=True, budget=8192))[0]["max_tokens"] == 9216


class TestTools:
    TOOLS = (Tool(name="f", description="d", schema={"properties": {}}), Tool(name="g"))

    def test_schemas_are_objects(self):
        assert [tool["input_schema"] for tool in write(tools=self.TOOLS)[0]["tools"]] == [
            {"type": "object", "properties": {}},
            {"type": "object"},
        ]

    @pytest.mark.parametrize(
        ("choice", "parallel", "written"),
        [
            (None, None, None),
            (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
            (ToolChoice("required"), None, {"type": "any"}),
            (ToolChoice("none"), False, {"type": "none"}),
            (
                ToolChoice("tool", ("f",)),
                True,
                {"type": "tool", "name": "f", "disable_parallel_tool_use": False},
            ),
        ],
    )
    def test_choices(self, choice, parallel, written):
        assert (
            write(tools=self.TOOLS, tool_choice=choice, parallel_tool_calls=parallel)[0].get(
                "tool_choice"
            )
            == written
        )

    def test_only_allowed_tools_are_offered(self):
        body, _ = write(tools=self.TOOLS, tool_choice=ToolChoice("required", ("g",)))
        assert [tool["name"] for tool in body["tools"]] == ["g"]

    def test_tools_of_the_past_are_declared_since_anthropic_demands_it(self):
        body, _ = write(
            HI,
            Turn("assistant", (ToolCall(id="a", name="f"),)),
            Turn("user", (ToolResult(call_id="a"),)),
        )
        assert body["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]

    def test_its_own_tools_and_fields_come_back(self):
        own = Tool(
            name="web_search",
            kind="hosted",
            origin="anthropic",
            raw={"type": "web_search_20250305", "name": "web_search"},
        )
        flat = Tool(
            name="f",
            schema={"type": "object", "properties": {}},
            origin="anthropic",
            raw={"defer_loading": True},
            cache=Cache(),
            strict=True,
        )
        body, dropped = write(tools=(own, flat), quirks=Quirks(output_format=True))
        assert body["tools"] == [
            own.raw,
            {
                "name": "f",
                "input_schema": {
                    "type": "object",
                    "properties": {},
                    "additionalProperties": False,
                },
                "strict": True,
                "defer_loading": True,
                "cache_control": {"type": "ephemeral"},
            },
        ]
        assert dropped == ()


class TestStructuredOutput:
    def test_by_a_forced_tool(self):
        body, dropped = write(response_format=SCHEMA)
        assert body["tool_choice"] == {"type": "tool", "name": "pilotfish_json_response"}
        assert dropped == ()

    @pytest.mark.parametrize(
        ("choice", "written"),
        [
            (None, {"type": "any"}),
            (ToolChoice("auto"), {"type": "any"}),
            (ToolChoice("none"), {"type": "tool", "name": "pilotfish_json_response"}),
            (ToolChoice("tool", ("f",)), {"type": "tool", "name": "f"}),
        ],
    )
    def test_beside_the_clients_own_tools(self, choice, written):
        body, _ = write(response_format=SCHEMA, tools=TestTools.TOOLS, tool_choice=choice)
        assert body["tool_choice"] == written
        assert [tool["name"] for tool in body["tools"]] == ["f", "g", "pilotfish_json_response"]

    def test_by_the_models_own_means_where_it_has_them(self):
        schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
        wanted = ResponseFormat(kind="json_schema", schema=schema)
        body, _ = write(response_format=wanted, quirks=Quirks(output_format=True))
        assert body["output_config"]["format"]["schema"] == {
            "type": "object",
            "properties": {"a": {"type": "integer", "description": '{"minimum":1}'}},
            "additionalProperties": False,
        }
        assert "tools" not in body

    def test_by_a_tool_all_the_same_where_the_schema_is_beyond_them(self):
        """Objects with any keys: a tool takes them, and structured output does not."""
        wanted = ResponseFormat(kind="json_schema", schema={"type": "object"})
        body, _ = write(response_format=wanted, quirks=Quirks(output_format=True))
        assert body["tool_choice"]["name"] == "pilotfish_json_response"
        assert "output_config" not in body

    def test_a_strict_tool_that_is_beyond_them_is_an_ordinary_one(self):
        tool = Tool(name="f", schema={"type": "object"}, strict=True)
        body, dropped = write(tools=(tool,), quirks=Quirks(output_format=True))
        assert body["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
        assert dropped == ("tools.strict",)

    def test_any_json_is_asked_for_in_words(self):
        assert (
            write(response_format=ResponseFormat(kind="json"))[0]["system"]
            == "Answer with a single JSON object and nothing else."
        )


def test_system_identity_and_stream():
    body, _ = write(
        system=(Text("a"), Text(""), Text("b", Cache())),
        user="u",
        service_tier="default",
        cache=Cache("1h"),
        stream=True,
        stop=("END",),
        top_k=3,
    )
    assert body["system"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}},
    ]
    assert body["metadata"] == {"user_id": "u"}
    assert (body["service_tier"], body["stream"], body["stop_sequences"], body["top_k"]) == (
        "standard_only",
        True,
        ["END"],
        3,
    )
    assert body["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_turns_that_say_nothing_are_left_out():
    """Those beside them are one turn then, since roles alternate."""
    body, _ = write(HI, Turn("assistant", (Text(" \n"),)), HI)
    (message,) = body["messages"]
    assert (message["role"], len(message["content"])) == ("user", 2)


def test_instructions_alone_are_the_users_turn():
    chat = Chat(model="m", turns=(), system=(Text("Greet me."),))
    body = json.loads(write_request(chat, Target(model="m", stream=False)).body)
    assert body["messages"] == [{"role": "user", "content": "Greet me."}]
    assert "system" not in body


def test_a_prefill_that_ends_in_a_call_is_left_alone():
    body, _ = write(HI, Turn("assistant", (ToolCall(id="a", name="f"),)))
    assert body["messages"][-1]["content"][0]["type"] == "tool_use"
