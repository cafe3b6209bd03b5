"""Answers as clients of each style see them: a stream put together the way the vendor's SDK does it,
what an answer holds, and the next turn that a client makes of it.

Nothing here uses the readers and writers that are tested, so a fault in both is still seen. What is
not well-formed (a delta for a block that is not open, a block that is never closed) fails an
assertion.
"""

from __future__ import annotations

import json
from typing import Any

from bedrock_wire import events as frames
from style_wire import payloads

Json = dict[str, Any]


def answer_of(style: str, stream: bytes) -> Json:
    """The whole answer that a stream comes to, in the style's form of an answer that is no
    stream."""
    return {
        "openai": _chat,
        "openai_responses": _responses,
        "anthropic": _messages,
        "google": _generate,
        "bedrock": _converse,
    }[style](stream)


def _chat(stream: bytes) -> Json:
    found = payloads(stream)
    assert found[-1] == "[DONE]"
    message: Json = {"role": "assistant", "content": None}
    calls: dict[int, Json] = {}
    answer: Json = {"usage": None}
    finishes = []
    for chunk in found[:-1]:
        assert "error" not in chunk, chunk
        answer |= {"id": chunk["id"], "model": chunk["model"]}
        answer["usage"] = chunk.get("usage") or answer["usage"]
        for choice in chunk["choices"]:
            for name, value in choice["delta"].items():
                if name == "tool_calls":
                    for piece in value:
                        _chat_call(calls, piece)
                elif name in ("content", "refusal", "reasoning_content"):
                    message[name] = (message.get(name) or "") + value
                elif name == "audio":
                    message["audio"] = message.get("audio", {}) | value
                elif isinstance(value, list):
                    message[name] = message.get(name, []) + value
                else:
                    message[name] = value
            if choice["finish_reason"]:
                finishes.append(choice["finish_reason"])
    assert len(finishes) == 1
    if calls:
        message["tool_calls"] = list(calls.values())
    return answer | {"choices": [{"index": 0, "message": message, "finish_reason": finishes[0]}]}


def _chat_call(calls: dict[int, Json], piece: Json) -> None:
    call = calls.get(piece["index"])
    if call is None:
        assert piece["id"], "a call begins with its id"
        calls[piece["index"]] = {key: value for key, value in piece.items() if key != "index"}
        return
    for kind in ("function", "custom"):
        for name, value in piece.get(kind, {}).items():
            call[kind][name] += value


def _responses(stream: bytes) -> Json:
    found = payloads(stream)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    assert [event["type"] for event in found[:2]] == ["response.created", "response.in_progress"]
    last = found[-1]
    assert last["type"] in ("response.completed", "response.incomplete"), last
    output = last["response"]["output"]
    texts: dict[tuple[int, str], str] = {}
    added, done = [], []
    for event in found[2:-1]:
        kind, place = event["type"], event["output_index"]
        if kind == "response.output_item.added":
            assert place == len(added) == len(done), "one item after the other"
            added.append(event["item"])
        elif kind == "response.output_item.done":
            done.append(event["item"])
            assert done[-1]["id"] == added[-1]["id"], "an item keeps its id"
        else:
            assert place == len(added) - 1 == len(done), f"{kind} for an item that is not open"
            assert event["item_id"] == added[place]["id"]
            if kind.endswith(".delta"):
                key = (place, kind)
                texts[key] = texts.get(key, "") + event["delta"]
    assert done == output
    for (place, kind), text in texts.items():
        assert text in json.dumps(output[place], ensure_ascii=False) or text in str(
            _responses_text(output[place], kind)
        )
        assert text == _responses_text(output[place], kind)
    whole: Json = last["response"]
    return whole


def _responses_text(item: Json, kind: str) -> str:
    if kind.startswith("response.function_call"):
        return str(item["arguments"])
    if kind.startswith("response.custom_tool_call"):
        return str(item["input"])
    key = "summary" if "summary" in kind else "content"
    return "".join(part.get("text") or part.get("refusal") or "" for part in item[key])


def _messages(stream: bytes) -> Json:
    answer: Json = {}
    block: Json = {}
    arguments = ""
    for event in payloads(stream):
        kind = event["type"]
        if kind == "message_start":
            answer = event["message"]
        elif kind == "content_block_start":
            assert not block, "one block after the other"
            assert event["index"] == len(answer["content"])
            block, arguments = event["content_block"], ""
        elif kind == "content_block_delta":
            assert event["index"] == len(answer["content"])
            arguments += _message_delta(block, event["delta"])
        elif kind == "content_block_stop":
            if block["type"] == "tool_use":
                block["input"] = json.loads(arguments or "{}")
            answer["content"].append(block)
            block = {}
        elif kind == "message_delta":
            answer |= event["delta"]
            answer["usage"] |= event["usage"]
        elif kind == "message_stop":
            assert not block, "every block is closed"
            return answer
        else:
            assert kind == "ping", event
    raise AssertionError("no message_stop")


