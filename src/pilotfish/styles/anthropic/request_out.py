"""Writing an Anthropic Messages request from the neutral form."""

from __future__ import annotations

import re
from typing import Any

from pilotfish.core.formats.neutral import Chat, Text, Tool, ToolCall
from pilotfish.core.formats.style import Quirks, Target, Written
from pilotfish.styles._fields import Losses
from pilotfish.styles._requests import (
    ANSWER_IN_JSON,
    BEGINNING,
    CONTINUE,
    add_message,
    alternating,
    claude_sampling,
    finished,
    offered_tools,
    stop_sequences,
)
from pilotfish.styles._schemas import CLAUDE, fitted, is_expressible, with_object_on_top
from pilotfish.styles.anthropic.blocks_out import Block, marked, write_blocks, write_cache
from pilotfish.styles.anthropic.structured import tool_for
from pilotfish.styles.anthropic.thinking import ThinkingPlan, plan_thinking

DEFAULT_MAX_TOKENS = 8192

# The most that each family may write, used where the client set no limit: Anthropic demands one,
# and a lower one would cap in silence. Source: "Models overview"
# (platform.claude.com/docs/en/about-claude/models/overview), read 2026-11. First match counts.
_MAX_TOKENS = (
    (r"claude-(opus|sonnet)-4-[6-8]", 128_000),
    (r"claude-opus-4-5|claude-sonnet-4|claude-haiku-4|claude-3-7", 64_000),
    (r"claude-opus-4", 32_000),
    (r"claude-3-5", 8192),
    (r"claude-3-", 4096),
)

# What has no place in this style, by its name in the neutral form.
_UNKNOWN = (
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "verbosity",
    "metadata",
)

_SERVICE_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


def max_tokens_for(model: str, quirks: Quirks) -> int:
    """The limit for a request that has none."""
    if quirks.default_max_tokens is not None:
        return quirks.default_max_tokens
    return next(
        (limit for pattern, limit in _MAX_TOKENS if re.search(pattern, model)), DEFAULT_MAX_TOKENS
    )


def write_request(chat: Chat, target: Target) -> Written:
    quirks = target.quirks
    losses = Losses(chat.lost)
    tools, choice = _write_tools(chat, quirks, losses)
    forced = choice is not None and choice["type"] in ("any", "tool")
    plan = plan_thinking(chat, quirks, losses, forced=forced)
    limit = chat.max_tokens if chat.max_tokens is not None else max_tokens_for(target.model, quirks)
    body: dict[str, Any] = {
        "model": target.model,
        "max_tokens": plan.max_tokens(limit, given=chat.max_tokens is not None),
    }
    system = _write_system(chat, quirks, losses)
    messages = _write_messages(chat, quirks, losses, plan)
    if system and not messages:  # Anthropic wants a user's turn, so the instructions are it
        messages, system = [{"role": "user", "content": system}], None
    if system:
        body["system"] = system
    body["messages"] = messages
    if tools:
        body["tools"] = tools
        if choice:
            body["tool_choice"] = choice
    _write_sampling(chat, quirks, plan, losses, body)
    if plan.thinking:
        body["thinking"] = plan.thinking
    config = _write_output_config(chat, quirks, plan)
    if config:
        body["output_config"] = config
    _write_identity(chat, losses, body)
    if target.stream:
        body["stream"] = True
    for origin, fields in chat.extras.items():
        for name, value in fields.items():
            if origin == "anthropic" and name not in body:
                body[name] = value
            else:
                losses.add(name)
    for name in _UNKNOWN:
        losses.add_if(name, getattr(chat, name))
    return finished(body, quirks, losses)


def _write_sampling(
    chat: Chat, quirks: Quirks, plan: ThinkingPlan, losses: Losses, body: dict[str, Any]
) -> None:
    given = claude_sampling(chat, quirks, losses, thinks=plan.thinks, one_of_two=True)
    for name in ("temperature", "top_p", "top_k"):
        if (value := getattr(given, name)) is not None:
            body[name] = value
    if stops := stop_sequences(chat, losses, blank=False):
        body["stop_sequences"] = stops


def _write_identity(chat: Chat, losses: Losses, body: dict[str, Any]) -> None:
    if chat.user:
        body["metadata"] = {"user_id": chat.user}
    if chat.service_tier:
        tier = _SERVICE_TIERS.get(chat.service_tier)
        if tier:
            body["service_tier"] = tier
        else:
            losses.add("service_tier")
    if chat.cache:
        body["cache_control"] = write_cache(chat.cache)


def _write_output_config(chat: Chat, quirks: Quirks, plan: ThinkingPlan) -> Block:
    config: Block = {"effort": plan.effort} if plan.effort else {}
    if _has_format(chat, quirks):
        assert chat.response_format is not None
        schema = fitted(chat.response_format.schema or {}, CLAUDE)
        config["format"] = {"type": "json_schema", "schema": schema}
    return config


