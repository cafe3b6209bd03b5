"""Writing a Chat Completions request from the neutral form."""

from __future__ import annotations

from typing import Any

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Part
from pilotfish.core.formats.style import Quirks, Target, Written
from pilotfish.styles._fields import Losses
from pilotfish.styles._media import tool_id
from pilotfish.styles._requests import finished
from pilotfish.styles.google.parts import SKIP_CHECK
from pilotfish.styles.google.thinking import generation
from pilotfish.styles.openai.parts import (
    google_extra,
    kind_of,
    write_cache,
    write_call_details,
    write_details,
    write_parts,
)
from pilotfish.styles.openai.same_style import with_bridges

SHARED_EXTRAS = frozenset(
    {
        "store",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_cache_options",
        "safety_identifier",
        "moderation",
    }
)
"""Fields that mean the same in Chat Completions and Responses and nothing elsewhere."""

SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})


def write_request(chat: neutral.Chat, target: Target) -> Written:
    quirks = target.quirks
    losses = Losses(chat.lost)
    body: dict[str, Any] = {
        "model": target.model,
        "messages": _write_messages(chat, target, losses),
    }
    if chat.tools:
        tools = [written for tool in chat.tools if (written := _write_tool(tool, quirks, losses))]
        if tools:
            body["tools"] = tools
            write_tool_options(chat, quirks, losses, body, _write_tool_choice)
    if chat.max_tokens is not None:
        body[quirks.max_tokens_field or "max_completion_tokens"] = chat.max_tokens
    write_sampling(chat, quirks, losses, body)
    if chat.stop:
        body["stop"] = list(chat.stop)
    for name in ("seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs"):
        value = getattr(chat, name)
        if value is not None:
            body[name] = value
    if chat.response_format:
        body["response_format"] = write_response_format(
            chat.response_format, quirks, losses, nested=True
        )
    effort = effort_word(chat, quirks, losses)
    if effort:
        body["reasoning_effort"] = effort
    if chat.thinking and chat.thinking.show:
        losses.add("thinking.show")
    write_identity(chat, losses, body)
    if chat.verbosity:
        body["verbosity"] = chat.verbosity
    _write_stream(target, body)
    write_extras(chat, "openai", losses, body)
    return finished(body, quirks, losses)


def write_tool_options(
    chat: neutral.Chat, quirks: Quirks, losses: Losses, body: dict[str, Any], write_choice: Any
) -> None:
    if chat.tool_choice:
        body["tool_choice"] = write_choice(chat.tool_choice, chat.tools)
    if chat.parallel_tool_calls is not None:
        if quirks.parallel_tool_calls:
            body["parallel_tool_calls"] = chat.parallel_tool_calls
        else:
            losses.add("parallel_tool_calls")


def write_sampling(
    chat: neutral.Chat, quirks: Quirks, losses: Losses, body: dict[str, Any]
) -> None:
    for name, known in (("temperature", True), ("top_p", True), ("top_k", quirks.top_k)):
        value = getattr(chat, name)
        if value is not None and known and quirks.sampling_fields:
            body[name] = value
        else:
            losses.add_if(name, value)


def effort_word(chat: neutral.Chat, quirks: Quirks, losses: Losses) -> str:
    """`reasoning_effort` for what the client asked in its own terms; empty where nothing need be
    said.
    """
    thinking = chat.thinking
    if thinking is None:
        return ""
    effort = thinking.effort or (
        neutral.effort_for(thinking.budget) if thinking.budget is not None else ""
    )
    if thinking.enabled is False and thinking.effort != "none":
        # Another vendor's "off". Many models know no effort "none", and those that do not reason
        # need none.
        effort = "none" if quirks.no_effort else ""
        if not effort:
            losses.add("thinking")
    if effort and not quirks.reasoning_effort:
        losses.add("reasoning_effort")
        return ""
    return effort


def write_identity(chat: neutral.Chat, losses: Losses, body: dict[str, Any]) -> None:
    if chat.user:
        body["user"] = chat.user
    if chat.metadata:
        body["metadata"] = chat.metadata
    if chat.service_tier:
        tier = "default" if chat.service_tier == "standard_only" else chat.service_tier
        if tier in SERVICE_TIERS:
            body["service_tier"] = tier
        else:
            losses.add("service_tier")
    if chat.cache:
        losses.add("cache_control")


def write_extras(chat: neutral.Chat, style: str, losses: Losses, body: dict[str, Any]) -> None:
    """Fields of the client's own style come back as they were; of its sister style, those that both
    know.
    """
    for origin, fields in chat.extras.items():
        for name, value in fields.items():
            if (
                origin == style or (origin.startswith("openai") and name in SHARED_EXTRAS)
            ) and name not in body:
                body[name] = value
            else:
                losses.add(name)


def _write_stream(target: Target, body: dict[str, Any]) -> None:
    """Usage is always asked for: the client's stream gets it in its own style's place."""
    if target.stream:
        body["stream"] = True
        if target.quirks.stream_usage:
            body["stream_options"] = {"include_usage": True}


