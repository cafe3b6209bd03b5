"""What Google's clients ask, as everybody understands it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilotfish.core.formats.neutral import (
    Chat,
    ResponseFormat,
    Text,
    ThinkingConfig,
    Tool,
    ToolCall,
    ToolChoice,
    Turn,
)
from pilotfish.errors import ClientError
from pilotfish.styles.google import STYLE

HELLO = [{"role": "user", "parts": [{"text": "hi"}]}]


def read(body: dict[str, Any]) -> Chat:
    return STYLE.read_request(
        json.dumps({"contents": HELLO} | body).encode(), model="gemini-x", stream=True
    )


def parts(*given: dict[str, Any]) -> tuple[Any, ...]:
    return read({"contents": [{"role": "user", "parts": list(given)}]}).turns[0].parts


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "body: expected JSON"),
        (b"[]", "body: expected an object"),
        (b"{}", "contents: expected a list, found null"),
        (b'{"contents":"hi"}', "contents: expected a list"),
        (
            b'{"contents":[{"role":"assistant","parts":[]}]}',
            "contents[0].role: expected user or model",
        ),
        (b'{"contents":[{"parts":[{"text":7}]}]}', "contents[0].parts[0].text: expected a string"),
        (
            b'{"contents":[{"parts":[{"functionCall":{}}]}]}',
            "functionCall.name: expected a string, found nothing",
        ),
        (
            b'{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png"}}]}]}',
            "inlineData.data: expected a string",
        ),
        (
            b'{"contents":[],"generationConfig":{"topK":1.5}}',
            "generationConfig.topK: expected a whole number",
        ),
        (
            b'{"contents":[],"toolConfig":{"functionCallingConfig":{"mode":"SOME"}}}',
            "mode: expected AUTO, ANY, NONE or VALIDATED",
        ),
        (
            b'{"contents":[],"tools":[{"functionDeclarations":[{"description":"d"}]}]}',
            "functionDeclarations[0].name",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(body, message):
    with pytest.raises(ClientError) as caught:
        STYLE.read_request(body, model="m", stream=False)
    assert caught.value.status == 400
    assert message in caught.value.message


def test_a_bottomless_schema_is_the_clients_fault():
    schema: dict[str, Any] = {"type": "STRING"}
    for _ in range(120):
        schema = {"items": schema}
    with pytest.raises(ClientError, match="nested deeper"):
        read({"tools": [{"functionDeclarations": [{"name": "f", "parameters": schema}]}]})


class TestParallelCallsWithoutIds:
    CALLS = {
        "role": "model",
        "parts": [
            {"functionCall": {"name": "f", "args": {"city": city}}} for city in ("Rom", "Wien")
        ],
    }

    def test_of_one_function_do_not_collide(self):
        answers = {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"output": text}}}
                for text in ("18", "9")
            ],
        }
        chat = read({"contents": [*HELLO, self.CALLS, answers]})
        calls, results = chat.turns[1].parts, chat.turns[2].parts
        assert len({call.id for call in calls}) == 2
        assert [result.call_id for result in results] == [call.id for call in calls]
        assert [result.parts for result in results] == [(Text("18"),), (Text("9"),)]

    def test_keep_their_ids_as_the_conversation_grows(self):
        """A new id in an old turn would cost every other vendor's prompt cache."""
        short = read({"contents": [*HELLO, self.CALLS]})
        long = read({"contents": [*HELLO, self.CALLS, *HELLO, self.CALLS]})
        assert short.turns == long.turns[:2]
        assert (
            len(
                {
                    call.id
                    for turn in long.turns
                    for call in turn.parts
                    if isinstance(call, ToolCall)
                }
            )
            == 4
        )

    def test_are_answered_by_name_in_any_order(self):
        calls = {
            "role": "model",
            "parts": [{"functionCall": {"name": "a"}}, {"functionCall": {"name": "b"}}],
        }
        answers = {
            "role": "function",
            "parts": [{"functionResponse": {"name": name, "response": {}}} for name in ("b", "a")],
        }
        chat = read({"contents": [*HELLO, calls, answers]})
        first, second = chat.turns[1].parts
        assert [result.call_id for result in chat.turns[2].parts] == [second.id, first.id]


def test_ids_that_are_given_decide_which_call_is_answered():
    calls = {
        "role": "model",
        "parts": [{"functionCall": {"id": identity, "name": "f"}} for identity in ("x", "y")],
    }
    answers = {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": identity, "name": "f", "response": {}}}
            for identity in ("y", "x")
        ],
    }
    chat = read({"contents": [*HELLO, calls, answers]})
    assert [call.id for call in chat.turns[1].parts] == ["x", "y"]
    assert [result.call_id for result in chat.turns[2].parts] == ["y", "x"]


def test_an_answer_without_its_call_still_has_an_id():
    (result,) = parts({"functionResponse": {"name": "f", "response": {"output": 1}}})
    assert (result.call_id, result.parts) == ("gcall_f", (Text("1"),))


