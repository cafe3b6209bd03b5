"""What everybody asks, in Google's words; Google's own models take all of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.formats.neutral import (
    Audio,
    Cache,
    Chat,
    Citation,
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
from pilotfish.styles.google import STYLE

HELLO = (Turn("user", (Text("hi"),)),)
WEATHER = Tool(
    name="weather",
    description="d",
    schema={"type": "object", "properties": {"city": {"type": "string"}}},
)


def write(
    chat: Chat, model: str = "gemini-2.5-flash", quirks: Quirks | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The request, which Google's own types have read without a field that they do not know."""
    written = STYLE.write_request(chat, Target(model=model, stream=True, quirks=quirks or Quirks()))
    body = json.loads(written.body)
    for content in body["contents"]:
        types.Content.model_validate(content)
    for tool in body.get("tools", []):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(body.get("toolConfig", {}))
    types.GenerationConfig.model_validate(body.get("generationConfig", {}))
    return body, written.dropped


def chat(*turns: Turn, **rest: Any) -> Chat:
    return Chat(model="m", turns=turns or HELLO, **rest)


def said(*parts: Any, role: str = "user") -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The parts of a turn as they are written; an assistant's comes after a user's."""
    before = HELLO if role == "assistant" else ()
    body, dropped = write(chat(*before, Turn(role, parts)))  # type: ignore[arg-type]
    written = body["contents"][len(before) :]
    return [part for content in written for part in content["parts"]], dropped


def test_a_conversation_that_begins_with_the_assistant_gets_a_users_turn_first():
    """Google refuses a call that comes after nobody's turn."""
    body, _ = write(chat(Turn("assistant", (ToolCall(id="a", name="f"),))))
    assert [content["role"] for content in body["contents"]] == ["user", "model"]
    assert body["contents"][0]["parts"][0]["text"]


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        (Image(file_id="f", origin="openai"), "messages.image.file_id"),
        (Document(file_id="f", origin="anthropic"), "messages.document.file_id"),
        (Audio(id="a", origin="openai"), "messages.audio.data"),
        (Opaque("anthropic", {"type": "server_tool_use"}), "messages.server_tool_use"),
        (Opaque("bedrock", {"video": {}}), "messages.video"),
    ],
)
def test_what_google_cannot_carry_is_left_out_and_named(part, lost):
    assert said(Text("a"), part) == ([{"text": "a"}], (lost,))