def _write_messages(chat: neutral.Chat, target: Target, losses: Losses) -> list[dict[str, Any]]:
    """Neighbouring turns of the assistant are one message, as chat templates of open models
    want."""
    quirks = target.quirks
    messages: list[dict[str, Any]] = []
    if chat.system:
        content = _write_system(chat.system, quirks, losses)
        messages.append({"role": "system", "content": content})
    for turn in neutral.merged(chat.turns, roles=("assistant",)):
        if turn.role == "assistant":
            messages.extend(_write_assistant(turn, target, losses))
        elif turn.role == "system":
            texts = tuple(part for part in turn.parts if isinstance(part, neutral.Text))
            messages.append({"role": "system", "content": _write_system(texts, quirks, losses)})
        else:
            messages.extend(_write_user(turn, quirks, losses))
    return with_bridges(messages) if quirks.assistant_after_tool else messages


def _write_system(texts: tuple[neutral.Text, ...], quirks: Quirks, losses: Losses) -> Any:
    """One string, since chat templates of open models want it; parts only where a cache mark must
    find its place.
    """
    if quirks.prompt_cache_breakpoints and any(text.cache for text in texts):
        return write_parts(texts, quirks, losses)
    for text in texts:
        write_cache(text.cache, quirks, losses)
    return "\n\n".join(text.text for text in texts)


def _write_user(turn: neutral.Turn, quirks: Quirks, losses: Losses) -> list[dict[str, Any]]:
    """Tool messages first, in the order of the results, then what the user said, with the media
    that tools gave back.
    """
    messages: list[dict[str, Any]] = []
    rest: list[Part] = []
    for part in turn.parts:
        if isinstance(part, neutral.ToolResult):
            texts, media = result_parts(part)
            rest.extend(media)
            write_cache(part.cache, quirks, losses)
            content = write_parts(texts, quirks, losses) or ""
            messages.append(
                {"role": "tool", "tool_call_id": tool_id(part.call_id, quirks), "content": content}
            )
        else:
            rest.append(part)
    content = write_parts(tuple(rest), quirks, losses)
    if content:
        named = {"name": turn.name} if turn.name else {}
        messages.append({"role": "user", "content": content} | named)
    return messages


def result_parts(result: neutral.ToolResult) -> tuple[tuple[Part, ...], list[Part]]:
    """A result as a tool message can hold it, which is text, and the rest, which goes to the user
    message after it, announced.

    There is no mark for errors either; the text says it.
    """
    texts = [part for part in result.parts if isinstance(part, neutral.Text)]
    media: list[Part] = [part for part in result.parts if not isinstance(part, neutral.Text)]
    if result.is_error:
        texts = marked_as_error(texts)
    if media:
        texts = texts or [neutral.Text("(see the next message)")]
        media = [neutral.Text(f"Output of tool call {result.call_id}:"), *media]
    return tuple(texts), media


def marked_as_error(texts: list[neutral.Text]) -> list[neutral.Text]:
    """The texts of a result, the first of which says that it is an error."""
    if not texts:
        return [neutral.Text("Error")]
    first = texts[0]
    return (
        texts
        if first.text.lower().startswith("error")
        else [neutral.Text(f"Error: {first.text}", first.cache), *texts[1:]]
    )


def _write_assistant(turn: neutral.Turn, target: Target, losses: Losses) -> list[dict[str, Any]]:
    """One message; none where nothing is left of the turn, since an empty one is refused."""
    quirks = target.quirks
    message: dict[str, Any] = {"role": "assistant"}
    text, refusal = "", ""
    calls: list[neutral.ToolCall] = []
    thoughts: list[neutral.Thinking] = []
    signature: neutral.Signature | None = None
    for part in turn.parts:
        write_cache(getattr(part, "cache", None), Quirks(), losses)
        if isinstance(part, neutral.Text):
            text += part.text
            signature = part.signature or signature
        elif isinstance(part, neutral.Refusal):
            refusal += part.text
        elif isinstance(part, neutral.ToolCall):
            calls.append(part)
        elif isinstance(part, neutral.Thinking):
            thoughts.append(part)
        elif isinstance(part, neutral.Audio) and part.id and part.origin == "openai":
            message["audio"] = {"id": part.id}
        else:
            losses.add(f"messages.{kind_of(part)}")
    if not (text or refusal or calls or thoughts or len(message) > 1):
        return []
    message["content"] = text if text or not (calls or refusal) else None
    if turn.name:
        message["name"] = turn.name
    if refusal:
        message["refusal"] = refusal
    if calls:
        message["tool_calls"] = _write_calls(calls, target, losses)
    if signature and quirks.google_signatures and signature.origin == "google":
        message["extra_content"] = google_extra(signature.value)
    elif signature and quirks.reasoning_field != "reasoning_details":
        losses.add("messages.signature")
    _write_thoughts(thoughts, calls, quirks, losses, message)
    return [message] if message.keys() != {"role", "content"} or message["content"] else []


