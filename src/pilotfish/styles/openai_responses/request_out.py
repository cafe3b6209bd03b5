"""Writing a Responses request from the neutral form."""

from __future__ import annotations

from typing import Any

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Part
from pilotfish.core.formats.style import Quirks, Target, Written
from pilotfish.styles._fields import Losses
from pilotfish.styles._media import data_url, file_name, tool_id
from pilotfish.styles._requests import finished, kind_of
from pilotfish.styles._schemas import with_object_on_top
from pilotfish.styles.openai.messages_out import marked_as_error
from pilotfish.styles.openai.parts import (
    ORIGINS,
    audio_item,
    document_words,
    write_cache,
)
from pilotfish.styles.openai.request_out import (
    effort_word,
    write_extras,
    write_identity,
    write_response_format,
    write_sampling,
    write_strict,
    write_tool_options,
)

MIN_OUTPUT_TOKENS = 16  # less is refused

_UNKNOWN = ("stop", "seed", "presence_penalty", "frequency_penalty")


def write_request(chat: neutral.Chat, target: Target) -> Written:
    quirks = target.quirks
    losses = Losses(chat.lost)
    body: dict[str, Any] = {"model": target.model}
    if chat.system:
        for block in chat.system:
            write_cache(block.cache, Quirks(), losses)  # instructions are one string
        body["instructions"] = "\n\n".join(block.text for block in chat.system)
    body["input"] = [item for turn in chat.turns for item in _write_turn(turn, quirks, losses)]
    tools = [written for tool in chat.tools if (written := _write_tool(tool, quirks, losses))]
    if tools:
        body["tools"] = tools
        write_tool_options(chat, quirks, losses, body, _write_tool_choice)
    if chat.max_tokens is not None:
        body["max_output_tokens"] = max(chat.max_tokens, MIN_OUTPUT_TOKENS)
        if chat.max_tokens < MIN_OUTPUT_TOKENS:
            losses.add("max_tokens")
    write_sampling(chat, quirks, losses, body)
    text = _write_text(chat, quirks, losses)
    if text:
        body["text"] = text
    reasoning = _write_reasoning(chat, quirks, losses)
    if reasoning:
        body["reasoning"] = reasoning
    include = _write_include(chat, losses)
    if include:
        body["include"] = include
    if chat.top_logprobs is not None:
        body["top_logprobs"] = chat.top_logprobs
    write_identity(chat, losses, body)
    for name in _UNKNOWN:
        losses.add_if(name, getattr(chat, name))
    if target.stream:
        body["stream"] = True
    if (
        "openai_responses" not in chat.extras
        or "previous_response_id" not in chat.extras["openai_responses"]
    ):
        body["store"] = _stored(chat)
    write_extras(chat, "openai_responses", losses, body)
    return finished(body, quirks, losses)


def _stored(chat: neutral.Chat) -> bool:
    """OpenAI stores by default here and only here; a client that did not ask for it is not
    stored.
    """
    return any(
        fields.get("store") is True for origin, fields in chat.extras.items() if origin in ORIGINS
    )


def _write_include(chat: neutral.Chat, losses: Losses) -> list[str]:
    """Encrypted reasoning is asked for where there is reasoning to come: models that do none refuse
    the word.
    """
    own = chat.extras.get("openai_responses", {}).get("include")
    include = [word for word in own if isinstance(word, str)] if isinstance(own, list) else []
    replayed = any(_is_own(part) for turn in chat.turns for part in turn.parts)
    if replayed or (chat.thinking and chat.thinking.enabled):
        include.append("reasoning.encrypted_content")
    if chat.logprobs:
        include.append("message.output_text.logprobs")
    return include


def _is_own(part: Part) -> bool:
    return (
        isinstance(part, neutral.Thinking)
        and part.signature is not None
        and part.signature.origin == "openai_responses"
    )