def test_what_loses_a_detail_says_so():
    image = Image(media_type="image/png", data="AAAA", detail="high")
    assert said(image) == (
        [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
        ("messages.image.detail",),
    )
    document = Document(text="words", name="n", cite=True, parts=())
    assert said(document) == ([{"text": "n:\nwords"}], ("messages.document.citations",))
    assert said(Text("a", Cache()))[1] == ("cache_control",)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Text("a", citations=(Citation(url="u"),)), {"text": "a"}),
        (Refusal("no"), {"text": "no"}),
        (Image(data="AAAA"), {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
        (
            Image(url="https://e.com/a.png"),
            {"fileData": {"mimeType": "image/png", "fileUri": "https://e.com/a.png"}},
        ),
        (Image(url="https://e.com/a?x=.png"), {"fileData": {"fileUri": "https://e.com/a?x=.png"}}),
        (
            Document(media_type="application/pdf", file_id="gs://b/c", origin="google"),
            {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/c"}},
        ),
        (Document(parts=(Text("a"), Text("b"))), {"text": "a\n\nb"}),
        (
            Audio(media_type="audio/wav", data="AAAA"),
            {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
        ),
        (
            Opaque("google", {"executableCode": {"code": "1", "language": "PYTHON"}}),
            {"executableCode": {"code": "1", "language": "PYTHON"}},
        ),
    ],
)
def test_every_part_has_its_place(part, expected):
    assert said(part) == ([expected], ())


def test_empty_texts_are_left_out_but_for_their_signature():
    assert said(Text(""), Text("", signature=Signature("google", "c2ln"))) == (
        [{"text": "", "thoughtSignature": "c2ln"}],
        (),
    )


class TestToolResults:
    CALLS = Turn(
        "assistant", (ToolCall(id="a", name="f", arguments='{"x":1}'), ToolCall(id="b", name="f"))
    )

    def responses(self, *results: Any) -> list[dict[str, Any]]:
        body, _ = write(chat(*HELLO, self.CALLS, Turn("user", results)))
        return body["contents"][-1]["parts"]

    def test_stand_in_the_order_of_their_calls_before_what_the_user_says(self):
        found = self.responses(
            Text("and?"),
            ToolResult(call_id="b", parts=(Text("2"),)),
            ToolResult(call_id="a", parts=(Text("1"),)),
        )
        assert [part.get("functionResponse", {}).get("id") for part in found] == ["a", "b", None]

    def test_have_the_name_of_their_function_which_other_vendors_do_not_give(self):
        assert [
            part["functionResponse"]["name"] for part in self.responses(ToolResult(call_id="a"))
        ] == ["f"]

    def test_are_objects_or_become_one(self):
        found = self.responses(
            ToolResult(call_id="a", parts=(Text('{"degrees": 18}'),)),
            ToolResult(call_id="b", parts=(Text("{broken"), Text("second"))),
        )
        assert [part["functionResponse"]["response"] for part in found] == [
            {"degrees": 18},
            {"output": "{broken\nsecond"},
        ]

    def test_that_failed_say_so(self):
        found = self.responses(ToolResult(call_id="a", parts=(Text('{"x": 1}'),), is_error=True))
        assert found[0]["functionResponse"]["response"] == {"error": '{"x": 1}'}

    def test_keep_their_images(self):
        found = self.responses(
            ToolResult(call_id="a", parts=(Image(media_type="image/png", data="AAAA"),))
        )
        assert found[0]["functionResponse"]["parts"] == [
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
        ]


def test_ids_that_we_made_up_go_back_as_none():
    turns = (
        *HELLO,
        Turn("assistant", (ToolCall(id="gcall_r_0", name="f"),)),
        Turn("user", (ToolResult(call_id="gcall_r_0"),)),
    )
    body, _ = write(chat(*turns))
    assert "id" not in body["contents"][1]["parts"][0]["functionCall"]
    assert "id" not in body["contents"][2]["parts"][0]["functionResponse"]


class TestThoughts:
    def test_of_googles_own_models_come_back_with_their_signature(self):
        thought = Thinking(text="hm", signature=Signature("google", "c2ln"))
        call = ToolCall(id="a", name="f", signature=Signature("google", "Y2Fs"))
        found, dropped = said(thought, call, role="assistant")
        assert found == [
            {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
            {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "Y2Fs"},
        ]
        assert dropped == ()

    @pytest.mark.parametrize(
        "thought",
        [
            Thinking(text="hm", signature=Signature("anthropic", "s")),
            Thinking(signature=Signature("anthropic", "s"), redacted=True),
        ],
    )
    def test_of_another_vendor_are_left_out_and_named(self, thought):
        assert said(thought, Text("a"), role="assistant") == (
            [{"text": "a"}],
            ("messages.thinking",),
        )

    def test_without_a_signature_are_words_like_any(self):
        assert said(Thinking(text="hm"), Thinking(), role="assistant")[0] == [
            {"text": "hm", "thought": True}
        ]

    def test_missing_from_another_vendors_calls_are_excused_to_gemini_3(self):
        """Gemini 3 refuses a history of unsigned calls; older models never ask. Only the first call
        of a turn is signed.
        """
        turns = (
            *HELLO,
            Turn("assistant", (ToolCall(id="a", name="f"), ToolCall(id="b", name="f"))),
        )
        new, _ = write(chat(*turns), "gemini-3-pro-preview")
        old, _ = write(chat(*turns), "gemini-2.5-pro")
        assert [part.get("thoughtSignature") for part in new["contents"][1]["parts"]] == [
            "skip_thought_signature_validator",
            None,
        ]
        assert [part.get("thoughtSignature") for part in old["contents"][1]["parts"]] == [
            None,
            None,
        ]


class TestInstructions:
    def test_in_the_middle_say_what_they_are(self):
        body, dropped = write(
            chat(*HELLO, Turn("system", (Text("Be brief."),)), Turn("user", (Text("go"),), "ann"))
        )
        assert body["contents"] == [
            {
                "role": "user",
                "parts": [
                    {"text": "hi"},
                    {"text": "<system>\nBe brief.\n</system>"},
                    {"text": "go"},
                ],
            }
        ]
        assert dropped == ("messages.name",)

    def test_alone_are_the_question(self):
        body, _ = write(Chat(model="m", turns=(), system=(Text("Say hi."),)))
        assert body == {"contents": [{"role": "user", "parts": [{"text": "Say hi."}]}]}

    def test_stand_by_themselves(self):
        body, dropped = write(chat(system=(Text("a", Cache()), Text("b"))))
        assert body["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}
        assert dropped == ("cache_control",)


@pytest.mark.parametrize(
    ("choice", "strict", "expected"),
    [
        (None, None, None),
        (ToolChoice("auto"), None, {"mode": "AUTO"}),
        (ToolChoice("none"), None, {"mode": "NONE"}),
        (ToolChoice("required"), None, {"mode": "ANY"}),
        (
            ToolChoice("tool", ("weather",)),
            None,
            {"mode": "ANY", "allowedFunctionNames": ["weather"]},
        ),
        (
            ToolChoice("auto", ("weather",)),
            None,
            {"mode": "VALIDATED", "allowedFunctionNames": ["weather"]},
        ),
        (None, True, {"mode": "VALIDATED"}),
    ],
)
def test_every_tool_choice_has_a_mode(choice, strict, expected):
    tool = Tool(name="weather", schema=WEATHER.schema, strict=strict)
    body, dropped = write(chat(tools=(tool,), tool_choice=choice))
    assert body.get("toolConfig", {}).get("functionCallingConfig") == expected
    assert dropped == ()


def test_functions_keep_their_json_schema_to_the_letter():
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/a"}},
        "$defs": {"a": {"type": ["string", "null"]}},
        "additionalProperties": False,
    }
    body, _ = write(chat(tools=(Tool(name="f", schema=schema), Tool(name="g", description="d"))))
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "parametersJsonSchema": schema},
                {"name": "g", "description": "d"},
            ]
        }
    ]