def _message_delta(block: Json, delta: Json) -> str:
    """Adds a delta to the open block; gives the arguments that it holds."""
    kind = delta["type"]
    if kind == "text_delta":
        assert block["type"] == "text"
        block["text"] += delta["text"]
    elif kind == "citations_delta":
        assert block["type"] == "text"
        block.setdefault("citations", []).append(delta["citation"])
    elif kind == "thinking_delta":
        assert block["type"] == "thinking"
        block["thinking"] += delta["thinking"]
    elif kind == "signature_delta":
        assert block["type"] == "thinking"
        block["signature"] = delta["signature"]
    else:
        assert (kind, block["type"]) == ("input_json_delta", "tool_use")
        return str(delta["partial_json"])
    return ""


def _generate(stream: bytes) -> Json:
    parts: list[Json] = []
    answer: Json = {}
    for chunk in payloads(stream):
        assert "error" not in chunk, chunk
        candidate = chunk["candidates"][0]
        for part in candidate["content"].get("parts", []):
            last = parts[-1] if parts else {}
            plain = set(part) - {"text", "thought"} == set() == set(last) - {"text", "thought"}
            if last and plain and last.get("thought") == part.get("thought"):
                last["text"] += part["text"]
            elif part != {"text": ""}:
                parts.append(dict(part))
        answer |= chunk | {"candidates": [candidate | {"content": {"role": "model"}}]}
    answer["candidates"][0]["content"]["parts"] = parts
    assert answer["candidates"][0].get("finishReason")
    return answer


def _converse(stream: bytes) -> Json:
    found = frames(stream)
    assert found[0] == ("messageStart", {"role": "assistant"})
    assert [name for name, _ in found[-2:]] == ["messageStop", "metadata"]
    content: list[Json] = []
    block: Json | None = None
    for name, event in found[1:-2]:
        if name == "ping":
            continue
        assert event["contentBlockIndex"] == len(content), f"{name} for a block that is not open"
        if name == "contentBlockStart":
            assert block is None, "one block after the other"
            block = _started(event["start"])
        elif name == "contentBlockDelta":
            block = {} if block is None else block
            _converse_delta(block, event["delta"])
        else:
            assert name == "contentBlockStop"
            assert block is not None
            content.append(_ended(block))
            block = None
    assert block is None, "every block is closed"
    stop, end = found[-2][1], found[-1][1]
    return {"output": {"message": {"role": "assistant", "content": content}}} | stop | end


def _started(start: Json) -> Json:
    if "toolUse" in start:
        return {"toolUse": start["toolUse"] | {"input": ""}}
    if "toolResult" in start:
        return {"toolResult": start["toolResult"] | {"content": []}}
    return {"image": start["image"] | {"source": {}}}


def _converse_delta(block: Json, delta: Json) -> None:
    (kind, value), *_ = delta.items()
    if kind == "text":
        assert set(block) <= {"text", "citations"}
        block["text"] = block.get("text", "") + value
    elif kind == "citation":
        assert set(block) <= {"text", "citations"}
        block.setdefault("citations", []).append(value)
    elif kind == "toolUse":
        block["toolUse"]["input"] += value["input"]
    elif kind == "toolResult":
        block["toolResult"]["content"] += value
    elif kind == "image":
        block["image"]["source"] |= value["source"]
    else:
        inner = block.setdefault("reasoningContent", {})
        assert set(block) == {"reasoningContent"}
        for name, piece in value.items():
            inner[name] = inner.get(name, "") + piece


def _ended(block: Json) -> Json:
    if "toolUse" in block:
        call = block["toolUse"]
        return {"toolUse": call | {"input": json.loads(call["input"] or "{}")}}
    if "citations" in block:
        text = [{"text": block["text"]}] if block.get("text") else []
        return {"citationsContent": {"content": text, "citations": block["citations"]}}
    reasoning = block.get("reasoningContent")
    if reasoning and "redactedContent" not in reasoning:
        return {"reasoningContent": {"reasoningText": reasoning}}
    return block


# --- what an answer holds ---


