"""What everybody asks, in Bedrock's words; botocore's validator takes all of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_wire import problems_of
from pilotfish.core.formats.neutral import (
    Cache,
    Chat,
    Image,
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
from pilotfish.styles.bedrock import STYLE

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-pro-v1:0"
HELLO = (Turn("user", (Text("hi"),)),)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = Tool(name="weather", description="d", schema=SCHEMA)
SPEC = {"toolSpec": {"name": "weather", "description": "d", "inputSchema": {"json": SCHEMA}}}


def write(
    chat: Chat, model: str = CLAUDE, quirks: Quirks | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    written = STYLE.write_request(chat, Target(model=model, stream=True, quirks=quirks or Quirks()))
    body = json.loads(written.body)
    assert problems_of(body) == ""
    return body, written.dropped


def chat(*turns: Turn, **rest: Any) -> Chat:
    return Chat(model="m", turns=turns or HELLO, **rest)


class TestMessages:
    def test_alternate_and_begin_with_the_user_with_results_first(self):
        turns = (
            Turn("assistant", (ToolCall(id="t", name="f"),)),
            Turn("user", (Text("and?"),)),
            Turn("system", (Text("Be brief."),)),
            Turn("user", (ToolResult(call_id="t", parts=(Text("1"),)),), "ann"),
        )
        body, dropped = write(chat(*turns))
        assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
        assert [next(iter(block)) for block in body["messages"][2]["content"]] == [
            "toolResult",
            "text",
            "text",
        ]
        assert body["messages"][2]["content"][2] == {"text": "<system>\nBe brief.\n</system>"}
        assert dropped == ("messages.name",)

    def test_that_end_with_the_assistants_words_are_a_prefill_for_claude_and_a_request_for_others(
        self,
    ):
        turns = (*HELLO, Turn("assistant", (Text("So far \n"),)))
        assert write(chat(*turns))[0]["messages"][-1] == {
            "role": "assistant",
            "content": [{"text": "So far"}],
        }
        for model, quirks in ((NOVA, Quirks()), (CLAUDE, Quirks(prefill=False))):
            body, dropped = write(chat(*turns), model, quirks)
            assert body["messages"][-1] == {
                "role": "user",
                "content": [{"text": "Continue exactly where you stopped."}],
            }
            assert dropped == ("messages.prefill",)

    def test_without_anything_to_say_are_left_out(self):
        assert write(chat(*HELLO, Turn("assistant", (Text(" "),))))[0]["messages"] == [
            {"role": "user", "content": [{"text": "hi"}]}
        ]

    def test_end_with_the_cache_mark_of_the_whole_request(self):
        assert write(chat(cache=Cache("5m")))[0]["messages"][-1]["content"][-1] == {
            "cachePoint": {"type": "default", "ttl": "5m"}
        }


def test_instructions_stand_by_themselves_with_their_marks():
    body, _ = write(chat(system=(Text("a", Cache()), Text(" "), Text("b"))))
    assert body["system"] == [{"text": "a"}, {"cachePoint": {"type": "default"}}, {"text": "b"}]


class TestTools:
    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            (None, None),
            (ToolChoice("auto"), {"auto": {}}),
            (ToolChoice("required"), {"any": {}}),
            (ToolChoice("tool", ("weather",)), {"tool": {"name": "weather"}}),
            (ToolChoice("required", ("weather",)), {"any": {}}),
        ],
    )
    def test_are_chosen_in_bedrocks_words(self, choice, expected):
        body, dropped = write(chat(tools=(WEATHER,), tool_choice=choice))
        assert body["toolConfig"] == {"tools": [SPEC]} | (
            {"toolChoice": expected} if expected else {}
        )
        assert dropped == ()

    def test_that_may_not_be_called_are_not_offered(self):
        assert "toolConfig" not in write(chat(tools=(WEATHER,), tool_choice=ToolChoice("none")))[0]

    def test_that_may_not_be_called_but_were_are_offered_all_the_same_and_that_is_named(self):
        turns = (
            *HELLO,
            Turn("assistant", (ToolCall(id="t", name="weather"),)),
            Turn("user", (ToolResult(call_id="t"),)),
        )
        body, dropped = write(chat(*turns, tools=(WEATHER,), tool_choice=ToolChoice("none")))
        assert (body["toolConfig"], dropped) == ({"tools": [SPEC]}, ("tool_choice",))

    def test_of_the_past_are_declared_since_bedrock_demands_it(self):
        turns = (
            *HELLO,
            Turn("assistant", (ToolCall(id="t", name="f"),)),
            Turn("user", (ToolResult(call_id="t", name="g"),)),
        )
        assert [
            tool["toolSpec"]["name"] for tool in write(chat(*turns))[0]["toolConfig"]["tools"]
        ] == ["f", "g"]

    def test_beyond_the_allowed_are_left_out(self):
        body, _ = write(
            chat(tools=(WEATHER, Tool(name="other")), tool_choice=ToolChoice("auto", ("other",)))
        )
        assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["other"]

    def test_are_strict_where_the_model_can(self):
        strict = Tool(name="f", strict=True, schema=SCHEMA)
        assert (
            write(chat(tools=(strict,)))[0]["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True
        )
        assert write(chat(tools=(strict,)), NOVA)[1] == ("tools.strict",)

    def test_that_bedrock_has_not_are_named(self):
        system = Tool(
            name="systemTool",
            kind="hosted",
            origin="bedrock",
            raw={"systemTool": {"name": "nova_grounding"}},
        )
        tools = (
            Tool(name="web_search", kind="hosted", origin="openai"),
            system,
            Tool(name="f", origin="google", raw={"behavior": "B"}, cache=Cache()),
        )
        body, dropped = write(chat(tools=tools, parallel_tool_calls=False))
        assert body["toolConfig"]["tools"][0] == {"systemTool": {"name": "nova_grounding"}}
        assert body["toolConfig"]["tools"][2] == {"cachePoint": {"type": "default"}}
        assert dropped == ("tools.web_search", "tools.behavior", "parallel_tool_calls")


class TestThinking:
    def test_raises_claudes_limit_over_the_budget_and_rules_out_sampling(self):
        body, dropped = write(
            chat(
                thinking=ThinkingConfig(enabled=True, budget=4096),
                max_tokens=1000,
                temperature=0.2,
                top_k=3,
                top_p=0.5,
            )
        )
        assert body["additionalModelRequestFields"] == {
            "thinking": {"type": "enabled", "budget_tokens": 4096}
        }
        assert body["inferenceConfig"] == {"maxTokens": 5096}
        assert dropped == ("temperature", "top_k", "top_p")

    def test_adapts_where_claude_takes_effort(self):
        body, _ = write(
            chat(thinking=ThinkingConfig(enabled=True, effort="high")),
            quirks=Quirks(adaptive_thinking=True),
        )
        assert body["additionalModelRequestFields"] == {"thinking": {"type": "adaptive"}}
        assert body["outputConfig"] == {"effort": "high"}

    @pytest.mark.parametrize(
        ("model", "config", "more"),
        [
            (
                "amazon.nova-2-lite-v1:0",
                {"effort": "max"},
                {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            ),
            (
                "amazon.nova-2-lite-v1:0",
                {"budget": 8000},
                {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
            ),
            (
                "amazon.nova-2-lite-v1:0",
                {"enabled": False},
                {"reasoningConfig": {"type": "disabled"}},
            ),
            ("openai.gpt-oss-20b-1:0", {"effort": "minimal"}, {"reasoning_effort": "low"}),
            ("openai.gpt-oss-20b-1:0", {"enabled": True}, {"reasoning_effort": "medium"}),
            (CLAUDE, {"enabled": False}, {"thinking": {"type": "disabled"}}),
        ],
    )
    def test_is_asked_for_in_each_familys_words(self, model, config, more):
        body, dropped = write(chat(thinking=ThinkingConfig(**config)), model)
        assert (body["additionalModelRequestFields"], dropped) == (more, ())

    @pytest.mark.parametrize(
        ("model", "config", "dropped"),
        [
            (NOVA, {"effort": "low"}, ("thinking",)),
            ("openai.gpt-oss-20b-1:0", {"enabled": False}, ("thinking",)),
            (NOVA, {"enabled": False}, ()),
        ],
    )
    def test_that_a_model_has_not_is_named(self, model, config, dropped):
        body, lost = write(chat(thinking=ThinkingConfig(**config)), model)
        assert ("additionalModelRequestFields" in body, lost) == (False, dropped)

    def test_of_claude_is_handed_back(self):
        turns = (
            *HELLO,
            Turn("assistant", (Thinking(signature=Signature("anthropic", "s")), Text("a"))),
            *HELLO,
        )
        assert write(chat(*turns))[0]["messages"][1]["content"][0] == {
            "reasoningContent": {"reasoningText": {"text": "", "signature": "s"}}
        }


class TestTheFormOfTheAnswer:
    FORMAT = ResponseFormat(kind="json_schema", name="n", schema=SCHEMA, description="d")

    def test_is_a_schema_where_the_model_has_them(self):
        body, dropped = write(chat(response_format=self.FORMAT, tools=(WEATHER,)))
        closed = SCHEMA | {"additionalProperties": False}
        schema = {
            "schema": json.dumps(closed, separators=(",", ":")),
            "name": "n",
            "description": "d",
        }
        assert body["outputConfig"] == {
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}
        }
        assert dropped == ()

    def test_is_a_forced_tool_elsewhere(self):
        config = write(chat(response_format=self.FORMAT), NOVA)[0]["toolConfig"]
        assert config["toolChoice"] == {"tool": {"name": "pilotfish_json_response"}}
        assert config["tools"][0]["toolSpec"]["inputSchema"] == {"json": SCHEMA}

    def test_is_one_tool_among_the_clients_own(self):
        config = write(chat(response_format=self.FORMAT, tools=(WEATHER,)), NOVA)[0]["toolConfig"]
        assert (len(config["tools"]), config["toolChoice"]) == (2, {"any": {}})

    def test_of_any_json_is_asked_for_in_words(self):
        assert write(chat(response_format=ResponseFormat(kind="json")))[0]["system"] == [
            {"text": "Answer with a single JSON object and nothing else."}
        ]


@pytest.mark.parametrize(
    ("model", "more"),
    [
        (CLAUDE, {"top_k": 4}),
        (NOVA, {"inferenceConfig": {"topK": 4}}),
        ("cohere.command-r-v1:0", {"k": 4}),
        ("meta.llama3-70b", None),
    ],
)
def test_top_k_goes_to_each_familys_place(model, more):
    body, dropped = write(chat(top_k=4), model)
    assert (body.get("additionalModelRequestFields"), dropped) == (more, () if more else ("top_k",))


def test_sampling_limits_and_the_rest():
    given = chat(
        max_tokens=9,
        temperature=0.5,
        stop=("x",),
        service_tier="flex",
        metadata={"team": "a", "bad!": "x"},
    )
    body, dropped = write(given)
    assert body["inferenceConfig"] == {"maxTokens": 9, "temperature": 0.5, "stopSequences": ["x"]}
    assert (body["serviceTier"], body["requestMetadata"]) == ({"type": "flex"}, {"team": "a"})
    assert dropped == ("metadata",)


def test_what_is_out_of_range_is_bent_and_named():
    body, dropped = write(chat(temperature=1.5, top_p=0.5, stop=(" ", "x")))
    assert body["inferenceConfig"] == {"temperature": 1.0, "stopSequences": ["x"]}
    assert dropped == ("temperature", "top_p", "stop")


def test_what_has_no_place_is_named():
    given = chat(
        user="u",
        seed=1,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        logprobs=True,
        top_logprobs=2,
        verbosity="low",
        service_tier="scale",
        extras={"openai": {"store": True}},
        lost=("messages.x",),
    )
    assert set(write(given)[1]) == {
        "messages.x",
        "user",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "verbosity",
        "service_tier",
        "store",
    }


def test_what_a_service_refuses_is_left_out():
    body, dropped = write(
        chat(service_tier="flex", temperature=0.5),
        quirks=Quirks(refuses=frozenset({"serviceTier"}), sampling_fields=False),
    )
    assert set(body) == {"messages"}
    assert dropped == ("temperature", "serviceTier")


EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "guardrailConfig": st.just({"guardrailIdentifier": "g", "guardrailVersion": "1"}),
        "performanceConfig": st.just({"latency": "optimized"}),
        "additionalModelRequestFields.anthropic_beta": st.just(["b"]),
        "additionalModelResponseFieldPaths": st.just(["/stop_sequence"]),
    },
)


@given(EXTRAS)
def test_bedrocks_own_fields_come_back_to_their_places(extras):
    given = chat(extras={"bedrock": extras} if extras else {})
    body, dropped = write(given)
    assert dropped == ()
    assert (
        STYLE.read_request(json.dumps(body).encode(), model="m", stream=False).extras
        == given.extras
    )


PARTS = st.one_of(
    st.builds(Text, st.text("aü ", min_size=1).filter(str.strip), st.none() | st.just(Cache("1h"))),
    st.builds(Image, media_type=st.sampled_from(["image/png", "image/jpeg"]), data=st.just("AAAA")),
)


@given(
    st.lists(PARTS, min_size=1, max_size=4),
    st.none() | st.integers(1, 99),
    st.none() | st.floats(0, 1),
    st.none() | st.integers(1, 9),
)
def test_what_bedrock_can_say_is_read_back_as_it_was_written(parts, limit, temperature, top_k):
    turns = (
        Turn("user", tuple(parts)),
        Turn("assistant", (Text("a"), ToolCall(id="t", name="weather", arguments='{"a":1}'))),
        Turn("user", (ToolResult(call_id="t", name="weather", parts=(Text("1"),)),)),
    )
    given = Chat(
        model="m",
        turns=turns,
        stream=True,
        system=(Text("s", Cache("5m")),),
        tools=(WEATHER,),
        max_tokens=limit,
        temperature=temperature,
        top_k=top_k,
    )
    written = STYLE.write_request(given, Target(model=CLAUDE, stream=True))
    assert written.dropped == ()
    assert STYLE.read_request(written.body, model="m", stream=True) == given


def test_turns_beside_one_that_says_nothing_are_one_since_roles_alternate():
    turns = (
        Turn("user", (Text("a"),)),
        Turn("assistant", (Text(" "),)),
        Turn("user", (Text("b"),)),
    )
    assert write(chat(*turns))[0]["messages"] == [
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]}
    ]


def test_instructions_alone_are_the_users_turn():
    body, _ = write(Chat(model="m", turns=(), system=(Text("Greet me."),)))
    assert body["messages"] == [{"role": "user", "content": [{"text": "Greet me."}]}]
    assert "system" not in body