def test_tools_that_google_has_not_are_named():
    tools = (
        Tool(name="web_search", kind="hosted", origin="openai"),
        Tool(name="free", kind="custom", origin="openai"),
        Tool(name="googleSearch", kind="hosted", origin="google", raw={"googleSearch": {}}),
        Tool(name="f", strict=True),
        Tool(name="g", origin="anthropic", raw={"defer_loading": True}, cache=Cache()),
    )
    body, dropped = write(chat(tools=tools, parallel_tool_calls=False))
    assert body["tools"] == [
        {"functionDeclarations": [{"name": "f"}, {"name": "g"}]},
        {"googleSearch": {}},
    ]
    assert set(dropped) == {
        "tools.web_search",
        "tools.free",
        "tools.strict",
        "tools.defer_loading",
        "cache_control",
        "parallel_tool_calls",
    }


def test_sampling_limits_and_the_rest():
    given = chat(
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop=("x",),
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        top_logprobs=3,
        service_tier="default",
    )
    body, dropped = write(given)
    assert body["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "maxOutputTokens": 9,
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 3,
        "stopSequences": ["x"],
    }
    assert body["serviceTier"] == "standard"
    assert dropped == ()


def test_more_stop_sequences_than_five_are_cut_and_named():
    body, dropped = write(chat(stop=tuple("abcdef")))
    assert body["generationConfig"]["stopSequences"] == list("abcde")
    assert dropped == ("stop",)


def test_what_has_no_place_is_named():
    given = chat(
        user="u",
        metadata={"a": "b"},
        verbosity="low",
        service_tier="scale",
        cache=Cache(),
        extras={"openai": {"store": True}},
        lost=("messages.x",),
    )
    assert set(write(given)[1]) == {
        "messages.x",
        "user",
        "metadata",
        "verbosity",
        "service_tier",
        "cache_control",
        "store",
    }


def test_what_a_service_refuses_is_left_out_wherever_it_stands():
    quirks = Quirks(refuses=frozenset({"seed", "safetySettings"}), sampling_fields=False)
    body, dropped = write(
        chat(seed=1, top_k=3, extras={"google": {"safetySettings": []}}), quirks=quirks
    )
    assert body == {"contents": body["contents"], "generationConfig": {}}
    assert set(dropped) == {"seed", "top_k", "safetySettings"}


