"""Reading a Converse request into the neutral form."""

from __future__ import annotations

from typing import Any

from pilotfish.core.formats.neutral import (
    Cache,
    Chat,
    Json,
    ResponseFormat,
    Text,
    ThinkingConfig,
    Tool,
    ToolChoice,
    Turn,
)
from pilotfish.styles._errors import json_or_none
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles._places import placed
from pilotfish.styles.bedrock.blocks_in import ORIGIN, mark_last, read_blocks

PARENTS = ("inferenceConfig", "additionalModelRequestFields", "outputConfig", "toolConfig")
"""The objects whose fields beyond the known ones are kept."""


def read_request(body: bytes, *, model: str, stream: bool) -> Chat:
    fields = Fields.of(body)
    losses = Losses()
    extras: Json = {}
    system = _read_system(fields, losses)
    turns = _read_messages(fields, losses)
    config = fields.inner("inferenceConfig")
    more = fields.inner("additionalModelRequestFields")
    output = fields.inner("outputConfig")
    tools = fields.inner("toolConfig")
    tier = fields.object("serviceTier")
    metadata = fields.mapping("requestMetadata") or {}
    chat: dict[str, Any] = {
        "tools": _read_tools(tools, losses),
        "tool_choice": _read_tool_choice(tools),
        "max_tokens": config.whole("maxTokens"),
        "temperature": config.number("temperature"),
        "top_p": config.number("topP"),
        "stop": config.texts("stopSequences"),
        "top_k": _read_top_k(more),
        "thinking": _read_thinking(more, output),
        "response_format": _read_response_format(output),
        "service_tier": (tier.text("type") if tier else "") or "",
        "metadata": {
            key: value if isinstance(value, str) else str(value) for key, value in metadata.items()
        },
    }
    extras |= fields.rest()
    for part in (config, more, output, tools):
        extras |= placed(part.path, part.rest())
    return Chat(
        model=model,
        stream=stream,
        system=system,
        turns=turns,
        extras={ORIGIN: extras} if extras else {},
        lost=losses.names(),
        **chat,
    )


def _read_system(fields: Fields, losses: Losses) -> tuple[Text, ...]:
    found: list[Text] = []
    for part in read_blocks(fields, "system", losses, {}):
        if isinstance(part, Text):
            found.append(part)
        else:
            losses.add("system")
    return tuple(found)


def _read_messages(fields: Fields, losses: Losses) -> tuple[Turn, ...]:
    if not isinstance(fields.peek("messages"), list):
        fields.wrong("messages", "a list", fields.peek("messages"))
    names: dict[str, str] = {}
    turns: list[Turn] = []
    for message in fields.objects("messages"):
        role = message.required_text("role")
        parts = read_blocks(message, "content", losses, names)
        if role == "user":
            turns.append(Turn("user", parts))
        elif role == "assistant":
            turns.append(Turn("assistant", parts))
        elif role == "system":
            turns.append(Turn("system", parts))
        else:
            message.wrong("role", "user, assistant or system", role)
    return tuple(turns)


def _read_tools(config: Fields, losses: Losses) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for entry in config.objects("tools"):
        mark = entry.object("cachePoint")
        if mark is not None:
            if not mark_last(tools, Cache(mark.text("ttl") or "")):
                losses.add("cachePoint")
            continue
        spec = entry.object("toolSpec")
        if spec is None:
            rest = dict(entry.rest())
            tools.append(
                Tool(name=next(iter(rest), "tool"), kind="hosted", origin=ORIGIN, raw=rest)
            )
            continue
        schema = spec.object("inputSchema")
        tools.append(
            Tool(
                name=spec.required_text("name"),
                description=spec.text("description") or "",
                schema=schema.mapping("json") if schema else None,
                strict=spec.flag("strict"),
            )
        )
        for name in spec.rest():
            losses.add(f"toolConfig.tools.{name}")
    return tuple(tools)


def _read_tool_choice(config: Fields) -> ToolChoice | None:
    given = config.object("toolChoice")
    if given is None:
        return None
    chosen = given.object("tool")
    if chosen is not None:
        return ToolChoice("tool", (chosen.required_text("name"),))
    if "any" in given:
        return ToolChoice("required")
    if "auto" not in given:
        given.wrong("", "auto, any or tool", given.rest())
    return ToolChoice("auto")


def _read_top_k(more: Fields) -> int | None:
    """Each family of models has its own place for it."""
    nova = more.peek("inferenceConfig")
    if isinstance(nova, dict) and set(nova) == {"topK"}:
        return more.inner("inferenceConfig").whole("topK")
    for key in ("top_k", "k", "topK"):
        if key in more:
            return more.whole(key)
    return None


def _read_thinking(more: Fields, output: Fields) -> ThinkingConfig | None:
    """Claude's `thinking`, Nova's `reasoningConfig`, gpt-oss's `reasoning_effort`, and
    `outputConfig.effort`.
    """
    effort = output.text("effort") or more.text("reasoning_effort") or ""
    nova = more.object("reasoningConfig")
    if nova is not None:
        kind = nova.text("type")
        return ThinkingConfig(
            enabled=kind == "enabled", effort=nova.text("maxReasoningEffort") or effort
        )
    claude = more.object("thinking")
    if claude is not None:
        kind = claude.text("type") or ""
        shown = claude.text("display")
        return ThinkingConfig(
            enabled=kind in ("enabled", "adaptive"),
            effort=effort,
            budget=claude.whole("budget_tokens"),
            adaptive=kind == "adaptive",
            show=None if shown is None else shown != "omitted",
        )
    return ThinkingConfig(effort=effort) if effort else None


def _read_response_format(output: Fields) -> ResponseFormat | None:
    """The schema is JSON in a text."""
    given = output.object("textFormat")
    if given is None:
        return None
    given.take("type")
    structure = given.object("structure")
    fields = structure.object("jsonSchema") if structure else None
    if fields is None:
        given.wrong("structure.jsonSchema", "an object", None)
    text = fields.required_text("schema")
    schema = json_or_none(text.encode())
    if not isinstance(schema, dict):
        fields.wrong("schema", "a JSON schema as text", text)
    return ResponseFormat(
        kind="json_schema",
        name=fields.text("name") or "",
        schema=schema,
        description=fields.text("description") or "",
    )