def _has_format(chat: Chat, quirks: Quirks) -> bool:
    """Whether the answer's schema goes out as such; else a tool stands for it."""
    wanted = chat.response_format
    return (
        quirks.output_format
        and wanted is not None
        and wanted.kind == "json_schema"
        and wanted.schema is not None
        and is_expressible(wanted.schema, CLAUDE)
    )


def _write_system(chat: Chat, quirks: Quirks, losses: Losses) -> Any:
    texts = [text for text in chat.system if text.text.strip()]
    if chat.response_format and chat.response_format.kind == "json":
        texts.append(Text(ANSWER_IN_JSON))
    if not texts:
        return None
    if len(texts) == 1 and not texts[0].cache:
        return texts[0].text
    return write_blocks(tuple(texts), quirks, losses)


def _write_messages(chat: Chat, quirks: Quirks, losses: Losses, plan: ThinkingPlan) -> list[Block]:
    """Turns of alternating roles, the user's first, tool results at the head of theirs."""
    messages: list[Block] = []
    for turn in alternating(chat, losses, system_turns=quirks.system_turns):
        add_message(messages, turn.role, write_blocks(turn.parts, quirks, losses))
    for message in messages:
        message["content"] = _plain(message["content"])
    if messages and messages[0]["role"] == "assistant":
        messages.insert(0, {"role": "user", "content": BEGINNING})
    if messages and messages[-1]["role"] == "assistant":
        _end_with_assistant(messages, quirks, plan, losses)
    return messages


def _plain(blocks: list[Block]) -> Any:
    return (
        blocks[0]["text"] if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} else blocks
    )


def _end_with_assistant(
    messages: list[Block], quirks: Quirks, plan: ThinkingPlan, losses: Losses
) -> None:
    """A prefill: its end must not be blank, and models that think, or are newer, take none and are
    asked to go on instead.
    """
    if not quirks.prefill or plan.thinks:
        messages.append({"role": "user", "content": CONTINUE})
        losses.add("messages.prefill")
        return
    content = messages[-1]["content"]
    if isinstance(content, str):
        messages[-1]["content"] = content.rstrip() or content
    elif content[-1]["type"] == "text":
        content[-1]["text"] = content[-1]["text"].rstrip() or content[-1]["text"]


# --- tools ---


def _write_tools(chat: Chat, quirks: Quirks, losses: Losses) -> tuple[list[Block], Block | None]:
    tools = [
        written for tool in offered_tools(chat) if (written := _write_tool(tool, quirks, losses))
    ]
    choice = _write_choice(chat, bool(tools))
    wanted = chat.response_format
    if wanted and wanted.kind == "json_schema" and not _has_format(chat, quirks):
        answer = tool_for(wanted.schema or {"type": "object"}, wanted.description)
        kind = choice["type"] if choice else "auto"
        if not tools or kind == "none":
            choice = {"type": "tool", "name": answer["name"]}
        elif (
            kind == "auto"
        ):  # beside the client's own tools any may be called, the answer's among them
            choice = (choice or {}) | {"type": "any"}
        tools.append(answer)
    if not tools:
        return _tools_of_the_past(chat), None
    return tools, choice


def _write_tool(tool: Tool, quirks: Quirks, losses: Losses) -> Block | None:
    if tool.kind != "function":
        if tool.kind == "hosted" and tool.origin == "anthropic":
            return tool.raw
        losses.add(f"tools.{tool.name}")
        return None
    block: Block = {"name": tool.name}
    if tool.description:
        block["description"] = tool.description
    schema = with_object_on_top(tool.schema)
    knows_strict = quirks.output_format and quirks.strict_tools
    if tool.strict and not (knows_strict and is_expressible(schema, CLAUDE)):
        losses.add("tools.strict")
    elif tool.strict is not None and knows_strict:
        block["strict"] = tool.strict
        schema = fitted(schema, CLAUDE) if tool.strict else schema
    block["input_schema"] = schema
    if tool.origin == "anthropic":
        block |= tool.raw
    return marked(block, tool.cache)


def _write_choice(chat: Chat, has_tools: bool) -> Block | None:
    if not has_tools:
        return None
    choice: Block = {}
    given = chat.tool_choice
    if given and given.mode == "tool":
        choice = {"type": "tool", "name": given.names[0] if given.names else ""}
    elif given:
        choice = {"type": "any" if given.mode == "required" else given.mode}
    if chat.parallel_tool_calls is not None and choice.get("type") != "none":
        choice = (choice or {"type": "auto"}) | {
            "disable_parallel_tool_use": not chat.parallel_tool_calls
        }
    return choice or None


def _tools_of_the_past(chat: Chat) -> list[Block]:
    """Anthropic demands tools where the conversation holds calls, even if none is offered any
    more.
    """
    names = dict.fromkeys(
        part.name for turn in chat.turns for part in turn.parts if isinstance(part, ToolCall)
    )
    return [{"name": name, "input_schema": {"type": "object"}} for name in names]