def _write_reasoning(chat: neutral.Chat, quirks: Quirks, losses: Losses) -> dict[str, Any]:
    effort = effort_word(chat, quirks, losses)
    reasoning: dict[str, Any] = {"effort": effort} if effort else {}
    thinking = chat.thinking
    if thinking and quirks.reasoning_effort:
        # Other styles show their thinking unless asked not to; here it must be asked for.
        if thinking.summary:
            reasoning["summary"] = thinking.summary
        elif (
            thinking.enabled
            and thinking.show is not False
            and "openai_responses" not in chat.extras
        ):
            reasoning["summary"] = "auto"
    return reasoning


def _write_text(chat: neutral.Chat, quirks: Quirks, losses: Losses) -> dict[str, Any]:
    text: dict[str, Any] = {}
    if chat.response_format:
        text["format"] = write_response_format(chat.response_format, quirks, losses, nested=False)
    if chat.verbosity:
        text["verbosity"] = chat.verbosity
    return text


# --- input ---


def _write_turn(turn: neutral.Turn, quirks: Quirks, losses: Losses) -> list[dict[str, Any]]:
    """The items of one turn in their order; what stands between two calls is one message."""
    items: list[dict[str, Any]] = []
    message: list[Part] = []

    def end_message() -> None:
        content = write_content(tuple(message), turn.role, quirks, losses)
        message.clear()
        if content:
            role = "developer" if turn.role == "system" and quirks.developer_role else turn.role
            items.append({"type": "message", "role": role, "content": content})

    if turn.name:
        losses.add("messages.name")
    for part in turn.parts:
        if isinstance(
            part, neutral.ToolCall | neutral.ToolResult | neutral.Thinking | neutral.Opaque
        ):
            end_message()
            items.extend(_write_item(part, quirks, losses))
        else:
            message.append(part)
    end_message()
    return items


def _write_item(
    part: neutral.ToolCall | neutral.ToolResult | neutral.Thinking | neutral.Opaque,
    quirks: Quirks,
    losses: Losses,
) -> list[dict[str, Any]]:
    if isinstance(part, neutral.ToolCall):
        write_cache(part.cache, Quirks(), losses)
        if part.signature:
            losses.add("messages.tool_calls.signature")
        identity = tool_id(part.id, quirks)
        if part.kind == "custom":
            return [
                {
                    "type": "custom_tool_call",
                    "call_id": identity,
                    "name": part.name,
                    "input": part.arguments,
                }
            ]
        return [
            {
                "type": "function_call",
                "call_id": identity,
                "name": part.name,
                "arguments": part.arguments or "{}",
            }
        ]
    if isinstance(part, neutral.ToolResult):
        return [_write_result(part, quirks, losses)]
    if isinstance(part, neutral.Thinking):
        return _write_thinking(part, losses)
    if part.origin == "openai_responses":
        return [part.raw]
    losses.add(f"messages.{kind_of(part)}")
    return []


def _write_thinking(part: neutral.Thinking, losses: Losses) -> list[dict[str, Any]]:
    """Only OpenAI's own encrypted reasoning may come back. It goes without its id: with it OpenAI
    demands the item that it belongs to, by the id that this one had ("reasoning was provided
    without its required following item"), and the ids of other items are not kept.
    """
    signature = part.signature
    if signature is None or signature.origin != "openai_responses":
        losses.add("messages.thinking")
        return []
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    return [{"type": "reasoning", "summary": summary, "encrypted_content": signature.value}]


def _write_result(result: neutral.ToolResult, quirks: Quirks, losses: Losses) -> dict[str, Any]:
    """There is no mark for errors here; the text says it."""
    write_cache(result.cache, Quirks(), losses)
    parts = result.parts
    if result.is_error:
        texts = marked_as_error([part for part in parts if isinstance(part, neutral.Text)])
        parts = (*texts, *(part for part in parts if not isinstance(part, neutral.Text)))
    content = write_content(parts, "user", quirks, losses)
    plain = len(content) == 1 and content[0].keys() == {"type", "text"}
    output: Any = content[0]["text"] if plain else content or ""
    kind = "custom_tool_call_output" if result.kind == "custom" else "function_call_output"
    return {"type": kind, "call_id": tool_id(result.call_id, quirks), "output": output}