def facts(style: str, answer: Json) -> Json:
    """Text, thinking, calls (name, arguments, id), images and cited addresses of an answer, its
    finish and its token counts, in one form for all styles."""
    found = {
        "openai": _chat_facts,
        "openai_responses": _responses_facts,
        "anthropic": _messages_facts,
        "google": _generate_facts,
        "bedrock": _converse_facts,
    }[style](answer)
    return {"text": "", "thinking": "", "calls": [], "images": 0, "cited": [], "hour": None} | found


def _chat_facts(answer: Json) -> Json:
    choice = answer["choices"][0]
    message, counts = choice["message"], answer.get("usage") or {}
    calls = [
        (call["function"]["name"], json.loads(call["function"]["arguments"]), call["id"])
        for call in message.get("tool_calls") or ()
    ]
    return {
        "text": (message.get("content") or "") + (message.get("refusal") or ""),
        "thinking": message.get("reasoning_content") or "",
        "calls": calls,
        "images": len(message.get("images") or ()),
        "cited": [note["url_citation"]["url"] for note in message.get("annotations") or ()],
        "finish": choice["finish_reason"],
        "tokens": (counts.get("prompt_tokens"), counts.get("completion_tokens")),
        "cached": counts.get("prompt_tokens_details", {}).get("cached_tokens", 0),
        "reasoning": counts.get("completion_tokens_details", {}).get("reasoning_tokens", 0),
    }


def _responses_facts(answer: Json) -> Json:
    output, counts = answer["output"], answer["usage"]
    content = [part for item in output if item["type"] == "message" for part in item["content"]]
    calls = [
        (item["name"], json.loads(item["arguments"]), item["call_id"])
        for item in output
        if item["type"] == "function_call"
    ]
    notes = [note for part in content for note in part.get("annotations", ())]
    for part in content:
        assert all(isinstance(token["bytes"], list) for token in part.get("logprobs", ()))
    thoughts = [
        "".join(part["text"] for part in item["summary"])
        for item in output
        if item["type"] == "reasoning"
    ]
    reason = (answer["incomplete_details"] or {}).get("reason")
    return {
        "text": "".join(part.get("text") or part.get("refusal") or "" for part in content),
        "thinking": "".join(thoughts),
        "calls": calls,
        "images": len([item for item in output if item["type"] == "image_generation_call"]),
        "cited": [note.get("url", "") for note in notes],
        "finish": reason or ("tool_calls" if calls else "completed"),
        "tokens": (counts["input_tokens"], counts["output_tokens"]),
        "cached": counts["input_tokens_details"]["cached_tokens"],
        "reasoning": counts["output_tokens_details"]["reasoning_tokens"],
    }


def _messages_facts(answer: Json) -> Json:
    blocks, counts = answer["content"], answer["usage"]
    cached, written = counts["cache_read_input_tokens"], counts["cache_creation_input_tokens"]
    texts = [block for block in blocks if block["type"] == "text"]
    assert all(text.get("citations", True) for text in texts), "strict clients refuse null and none"
    return {
        "text": "".join(block["text"] for block in texts),
        "thinking": "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        "calls": [
            (block["name"], block["input"], block["id"])
            for block in blocks
            if block["type"] == "tool_use"
        ],
        "cited": [note.get("url", "") for text in texts for note in text.get("citations") or ()],
        "finish": answer["stop_reason"],
        "tokens": (counts["input_tokens"] + cached + written, counts["output_tokens"]),
        "cached": cached,
        "reasoning": counts.get("output_tokens_details", {}).get("thinking_tokens", 0),
        "hour": counts.get("cache_creation", {}).get("ephemeral_1h_input_tokens", 0),
    }


def _generate_facts(answer: Json) -> Json:
    candidate, counts = answer["candidates"][0], answer.get("usageMetadata", {})
    parts = candidate["content"]["parts"]
    chunks = candidate.get("groundingMetadata", {}).get("groundingChunks", [])
    thought = counts.get("thoughtsTokenCount", 0)
    return {
        "text": "".join(part.get("text", "") for part in parts if not part.get("thought")),
        "thinking": "".join(part.get("text", "") for part in parts if part.get("thought")),
        "calls": [
            (
                part["functionCall"]["name"],
                part["functionCall"]["args"],
                part["functionCall"].get("id"),
            )
            for part in parts
            if "functionCall" in part
        ],
        "images": len([part for part in parts if "inlineData" in part]),
        "cited": [chunk["web"].get("uri", "") for chunk in chunks if "web" in chunk],
        "finish": candidate["finishReason"],
        "tokens": (
            counts.get("promptTokenCount"),
            counts.get("candidatesTokenCount", 0) + thought,
        ),
        "cached": counts.get("cachedContentTokenCount", 0),
        "reasoning": thought,
    }