class TestTheFormOfTheAnswer:
    FORMAT = ResponseFormat(kind="json_schema", name="n", schema={"type": "object"})

    def test_is_a_schema(self):
        body, dropped = write(chat(response_format=self.FORMAT))
        assert body["generationConfig"] == {
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object"},
        }
        assert dropped == ()

    def test_is_json_alone_where_no_schema_is_known(self):
        body, dropped = write(chat(response_format=self.FORMAT), quirks=Quirks(json_schema=False))
        assert body["generationConfig"] == {"responseMimeType": "application/json"}
        assert dropped == ("response_format.json_schema",)
        assert write(chat(response_format=ResponseFormat(kind="json")))[1] == ()

    def test_gives_way_to_functions_before_gemini_3(self):
        given = chat(response_format=self.FORMAT, tools=(WEATHER,))
        assert write(given)[1] == ("response_format",)
        body, dropped = write(given, "gemini-3-pro")
        assert "responseJsonSchema" in body["generationConfig"]
        assert dropped == ()


def test_thinking_is_asked_for_in_the_models_own_words():
    body, _ = write(chat(thinking=ThinkingConfig(enabled=True, effort="high")), "gemini-3-pro")
    assert body["generationConfig"] == {
        "thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": True}
    }


EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "safetySettings": st.just(
            [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
        ),
        "cachedContent": st.text("abc/1", min_size=1),
        "generationConfig.mediaResolution": st.just("MEDIA_RESOLUTION_LOW"),
        "toolConfig.retrievalConfig": st.just({"languageCode": "de"}),
    },
)


@given(EXTRAS)
def test_googles_own_fields_come_back_to_their_places(extras):
    given = chat(extras={"google": extras} if extras else {})
    body, dropped = write(given)
    assert dropped == ()
    assert (
        STYLE.read_request(json.dumps(body).encode(), model="m", stream=False).extras
        == given.extras
    )


def test_images_inside_a_text_document_are_named():
    assert said(Document(parts=(Text("a"), Image(data="AAAA"))))[1] == ("messages.document.image",)


def test_cache_marks_on_calls_and_results_are_named():
    turns = (
        *HELLO,
        Turn("assistant", (ToolCall(id="a", name="f", cache=Cache()),)),
        Turn("user", (ToolResult(call_id="a"),)),
    )
    marked = (
        *HELLO,
        Turn("assistant", (ToolCall(id="a", name="f"),)),
        Turn("user", (ToolResult(call_id="a", cache=Cache()),)),
    )
    assert write(chat(*turns))[1] == write(chat(*marked))[1] == ("cache_control",)


def test_a_turn_without_words_is_left_out():
    assert write(chat(*HELLO, Turn("assistant", ())))[0]["contents"] == [
        {"role": "user", "parts": [{"text": "hi"}]}
    ]


def test_fields_of_googles_own_functions_come_back():
    body, _ = write(chat(tools=(Tool(name="f", origin="google", raw={"behavior": "BLOCKING"}),)))
    assert body["tools"] == [{"functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]}]


def test_hosted_tools_stand_alone_and_others_are_none():
    hosted = Tool(name="googleSearch", kind="hosted", origin="google", raw={"googleSearch": {}})
    assert write(chat(tools=(hosted,)))[0]["tools"] == [{"googleSearch": {}}]
    assert "tools" not in write(chat(tools=(Tool(name="x", kind="hosted", origin="openai"),)))[0]


def test_thinking_of_which_nothing_is_said_is_nothing():
    assert "generationConfig" not in write(chat(thinking=ThinkingConfig()), "gemini-3-pro")[0]


def test_a_part_that_a_result_cannot_hold_is_named():
    assert said(ToolResult(call_id="a", name="f", parts=(Thinking(text="hm"),)))[1] == (
        "messages.thinking",
    )


def test_thinking_is_switched_off_for_models_of_no_known_kind():
    body, _ = write(chat(thinking=ThinkingConfig(enabled=False)), "tuned-model")
    assert body["generationConfig"] == {"thinkingConfig": {"thinkingBudget": 0}}