def write_content(
    parts: tuple[Part, ...], role: str, quirks: Quirks, losses: Losses
) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for part in parts:
        items = _write_part(part, role, losses)
        mark = write_cache(getattr(part, "cache", None), quirks, losses)
        if items and mark and role != "assistant":
            items[-1]["prompt_cache_breakpoint"] = mark
        content.extend(items)
    return content


def _write_part(part: Part, role: str, losses: Losses) -> list[dict[str, Any]]:
    if isinstance(part, neutral.Refusal) and role == "assistant":
        return [{"type": "refusal", "refusal": part.text}]
    if isinstance(part, neutral.Text | neutral.Refusal):
        if role == "assistant":
            return [{"type": "output_text", "text": part.text, "annotations": []}]
        return [{"type": "input_text", "text": part.text}]
    if role == "assistant":
        losses.add(f"messages.{kind_of(part)}")
        return []
    if isinstance(part, neutral.Image):
        return _write_image(part, losses)
    if isinstance(part, neutral.Document):
        return _write_document(part, losses)
    if isinstance(part, neutral.Audio) and part.data:
        return [audio_item(part)]
    losses.add(f"messages.{kind_of(part)}")
    return []


def _write_image(image: neutral.Image, losses: Losses) -> list[dict[str, Any]]:
    item: dict[str, Any] = {"type": "input_image", "detail": image.detail or "auto"}
    if image.file_id:
        if image.origin not in ORIGINS:
            losses.add("messages.image.file_id")
            return []
        return [item | {"file_id": image.file_id}]
    return [
        item
        | {
            "image_url": data_url(image.media_type or "image/png", image.data)
            if image.data
            else image.url
        }
    ]


def _write_document(document: neutral.Document, losses: Losses) -> list[dict[str, Any]]:
    words = document_words(document, losses)
    items = [item for part in words for item in _write_part(part, "user", losses)]
    if document.text or document.parts:
        return items
    if document.file_id:
        if document.origin not in ORIGINS:
            losses.add("messages.document.file_id")
            return items
        return [*items, {"type": "input_file", "file_id": document.file_id}]
    if document.url:
        return [*items, {"type": "input_file", "file_url": document.url}]
    file: dict[str, Any] = {
        "type": "input_file",
        "filename": file_name(document.name, document.media_type),
        "file_data": data_url(document.media_type, document.data),
    }
    return [*items, file]


# --- tools ---


def _write_tool(tool: neutral.Tool, quirks: Quirks, losses: Losses) -> dict[str, Any] | None:
    write_cache(tool.cache, Quirks(), losses)
    own = tool.origin in ORIGINS
    if tool.kind == "hosted":
        if tool.origin == "openai_responses":
            return tool.raw
        losses.add(f"tools.{tool.name}")
        return None
    if tool.kind == "custom":
        description = {"description": tool.description} if tool.description else {}
        return {"type": "custom", "name": tool.name} | description | _flat_format(tool.raw)
    if not own:
        for name in tool.raw:
            losses.add(f"tools.{name}")
    function: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = with_object_on_top(tool.schema, properties=True)
    write_strict(tool, quirks, losses, function)
    function.setdefault("strict", tool.strict is None and tool.origin == "openai_responses")
    return function | (tool.raw if own else {})


def _flat_format(raw: dict[str, Any]) -> dict[str, Any]:
    """A custom tool's grammar stands below `grammar` in Chat Completions and flat here."""
    given = raw.get("format")
    if not isinstance(given, dict) or not isinstance(given.get("grammar"), dict):
        return raw
    return raw | {"format": {"type": "grammar"} | given["grammar"]}


def _write_tool_choice(choice: neutral.ToolChoice, tools: tuple[neutral.Tool, ...]) -> Any:
    kinds = {tool.name: tool.kind for tool in tools}
    chosen: list[dict[str, Any]] = []
    for name in choice.names:
        kind = kinds.get(name, "function")
        chosen.append({"type": name} if kind == "hosted" else {"type": kind, "name": name})
    if choice.mode == "tool" and chosen:
        return chosen[0]
    if chosen:
        return {"type": "allowed_tools", "mode": choice.mode, "tools": chosen}
    return choice.mode