def _write_calls(
    calls: list[neutral.ToolCall], target: Target, losses: Losses
) -> list[dict[str, Any]]:
    """The calls with Gemini's signatures where the service takes them. Gemini 3 refuses the first
    call of a turn without one, as of another vendor's model; a word of Google's stands for it."""
    quirks = target.quirks
    written = [write_tool_call(call, tool_id(call.id, quirks)) for call in calls]
    if quirks.google_signatures:
        if generation(target.model) >= 3 and not any("extra_content" in call for call in written):
            written[0]["extra_content"] = google_extra(SKIP_CHECK)
        return written
    for call in written:
        if call.pop("extra_content", None) and quirks.reasoning_field != "reasoning_details":
            losses.add("messages.tool_calls.signature")
    return written


def _write_thoughts(
    thoughts: list[neutral.Thinking],
    calls: list[neutral.ToolCall],
    quirks: Quirks,
    losses: Losses,
    message: dict[str, Any],
) -> None:
    field = quirks.reasoning_field
    text = "\n\n".join(thought.text for thought in thoughts if thought.text)
    if not field:
        if thoughts:
            losses.add("messages.thinking")
        return
    if field == "reasoning_details":
        details = [item for thought in thoughts for item in write_details(thought)]
        details += [item for call in calls for item in write_call_details(call)]
        if details:
            message[field] = [item | {"index": index} for index, item in enumerate(details)]
            return
        field = "reasoning"
    if any(thought.signature for thought in thoughts):
        losses.add("messages.thinking.signature")
    if field == "content":
        if text:
            thinking = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
            answer = [{"type": "text", "text": message["content"]}] if message["content"] else []
            message["content"] = [thinking | {"closed": True}, *answer]
    elif text or (calls and quirks.reasoning_with_calls):
        message[field] = text


def write_tool_call(call: neutral.ToolCall, identity: str) -> dict[str, Any]:
    if call.kind == "custom":
        return {
            "id": identity,
            "type": "custom",
            "custom": {"name": call.name, "input": call.arguments},
        }
    written: dict[str, Any] = {
        "id": identity,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or "{}"},
    }
    if call.signature and call.signature.origin == "google":
        written["extra_content"] = google_extra(call.signature.value)
    return written


def _write_tool(tool: neutral.Tool, quirks: Quirks, losses: Losses) -> dict[str, Any] | None:
    write_cache(tool.cache, Quirks(), losses)
    if tool.kind == "hosted":
        losses.add(f"tools.{tool.name}")
        return None
    if tool.kind == "custom":
        custom = (
            {"name": tool.name}
            | ({"description": tool.description} if tool.description else {})
            | _nested_format(tool.raw)
        )
        return {"type": "custom", "custom": custom}
    for name in tool.raw:
        losses.add(f"tools.{name}")
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    write_strict(tool, quirks, losses, function)
    return {"type": "function", "function": function}


def _nested_format(raw: dict[str, Any]) -> dict[str, Any]:
    """A custom tool's grammar stands flat in Responses and below `grammar` here."""
    given = raw.get("format")
    if not isinstance(given, dict) or given.get("type") != "grammar" or "grammar" in given:
        return raw
    return raw | {
        "format": {
            "type": "grammar",
            "grammar": {key: value for key, value in given.items() if key != "type"},
        }
    }


def write_strict(
    tool: neutral.Tool, quirks: Quirks, losses: Losses, function: dict[str, Any]
) -> None:
    if tool.strict is not None:
        if quirks.strict_tools:
            function["strict"] = tool.strict
        else:
            losses.add("tools.strict")


def _write_tool_choice(choice: neutral.ToolChoice, tools: tuple[neutral.Tool, ...]) -> Any:
    custom = {tool.name for tool in tools if tool.kind == "custom"}
    chosen: list[dict[str, Any]] = []
    for name in choice.names:
        kind = "custom" if name in custom else "function"
        chosen.append({"type": kind, kind: {"name": name}})
    if choice.mode == "tool" and chosen:
        return chosen[0]
    if chosen:
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": chosen}}
    return choice.mode


def write_response_format(
    wanted: neutral.ResponseFormat, quirks: Quirks, losses: Losses, *, nested: bool
) -> dict[str, Any]:
    """See `request_in.read_response_format`."""
    if wanted.kind == "json" or not quirks.json_schema:
        if wanted.kind == "json_schema":
            losses.add("response_format.json_schema")
        return {"type": "json_object"}
    fields = _schema_fields(wanted)
    return {"type": "json_schema"} | ({"json_schema": fields} if nested else fields)


def _schema_fields(wanted: neutral.ResponseFormat) -> dict[str, Any]:
    """Both OpenAI styles demand a name."""
    fields: dict[str, Any] = {"name": wanted.name or "response"}
    if wanted.description:
        fields["description"] = wanted.description
    fields["schema"] = wanted.schema if wanted.schema is not None else {}
    if wanted.strict is not None:
        fields["strict"] = wanted.strict
    return fields
