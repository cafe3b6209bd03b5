"""Writing a Converse request from the neutral form."""

from __future__ import annotations

import re

import msgspec

from pilotfish.core.formats.neutral import (
    Chat,
    Json,
    Tool,
    ToolCall,
    ToolResult,
)
from pilotfish.core.formats.style import Target, Written
from pilotfish.styles._fields import Losses
from pilotfish.styles._places import put_back
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
    write_own_extras,
)
from pilotfish.styles._schemas import CLAUDE, fitted, is_expressible, with_object_on_top
from pilotfish.styles.anthropic.structured import tool_for
from pilotfish.styles.anthropic.thinking import ThinkingPlan, plan_thinking
from pilotfish.styles.bedrock.blocks_in import ORIGIN
from pilotfish.styles.bedrock.blocks_out import BlockWriter
from pilotfish.styles.bedrock.models import Model, model_for
from pilotfish.styles.bedrock.request_in import PARENTS

# What has no place in this style, by its name in the neutral form.
_UNKNOWN = (
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "verbosity",
    "user",
)

_SERVICE_TIERS = {tier: tier for tier in ("priority", "default", "flex", "reserved")} | {
    "fast": "priority"
}
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")


def write_request(chat: Chat, target: Target) -> Written:
    model = model_for(target.model)
    losses = Losses(chat.lost)
    writer = BlockWriter(model, target.quirks, losses)
    body: Json = {"messages": _write_messages(chat, target, model, writer, losses)}
    system = _write_system(chat, writer)
    if system and not body["messages"]:  # Bedrock wants a user's turn, so the instructions are it
        body["messages"], system = [{"role": "user", "content": system}], []
    if system:
        body["system"] = system
    tools, forced = _write_tools(chat, target, model, writer, losses)
    if tools:
        body["toolConfig"] = tools
    more: Json = {}
    plan = _write_thinking(chat, target, model, losses, more, forced=forced)
    config = _write_inference(chat, target, model, plan, losses, more)
    if config:
        body["inferenceConfig"] = config
    output = _write_output(chat, target, model, plan)
    if output:
        body["outputConfig"] = output
    if more:
        body["additionalModelRequestFields"] = more
    _write_identity(chat, losses, body)
    write_own_extras(chat, ORIGIN, body, losses, *PARENTS)
    for name in _UNKNOWN:
        losses.add_if(name, getattr(chat, name))
    return finished(body, target.quirks, losses)


# --- messages ---


def _write_system(chat: Chat, writer: BlockWriter) -> list[Json]:
    blocks: list[Json] = []
    for text in chat.system:
        if text.text.strip():
            blocks += [{"text": text.text}, *writer.cache_point(text.cache)]
    if chat.response_format and chat.response_format.kind == "json":
        blocks.append({"text": ANSWER_IN_JSON})
    return blocks


def _write_messages(
    chat: Chat, target: Target, model: Model, writer: BlockWriter, losses: Losses
) -> list[Json]:
    """Turns of alternating roles, the user's first, tool results at the head of theirs."""
    messages: list[Json] = []
    for turn in alternating(chat, losses):
        add_message(messages, turn.role, writer.blocks(turn.parts))
    if messages and messages[0]["role"] == "assistant":
        messages.insert(0, {"role": "user", "content": [{"text": BEGINNING}]})
    if messages and messages[-1]["role"] == "assistant" and _has_text_last(messages[-1]):
        _end_with_assistant(messages, target, model, losses)
    if messages and chat.cache:
        messages[-1]["content"] += writer.cache_point(chat.cache)
    return messages


def _has_text_last(message: Json) -> bool:
    return "text" in message["content"][-1]


def _end_with_assistant(messages: list[Json], target: Target, model: Model, losses: Losses) -> None:
    """A prefill, which only some Claude models take, and whose end must not be blank; others are
    asked to go on.
    """
    if model.claude and target.quirks.prefill:
        block = messages[-1]["content"][-1]
        block["text"] = block["text"].rstrip()
        return
    messages.append({"role": "user", "content": [{"text": CONTINUE}]})
    losses.add("messages.prefill")


# --- tools ---


def _write_tools(
    chat: Chat, target: Target, model: Model, writer: BlockWriter, losses: Losses
) -> tuple[Json, bool]:
    """`toolConfig`, and whether some tool must be called."""
    choice = chat.tool_choice
    past = _calls_of(chat)
    none = choice is not None and choice.mode == "none"
    offered = offered_tools(chat)
    if none and not past:
        offered = []  # Bedrock has no `none`; without tools there is nothing to call
    elif none and offered:
        losses.add("tool_choice")
    tools = [item for tool in offered for item in _write_tool(tool, target, model, writer, losses)]
    answer = _answer_tool(chat, target, model)
    if not tools and not answer and past:
        # Where a conversation holds calls Bedrock demands tools, even if none is offered any more.
        return {"tools": [_spec(name, {"type": "object"}) for name in past]}, False
    if answer:
        only = not tools or none
        written: Json = {"tool": {"name": answer["toolSpec"]["name"]}} if only else {"any": {}}
        return {"tools": [*tools, answer], "toolChoice": written}, True
    if not tools:
        return {}, False
    if chat.parallel_tool_calls is False:
        losses.add("parallel_tool_calls")
    if choice is None or none:
        return {"tools": tools}, False
    if choice.mode == "tool" and choice.names:
        return {"tools": tools, "toolChoice": {"tool": {"name": choice.names[0]}}}, True
    forced = choice.mode in ("required", "tool")
    return {"tools": tools, "toolChoice": {"any": {}} if forced else {"auto": {}}}, forced


