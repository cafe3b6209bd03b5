"""Every recorded answer as the vendors' own libraries of Python read it through the proxy, and give
it back as the next turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from answers_wire import facts
from pairs_wire import ALL
from sdk.replaying import CASES, ReplayingVendor, expectation, model_of, set_key

QUESTION = "How is the weather?"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
Ask = Callable[[Any, str, bool], Awaitable[dict[str, Any]]]


@pytest.fixture
async def vendor():
    async with ReplayingVendor() as vendor:
        yield vendor


@pytest.fixture
async def proxy(vendor, tmp_path, monkeypatch):
    set_key(monkeypatch)
    async with vendor.proxy(tmp_path) as proxy:
        yield proxy


async def ask_openai(client: Any, model: str, stream: bool) -> dict[str, Any]:
    function = {"name": "get_weather", "parameters": SCHEMA}
    asked = {
        "model": model,
        "messages": [{"role": "user", "content": QUESTION}],
        "tools": [{"type": "function", "function": function}],
    }
    if stream:
        options = {"include_usage": True}
        async with client.chat.completions.stream(**asked, stream_options=options) as events:
            answer = await events.get_final_completion()
    else:
        answer = await client.chat.completions.create(**asked)
    # Without warnings of what other vendors have: here Mistral's chunks in the place of a text.
    found = answer.model_dump(exclude_none=True, warnings=False)
    message = found["choices"][0]["message"]
    message.pop("parsed", None)
    for call in message.get("tool_calls", ()):
        call["function"].pop("parsed_arguments", None)
    asked["messages"] += [
        message,
        *(
            {"role": "tool", "tool_call_id": call.id, "content": "mild"}
            for call in answer.choices[0].message.tool_calls or ()
        ),
    ]
    await client.chat.completions.create(**asked)
    notes = message.get("annotations", ())  # OpenRouter's about files pass, and are no citations
    message["annotations"] = [note for note in notes if note["type"] != "file"]
    if isinstance(message.get("content"), list):
        message["content"] = "".join(part.get("text", "") for part in message["content"])
    return found


async def ask_responses(client: Any, model: str, stream: bool) -> dict[str, Any]:
    tool = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}
    asked = {
        "model": model,
        "input": [{"role": "user", "content": QUESTION}],
        "tools": [tool],
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    if stream:
        async with client.responses.stream(**asked) as events:
            answer = await events.get_final_response()
    else:
        answer = await client.responses.create(**asked)
    found = answer.model_dump()
    asked["input"] += [
        *(
            {key: value for key, value in item.items() if key != "parsed_arguments"}
            for item in answer.model_dump(exclude_none=True)["output"]
        ),
        *(
            {"type": "function_call_output", "call_id": item.call_id, "output": "mild"}
            for item in answer.output
            if item.type == "function_call"
        ),
    ]
    await client.responses.create(**asked)
    return found


async def ask_anthropic(client: Any, model: str, stream: bool) -> dict[str, Any]:
    asked = {
        "model": model,
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": QUESTION}],
        "tools": [{"name": "get_weather", "input_schema": SCHEMA}],
    }
    if stream:
        async with client.messages.stream(**asked) as events:
            answer = await events.get_final_message()
    else:
        answer = await client.messages.create(**asked)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "mild"}
        for block in answer.content
        if block.type == "tool_use"
    ]
    found = answer.model_dump(exclude_none=True, warnings=False)  # of blocks of its newer betas
    asked["messages"] += [
        {"role": "assistant", "content": found["content"]},
        {"role": "user", "content": results or "Thanks."},
    ]
    await client.messages.create(**asked)
    return found


async def ask_google(client: Any, model: str, stream: bool) -> dict[str, Any]:
    function = {"name": "get_weather", "parameters_json_schema": SCHEMA}
    asked: dict[str, Any] = {
        "model": model,
        "contents": [{"role": "user", "parts": [{"text": QUESTION}]}],
        "config": {"tools": [{"function_declarations": [function]}]},
    }
    if stream:
        chunks = [
            chunk.model_dump(mode="json", by_alias=True, exclude_none=True)
            async for chunk in await client.models.generate_content_stream(**asked)
        ]
        answer = _joined(chunks)
    else:
        whole = await client.models.generate_content(**asked)
        answer = whole.model_dump(mode="json", by_alias=True, exclude_none=True)
    said = answer["candidates"][0]["content"]
    results = [
        {"function_response": {**_named(part["functionCall"]), "response": {"output": "mild"}}}
        for part in said["parts"]
        if "functionCall" in part
    ]
    turn = {"role": "user", "parts": results or [{"text": "Thanks."}]}
    asked["contents"] += [said, turn]
    await client.models.generate_content(**asked)
    return answer


def _named(call: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in call.items() if key in ("id", "name")}


def _joined(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The chunks of a stream as one answer: all parts, and the last of everything else."""
    answer: dict[str, Any] = {}
    candidate: dict[str, Any] = {}
    parts: list[Any] = []
    for chunk in chunks:
        answer |= chunk
        for given in chunk.get("candidates", ()):
            candidate |= given
            parts += given.get("content", {}).get("parts", ())
    return answer | {"candidates": [candidate | {"content": {"role": "model", "parts": parts}}]}


