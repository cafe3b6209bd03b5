"""What Bedrock's clients ask, as everybody understands it."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from bedrock_wire import problems_of
from pilotfish.core.formats.neutral import (
    Cache,
    Chat,
    ResponseFormat,
    Text,
    ThinkingConfig,
    Tool,
    ToolChoice,
    Turn,
)
from pilotfish.errors import ClientError
from pilotfish.styles.bedrock import STYLE

HELLO = [{"role": "user", "content": [{"text": "hi"}]}]


def read(body: dict[str, Any]) -> Chat:
    given = {"messages": HELLO} | body
    assert problems_of(given) == ""  # what the tests send is what boto3 would send
    return STYLE.read_request(json.dumps(given).encode(), model="m", stream=True)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "body: expected JSON"),
        (b"{}", "messages: expected a list, found null"),
        (b'{"messages":[{"role":"robot","content":[]}]}', "messages[0].role: expected user, assistant or system"),
        (b'{"messages":[{"role":"user","content":"hi"}]}', "messages[0].content: expected a list"),
        (b'{"messages":[{"role":"user","content":[{"toolUse":{"name":"f"}}]}]}', "toolUse.toolUseId: expected a string, found nothing"),
        (b'{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{}}}]}]}', "source.bytes: expected a string"),
        (b'{"messages":[],"inferenceConfig":{"maxTokens":"9"}}', "inferenceConfig.maxTokens: expected a number"),
        (b'{"messages":[],"toolConfig":{"toolChoice":{"some":{}}}}', "toolConfig.toolChoice: expected auto, any or tool"),
        (b'{"messages":[],"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{"}}}}}', "a JSON schema as text"),
        (b'{"messages":[],"outputConfig":{"textFormat":{"type":"json_schema"}}}', "structure.jsonSchema: expected an object"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place(body, message):
    with pytest.raises(ClientError) as caught:
        STYLE.read_request(body, model="m", stream=False)
    assert caught.value.status == 400
    assert message in caught.value.message


def test_cache_points_mark_what_stands_before_them():
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    spec = {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}
    chat = read(
        {
            "system": [{"text": "s"}, point],
            "messages": [{"role": "user", "content": [{"text": "a"}, point]}],
            "toolConfig": {"tools": [spec, point]},
        }
    )
    assert chat.system == (Text("s", Cache("1h")),)
    assert chat.turns[0].parts == (Text("a", Cache("1h")),)
    assert chat.tools == (Tool(name="f", schema={"type": "object"}, cache=Cache("1h")),)


def test_a_cache_point_after_nothing_is_named():
    point = {"cachePoint": {"type": "default"}}
    spec = {"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}
    assert read(
        {
            "messages": [{"role": "user", "content": [point, {"text": "a"}]}],
            "toolConfig": {"tools": [point, spec]},
        }
    ).lost == ("cachePoint",)


def test_instructions_that_are_no_text_are_named():
    guarded = {
        "guardContent": {"image": {"format": "png", "source": {"bytes": b64encode(b"i").decode()}}}
    }
    assert read({"system": [{"text": "s"}, guarded]}).lost == (
        "messages.content.guardContent",
        "system",
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"auto": {}}, ToolChoice("auto")),
        ({"any": {}}, ToolChoice("required")),
        ({"tool": {"name": "f"}}, ToolChoice("tool", ("f",))),
    ],
)
def test_tools_and_their_choice(given, expected):
    spec = {
        "name": "f",
        "description": "d",
        "inputSchema": {"json": {"type": "object"}},
        "strict": True,
    }
    chat = read(
        {
            "toolConfig": {
                "tools": [{"toolSpec": spec}, {"systemTool": {"name": "nova_grounding"}}],
                "toolChoice": given,
            }
        }
    )
    assert chat.tools == (
        Tool(name="f", description="d", schema={"type": "object"}, strict=True),
        Tool(
            name="systemTool",
            kind="hosted",
            origin="bedrock",
            raw={"systemTool": {"name": "nova_grounding"}},
        ),
    )
    assert chat.tool_choice == expected


@pytest.mark.parametrize(
    ("more", "output", "expected"),
    [
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            {},
            ThinkingConfig(enabled=True, budget=2048),
        ),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}},
            {"effort": "high"},
            ThinkingConfig(enabled=True, adaptive=True, effort="high", show=False),
        ),
        ({"thinking": {"type": "disabled"}}, {}, ThinkingConfig(enabled=False)),
        (
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}},
            {},
            ThinkingConfig(enabled=True, effort="low"),
        ),
        ({"reasoningConfig": {"type": "disabled"}}, {}, ThinkingConfig(enabled=False)),
        ({"reasoning_effort": "medium"}, {}, ThinkingConfig(effort="medium")),
        ({}, {"effort": "max"}, ThinkingConfig(effort="max")),
    ],
)
def test_every_familys_way_to_ask_for_thinking(more, output, expected):
    chat = read({"additionalModelRequestFields": more, "outputConfig": output})
    assert chat.thinking == expected
    assert chat.extras == {}


@pytest.mark.parametrize("more", [{"top_k": 40}, {"k": 40}, {"inferenceConfig": {"topK": 40}}])
def test_every_familys_top_k(more):
    chat = read({"additionalModelRequestFields": more})
    assert (chat.top_k, chat.extras) == (40, {})


def test_sampling_limits_and_the_rest():
    schema = {"type": "object"}
    chat = read(
        {
            "inferenceConfig": {
                "maxTokens": 9,
                "temperature": 0.5,
                "topP": 0.9,
                "stopSequences": ["x"],
            },
            "requestMetadata": {"team": "a"},
            "serviceTier": {"type": "flex"},
            "outputConfig": {
                "textFormat": {
                    "type": "json_schema",
                    "structure": {
                        "jsonSchema": {
                            "schema": json.dumps(schema),
                            "name": "n",
                            "description": "d",
                        }
                    },
                }
            },
        }
    )
    assert (chat.max_tokens, chat.temperature, chat.top_p, chat.stop) == (9, 0.5, 0.9, ("x",))
    assert (chat.metadata, chat.service_tier) == ({"team": "a"}, "flex")
    assert chat.response_format == ResponseFormat(
        kind="json_schema", name="n", schema=schema, description="d"
    )
    assert (chat.extras, chat.lost) == ({}, ())


def test_what_only_bedrock_knows_is_kept_with_its_place():
    chat = read(
        {
            "guardrailConfig": {"guardrailIdentifier": "g"},
            "performanceConfig": {"latency": "optimized"},
            "additionalModelRequestFields": {
                "anthropic_beta": ["b"],
                "inferenceConfig": {"topK": 1, "x": 2},
            },
        }
    )
    assert chat.extras == {
        "bedrock": {
            "guardrailConfig": {"guardrailIdentifier": "g"},
            "performanceConfig": {"latency": "optimized"},
            "additionalModelRequestFields.anthropic_beta": ["b"],
            "additionalModelRequestFields.inferenceConfig": {"topK": 1, "x": 2},
        }
    }


def test_all_roles_are_read():
    messages = [
        {"role": role, "content": [{"text": role}]} for role in ("user", "assistant", "system")
    ]
    assert read({"messages": messages}).turns == (
        Turn("user", (Text("user"),)),
        Turn("assistant", (Text("assistant"),)),
        Turn("system", (Text("system"),)),
    )


def test_fields_of_tools_that_nobody_else_has_are_named():
    body = {"messages": HELLO, "toolConfig": {"tools": [{"toolSpec": {"name": "f", "new": 1}}]}}
    chat = STYLE.read_request(json.dumps(body).encode(), model="m", stream=False)
    assert (chat.tools, chat.lost) == ((Tool(name="f"),), ("toolConfig.tools.new",))