def _converse_facts(answer: Json) -> Json:
    blocks, counts = answer["output"]["message"]["content"], answer["usage"]
    cached = counts.get("cacheReadInputTokens", 0)
    read = cached + counts.get("cacheWriteInputTokens", 0)
    cited = [block["citationsContent"] for block in blocks if "citationsContent" in block]
    texts = [
        block["text"]
        if "text" in block
        else "".join(part["text"] for part in block["citationsContent"]["content"])
        for block in blocks
        if "text" in block or "citationsContent" in block
    ]
    thoughts = [
        block["reasoningContent"].get("reasoningText", {}).get("text", "")
        for block in blocks
        if "reasoningContent" in block
    ]
    return {
        "text": "".join(texts),
        "thinking": "".join(thoughts),
        "calls": [
            (block["toolUse"]["name"], block["toolUse"]["input"], block["toolUse"]["toolUseId"])
            for block in blocks
            if "toolUse" in block and block["toolUse"].get("type") != "server_tool_use"
        ],
        "images": len([block for block in blocks if "image" in block]),
        "cited": [_converse_url(note) for block in cited for note in block["citations"]],
        "finish": answer["stopReason"],
        "tokens": (counts["inputTokens"] + read, counts["outputTokens"]),
        "cached": cached,
        "reasoning": None,  # Converse has no count of its own for it
        "hour": sum(
            detail["inputTokens"]
            for detail in counts.get("cacheDetails", ())
            if detail["ttl"] == "1h"
        ),
    }


def _converse_url(note: Json) -> str:
    return str(note.get("source") or note.get("location", {}).get("web", {}).get("url", ""))


# --- the next turn ---


def next_turn(style: str, first: Json, answer: Json) -> bytes:
    """The request that a client sends after an answer: its first one, the answer as it came, and
    for each call a result, or else a word of its own."""
    return json.dumps(
        {
            "openai": _next_chat,
            "openai_responses": _next_response,
            "anthropic": _next_message,
            "google": _next_content,
            "bedrock": _next_converse,
        }[style](first, answer)
    ).encode()


RESULT = "18 degrees"
THANKS = "Thank you. And tomorrow?"


def _next_chat(first: Json, answer: Json) -> Json:
    message = answer["choices"][0]["message"]
    after = [
        {"role": "tool", "tool_call_id": call["id"], "content": RESULT}
        for call in message.get("tool_calls") or ()
    ]
    turn = after or [{"role": "user", "content": THANKS}]
    return first | {"messages": [*first["messages"], message, *turn]}


def _next_response(first: Json, answer: Json) -> Json:
    after = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": RESULT}
        for item in answer["output"]
        if item["type"] == "function_call"
    ]
    thanks = {"type": "message", "role": "user", "content": THANKS}
    return first | {"input": [*first["input"], *answer["output"], *(after or [thanks])]}


def _next_message(first: Json, answer: Json) -> Json:
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": RESULT}
        for block in answer["content"]
        if block["type"] == "tool_use"
    ]
    return first | {
        "messages": [
            *first["messages"],
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": results or THANKS},
        ]
    }


def _next_content(first: Json, answer: Json) -> Json:
    said = answer["candidates"][0]["content"]
    calls = [part["functionCall"] for part in said["parts"] if "functionCall" in part]
    results = [
        {
            "functionResponse": {key: value for key, value in call.items() if key in ("id", "name")}
            | {"response": {"output": RESULT}}
        }
        for call in calls
    ]
    turn = {"role": "user", "parts": results or [{"text": THANKS}]}
    return first | {"contents": [*first["contents"], said, turn]}


def _next_converse(first: Json, answer: Json) -> Json:
    message = answer["output"]["message"]
    results = [
        {
            "toolResult": {
                "toolUseId": block["toolUse"]["toolUseId"],
                "content": [{"text": RESULT}],
            }
        }
        for block in message["content"]
        if "toolUse" in block and block["toolUse"].get("type") != "server_tool_use"
    ]
    turn = {"role": "user", "content": results or [{"text": THANKS}]}
    return first | {"messages": [*first["messages"], message, turn]}


# --- comparing ---


def matches(found: Any, wanted: Any) -> bool:
    """Whether it is as wanted; objects may hold more."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            matches(found.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(map(matches, found, wanted))
        )
    return bool(found == wanted) or (
        isinstance(wanted, str)
        and wanted.startswith("{")
        and json.loads(found) == json.loads(wanted)
    )