async def ask_bedrock(client: Any, model: str, stream: bool) -> dict[str, Any]:
    return await asyncio.to_thread(_converse, client, model, stream)


def _converse(client: Any, model: str, stream: bool) -> dict[str, Any]:
    tool = {"name": "get_weather", "inputSchema": {"json": SCHEMA}}
    asked: dict[str, Any] = {
        "modelId": model,
        "messages": [{"role": "user", "content": [{"text": QUESTION}]}],
        "toolConfig": {"tools": [{"toolSpec": tool}]},
    }
    if stream:
        answer = _assembled(list(client.converse_stream(**asked)["stream"]))
    else:
        answer = client.converse(**asked)
    message = answer["output"]["message"]
    results = [
        {
            "toolResult": {
                "toolUseId": block["toolUse"]["toolUseId"],
                "content": [{"text": "mild"}],
            }
        }
        for block in message["content"]
        if "toolUse" in block and block["toolUse"].get("type") != "server_tool_use"
    ]
    asked["messages"] += [
        message,
        {"role": "user", "content": results or [{"text": "Thanks."}]},
    ]
    client.converse(**asked)
    return answer


def _assembled(events: list[dict[str, Any]]) -> dict[str, Any]:
    """A stream of boto3's as the answer that it comes to."""
    blocks: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {}
    for event in events:
        ((name, value),) = event.items()
        if name == "contentBlockStart":
            (kind,) = value["start"]
            begun = dict(value["start"][kind])
            begun |= {"input": ""} if kind == "toolUse" else {}
            blocks[value["contentBlockIndex"]] = {kind: begun}
        elif name == "contentBlockDelta":
            _add(blocks.setdefault(value["contentBlockIndex"], {}), value["delta"])
        elif name in ("messageStop", "metadata"):
            answer |= value
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
        if "citations" in block:
            text = [{"text": block.pop("text")}] if block.get("text") else []
            block["citationsContent"] = {"content": text, "citations": block.pop("citations")}
    content = [blocks[index] for index in sorted(blocks)]
    return answer | {"output": {"message": {"role": "assistant", "content": content}}}


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    ((kind, value),) = delta.items()
    if kind == "text":
        block["text"] = block.get("text", "") + value
    elif kind == "toolUse":
        block["toolUse"]["input"] += value["input"]
    elif kind == "citation":
        block.setdefault("citations", []).append(value)
    elif kind == "toolResult":
        block["toolResult"].setdefault("content", []).extend(value)
    elif kind == "image":
        block["image"]["source"] = value["source"]
    elif "redactedContent" in value:
        block["reasoningContent"] = value
    else:
        whole = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
        for name, piece in value.items():
            whole[name] = whole.get(name, "") + piece


ASKS: dict[str, Ask] = {
    "openai": ask_openai,
    "openai_responses": ask_responses,
    "anthropic": ask_anthropic,
    "google": ask_google,
    "bedrock": ask_bedrock,
}


@pytest.fixture
def library(openai, anthropic, google, bedrock):
    clients = {"openai": openai, "openai_responses": openai, "anthropic": anthropic}
    return clients | {"google": google, "bedrock": bedrock}


# openai's assembler of streams warns of what other vendors have, such as Mistral's chunks.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("client", ALL)
async def test_a_library_reads_every_answer(client, stream, library, vendor):
    wrong = []
    for case in CASES:
        name, expected = f"{case.parent.name}/{case.name}", expectation(case)
        answer = await ASKS[client](library[client], model_of(case), stream)
        found = facts(client, answer)
        wanted: dict[str, Any] = {"text": expected.get("text", "")}
        wanted["calls"] = [call[:2] for call in expected.get("calls", [])]
        if client != case.parent.name:  # else it is the vendor's own answer, and passes as it is
            wanted["thinking"] = expected.get("thinking", "")
            wanted["tokens"] = tuple(expected["tokens"])
        found["calls"] = [list(call[:2]) for call in found["calls"]]
        wrong += [
            f"{name}: {key}: {found[key]!r} instead of {value!r}"
            for key, value in wanted.items()
            if found[key] != value
        ]
        if len(vendor.asked[name]) != 2:
            wrong.append(f"{name}: no next turn")
    assert "\n".join(wrong) == ""