def test_system_instructions_in_either_spelling_and_as_one_part():
    assert read({"system_instruction": {"parts": {"text": "Be brief."}}}).system == (
        Text("Be brief."),
    )
    assert read({"systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]}}).system == (
        Text("a"),
        Text("b"),
    )


def test_what_instructions_cannot_hold_elsewhere_is_named():
    assert read(
        {
            "systemInstruction": {
                "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]
            }
        }
    ).lost == ("systemInstruction.parts",)


def test_functions_are_read_with_either_kind_of_schema():
    own = {
        "name": "f",
        "description": "d",
        "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
    }
    plain = {"name": "g", "parametersJsonSchema": {"type": "object"}, "behavior": "BLOCKING"}
    chat = read({"tools": [{"functionDeclarations": [own, plain]}, {"googleSearch": {}}]})
    assert chat.tools == (
        Tool(
            name="f",
            description="d",
            schema={"type": "object", "properties": {"a": {"type": "string"}}},
        ),
        Tool(name="g", schema={"type": "object"}, origin="google", raw={"behavior": "BLOCKING"}),
        Tool(name="googleSearch", kind="hosted", origin="google", raw={"googleSearch": {}}),
    )


@pytest.mark.parametrize(
    ("config", "choice"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": "none"}, ToolChoice("none")),
        ({"mode": "ANY"}, ToolChoice("required")),
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, ToolChoice("tool", ("f",))),
        ({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}, ToolChoice("required", ("f", "g"))),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ToolChoice("auto", ("f",))),
        ({}, None),
    ],
)
def test_every_mode_of_calling_is_understood(config, choice):
    assert read({"toolConfig": {"functionCallingConfig": config}}).tool_choice == choice


def test_validated_calls_are_strict_where_their_schema_is():
    """`strict` elsewhere demands a schema that is closed; `VALIDATED` takes any."""
    closed = {"type": "object", "properties": {}, "additionalProperties": False}
    functions = [
        {"functionDeclarations": [{"name": "f", "parametersJsonSchema": closed}]},
        {"codeExecution": {}},
    ]
    mode = {"functionCallingConfig": {"mode": "VALIDATED"}}
    chat = read({"tools": functions, "toolConfig": mode})
    assert [tool.strict for tool in chat.tools] == [True, None]
    assert chat.lost == ()
    chat = read({"tools": [{"functionDeclarations": [{"name": "f"}]}], "toolConfig": mode})
    assert [tool.strict for tool in chat.tools] == [None]
    assert chat.lost == ("toolConfig.functionCallingConfig.mode",)


def test_sampling_and_limits():
    config = {
        "maxOutputTokens": 9,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40.0,
        "stopSequences": ["x"],
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 3,
        "candidateCount": 1,
    }
    chat = read({"generationConfig": config})
    assert (chat.max_tokens, chat.temperature, chat.top_p, chat.top_k, chat.stop, chat.seed) == (
        9,
        0.5,
        0.9,
        40,
        ("x",),
        7,
    )
    assert (chat.presence_penalty, chat.frequency_penalty, chat.logprobs, chat.top_logprobs) == (
        0.1,
        0.2,
        True,
        3,
    )
    assert chat.extras == {}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"thinkingBudget": 0}, ThinkingConfig(enabled=False, budget=0)),
        (
            {"thinkingBudget": -1, "includeThoughts": True},
            ThinkingConfig(enabled=True, budget=-1, show=True),
        ),
        ({"thinkingLevel": "HIGH"}, ThinkingConfig(enabled=True, effort="high")),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, ThinkingConfig()),
    ],
)
def test_thinking_is_read_as_budget_or_level(config, expected):
    assert read({"generationConfig": {"thinkingConfig": config}}).thinking == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"responseMimeType": "application/json"}, ResponseFormat(kind="json")),
        ({"responseMimeType": "application/json", "responseSchema": {"type": "STRING"}}, ResponseFormat(kind="json_schema", schema={"type": "string"})),
        ({"responseMimeType": "application/json", "responseJsonSchema": {"type": "string"}}, ResponseFormat(kind="json_schema", schema={"type": "string"})),
        ({"responseMimeType": "text/plain"}, None),
    ],
)  # fmt: skip
def test_the_form_of_the_answer(config, expected):
    assert read({"generationConfig": config}).response_format == expected


def test_what_only_google_knows_is_kept_with_its_place():
    chat = read(
        {
            "safetySettings": [{"category": "c"}],
            "cached_content": "cachedContents/1",
            "serviceTier": "FLEX",
            "toolConfig": {"retrievalConfig": {"languageCode": "de"}},
            "generationConfig": {
                "speechConfig": {"a": 1},
                "responseMimeType": "text/x.enum",
                "responseSchema": {"type": "STRING"},
            },
        }
    )
    assert chat.service_tier == "flex"
    assert chat.response_format is None
    assert chat.extras == {
        "google": {
            "safetySettings": [{"category": "c"}],
            "cachedContent": "cachedContents/1",
            "toolConfig.retrievalConfig": {"languageCode": "de"},
            "generationConfig.speechConfig": {"a": 1},
            "generationConfig.responseMimeType": "text/x.enum",
            "generationConfig.responseSchema": {"type": "STRING"},
        }
    }


def test_roles_are_the_two_that_everybody_has():
    contents = [{"parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]}]
    assert read({"contents": contents}).turns == (
        Turn("user", (Text("a"),)),
        Turn("assistant", (Text("b"),)),
    )


def test_instructions_without_words_are_none():
    assert read({"systemInstruction": {"parts": [{}]}}).system == ()