def _calls_of(chat: Chat) -> list[str]:
    names: dict[str, None] = {}
    for turn in chat.turns:
        for part in turn.parts:
            if isinstance(part, ToolCall):
                names[part.name] = None
            elif isinstance(part, ToolResult) and part.name:
                names.setdefault(part.name)
    return list(names)


def _write_tool(
    tool: Tool, target: Target, model: Model, writer: BlockWriter, losses: Losses
) -> list[Json]:
    if tool.kind != "function":
        if tool.kind == "hosted" and tool.origin == ORIGIN:
            return [tool.raw]
        losses.add(f"tools.{tool.name}")
        return []
    for name in tool.raw:
        losses.add(f"tools.{name}")
    schema = with_object_on_top(tool.schema)
    strict = tool.strict and model.schema and target.quirks.strict_tools
    if strict and is_expressible(schema, CLAUDE):
        spec = _spec(tool.name, fitted(schema, CLAUDE), tool.description)
        spec["toolSpec"]["strict"] = True
    else:
        losses.add_if("tools.strict", tool.strict or None)
        spec = _spec(tool.name, schema, tool.description)
    return [spec, *writer.cache_point(tool.cache)]


def _spec(name: str, schema: Json, description: str = "") -> Json:
    return {
        "toolSpec": {"name": name}
        | ({"description": description} if description else {})
        | {"inputSchema": {"json": schema}}
    }


def _answer_tool(chat: Chat, target: Target, model: Model) -> Json | None:
    """A forced tool in place of `outputConfig.textFormat`, for models that have none."""
    wanted = chat.response_format
    if wanted is None or wanted.kind != "json_schema" or _has_format(chat, target, model):
        return None
    tool = tool_for(wanted.schema or {"type": "object"}, wanted.description)
    return _spec(tool["name"], tool["input_schema"], tool["description"])


# --- how to answer ---


def _write_thinking(
    chat: Chat, target: Target, model: Model, losses: Losses, more: Json, *, forced: bool
) -> ThinkingPlan:
    """Thinking in each family's own words."""
    wanted = chat.thinking
    if wanted is None:
        return ThinkingPlan()
    if model.reasoning == "claude":
        plan = plan_thinking(chat, target.quirks, losses, forced=forced)
        if plan.thinking:
            more["thinking"] = plan.thinking
        return plan
    off = wanted.enabled is False or wanted.effort == "none" or wanted.budget == 0
    effort = "" if off else _three_words(wanted.effort, wanted.budget)
    if model.reasoning == "nova":
        more["reasoningConfig"] = (
            {"type": "enabled", "maxReasoningEffort": effort} if effort else {"type": "disabled"}
        )
    elif model.reasoning == "effort" and effort:
        more["reasoning_effort"] = effort
    elif not off or model.reasoning == "effort":
        losses.add("thinking")
    return ThinkingPlan()


def _three_words(effort: str, budget: int | None) -> str:
    """`low`, `medium` or `high`, which is all that Nova and gpt-oss know."""
    if not effort and budget is not None and budget > 0:
        return "low" if budget <= 4096 else "medium" if budget <= 10240 else "high"
    return {"minimal": "low", "low": "low", "high": "high", "xhigh": "high", "max": "high"}.get(
        effort, "medium"
    )


def _write_inference(
    chat: Chat, target: Target, model: Model, plan: ThinkingPlan, losses: Losses, more: Json
) -> Json:
    """`inferenceConfig`; a missing limit means the model's own. Claude's temperature ends at 1, and
    thinking rules out the rest.
    """
    config: Json = {}
    if chat.max_tokens is not None:
        config["maxTokens"] = plan.max_tokens(chat.max_tokens, given=True)
    given = claude_sampling(
        chat, target.quirks, losses, thinks=plan.thinks, one_of_two=model.claude
    )
    for name, value in (("temperature", given.temperature), ("topP", given.top_p)):
        if value is not None:
            config[name] = value
    if given.top_k is not None:
        if model.top_k:
            put_back(more, model.top_k, given.top_k, ("inferenceConfig",))
        else:
            losses.add("top_k")
    stops = stop_sequences(chat, losses, blank=not model.claude)
    return config | ({"stopSequences": stops} if stops else {})


def _write_output(chat: Chat, target: Target, model: Model, plan: ThinkingPlan) -> Json:
    output: Json = {"effort": plan.effort} if plan.effort else {}
    wanted = chat.response_format
    if wanted and _has_format(chat, target, model):
        named = {"name": wanted.name} if wanted.name else {}
        described = {"description": wanted.description} if wanted.description else {}
        schema = {"schema": msgspec.json.encode(fitted(wanted.schema or {}, CLAUDE)).decode()}
        output["textFormat"] = {
            "type": "json_schema",
            "structure": {"jsonSchema": schema | named | described},
        }
    return output


def _has_format(chat: Chat, target: Target, model: Model) -> bool:
    """Whether the answer's schema goes out as such; else a tool stands for it."""
    wanted = chat.response_format
    return (
        model.schema
        and target.quirks.json_schema
        and wanted is not None
        and wanted.kind == "json_schema"
        and wanted.schema is not None
        and is_expressible(wanted.schema, CLAUDE)
    )


def _write_identity(chat: Chat, losses: Losses, body: Json) -> None:
    metadata = {
        key: value
        for key, value in chat.metadata.items()
        if key and _METADATA.fullmatch(key) and _METADATA.fullmatch(value)
    }
    if metadata:
        body["requestMetadata"] = metadata
    if len(metadata) < len(chat.metadata):
        losses.add("metadata")
    if chat.service_tier in _SERVICE_TIERS:
        body["serviceTier"] = {"type": _SERVICE_TIERS[chat.service_tier]}
    elif chat.service_tier not in ("", "auto"):
        losses.add("service_tier")
