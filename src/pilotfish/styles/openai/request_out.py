"""Writing a Chat Completions request from the neutral form."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pilotfish.core.formats import neutral
from pilotfish.core.formats.style import Quirks, Target, Written
from pilotfish.styles._fields import Losses
from pilotfish.styles._requests import finished
from pilotfish.styles._schemas import is_strict, with_object_on_top
from pilotfish.styles.openai.messages_out import write_messages
from pilotfish.styles.openai.parts import write_cache

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

_NO_NAME_LETTERS = re.compile(r"[^A-Za-z0-9_-]")

SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})


def write_request(chat: neutral.Chat, target: Target) -> Written:
    quirks = target.quirks
    losses = Losses(chat.lost)
    body: dict[str, Any] = {
        "model": target.model,
        "messages": write_messages(chat, target, losses),
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
        function["parameters"] = with_object_on_top(tool.schema, properties=True)
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
    if tool.strict is None:
        return
    if quirks.strict_tools and (not tool.strict or is_strict(tool.schema)):
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
    if wanted.strict and not is_strict(wanted.schema):
        losses.add("response_format.strict")
        wanted = msgspec.structs.replace(wanted, strict=None)
    fields = _schema_fields(wanted)
    return {"type": "json_schema"} | ({"json_schema": fields} if nested else fields)


def _schema_fields(wanted: neutral.ResponseFormat) -> dict[str, Any]:
    """Both OpenAI styles demand a name."""
    fields: dict[str, Any] = {"name": _NO_NAME_LETTERS.sub("_", wanted.name)[:64] or "response"}
    if wanted.description:
        fields["description"] = wanted.description
    fields["schema"] = wanted.schema if wanted.schema is not None else {}
    if wanted.strict is not None:
        fields["strict"] = wanted.strict
    return fields
