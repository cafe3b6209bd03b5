"""Reading a generateContent request into the neutral form."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from pilotfish.core.formats.neutral import (
    Chat,
    Json,
    Part,
    ResponseFormat,
    Text,
    Thinking,
    ThinkingConfig,
    Tool,
    ToolCall,
    ToolChoice,
    Turn,
)
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles._places import placed
from pilotfish.styles._schemas import is_strict
from pilotfish.styles.google.fields import GoogleFields
from pilotfish.styles.google.parts import ORIGIN, read_part, read_result
from pilotfish.styles.google.schema import json_schema

MADE_UP = "gcall_"
"""How ids begin that stand for none: calls and results without ids are matched by name and order,
and other vendors need ids."""

PARENTS = ("toolConfig.functionCallingConfig", "toolConfig", "generationConfig")
"""The objects whose fields beyond the known ones are kept."""

SERVICE_TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}
"""Google's words with OpenAI's."""


def read_request(body: bytes, *, model: str, stream: bool) -> Chat:
    fields = GoogleFields.of(body)
    losses = Losses()
    for known_otherwise in ("model", "stream"):
        fields.take(known_otherwise)
    extras: Json = {}
    system = _read_system(fields, losses)
    turns = _read_contents(fields, losses)
    tools = _read_tools(fields)
    choice, strict = _read_tool_choice(fields, extras)
    config = fields.inner("generationConfig")
    tier = (fields.text("serviceTier") or "").lower()
    chat_config = _read_config(config)
    extras |= fields.rest() | placed(config.path, config.rest())
    if strict:
        tools = tuple(_with_strict(tool) for tool in tools)
        if any(tool.kind == "function" and not tool.strict for tool in tools):
            losses.add("toolConfig.functionCallingConfig.mode")
    return Chat(
        model=model,
        stream=stream,
        system=system,
        turns=turns,
        tools=tools,
        tool_choice=choice,
        service_tier=SERVICE_TIERS.get(tier, tier),
        extras={ORIGIN: extras} if extras else {},
        lost=losses.names(),
        **chat_config,
    )


def _read_config(config: Fields) -> dict[str, Any]:
    """`generationConfig` as fields of a Chat; what has no place there is left in it."""
    if config.peek("candidateCount") == 1:
        config.take("candidateCount")
    if config.peek("responseModalities") == ["TEXT"]:  # the default
        config.take("responseModalities")
    return {
        "max_tokens": config.whole("maxOutputTokens"),
        "temperature": config.number("temperature"),
        "top_p": config.number("topP"),
        "top_k": config.whole("topK"),
        "stop": config.texts("stopSequences"),
        "seed": config.whole("seed"),
        "presence_penalty": config.number("presencePenalty"),
        "frequency_penalty": config.number("frequencyPenalty"),
        "logprobs": config.flag("responseLogprobs"),
        "top_logprobs": config.whole("logprobs"),
        "response_format": _read_response_format(config),
        "thinking": _read_thinking(config),
    }


def _read_system(fields: Fields, losses: Losses) -> tuple[Text, ...]:
    content = fields.object("systemInstruction")
    found: list[Text] = []
    for part in content.objects("parts") if content else ():
        read = read_part(part, losses)
        if isinstance(read, Text):
            found.append(read)
        elif read is not None:
            losses.add("systemInstruction.parts")
    return tuple(found)


class _Calls:
    """The calls of a conversation that wait for their results."""

    def __init__(self) -> None:
        self._waiting: deque[ToolCall] = deque()
        self._count = 0

    def next_id(self) -> str:
        return f"{MADE_UP}{self._count}"

    def add(self, call: ToolCall) -> None:
        self._count += 1
        self._waiting.append(call)

    def answered(self, identity: str, name: str) -> str:
        """The id of the call that a result answers: the one with its id, else the first still
        waiting with its name.
        """
        waiting = self._waiting
        found = next((call for call in waiting if identity and call.id == identity), None) or next(
            (
                call
                for call in waiting
                if call.name == name and not (identity and not call.id.startswith(MADE_UP))
            ),
            None,
        )
        if found:
            waiting.remove(found)
            return found.id
        return identity or f"{MADE_UP}{name}"


def _read_contents(fields: Fields, losses: Losses) -> tuple[Turn, ...]:
    if not isinstance(fields.peek("contents"), list | dict):
        fields.wrong("contents", "a list", fields.peek("contents"))
    calls = _Calls()
    turns: list[Turn] = []
    for content in fields.objects("contents"):
        role = content.text("role") or "user"
        if role not in ("user", "model", "function", "tool"):
            content.wrong("role", "user or model", role)
        parts: list[Part] = []
        for part in content.objects("parts"):
            found = _read_part(part, calls, losses)
            if found is not None:
                parts.append(found)
        turns.append(Turn("assistant" if role == "model" else "user", _with_proofs(parts)))
    return tuple(turns)


def _with_proofs(parts: list[Part]) -> tuple[Part, ...]:
    """The parts with a thought and its signature as one where a stream brought them as two."""
    out: list[Part] = []
    for part in parts:
        last = out[-1] if out else None
        if (
            isinstance(part, Thinking)
            and not part.text
            and not part.redacted
            and isinstance(last, Thinking)
            and last.signature is None
        ):
            out[-1] = msgspec.structs.replace(last, signature=part.signature, id=part.id)
        else:
            out.append(part)
    return tuple(out)


def _read_part(part: Fields, calls: _Calls, losses: Losses) -> Part | None:
    result = part.object("functionResponse")
    if result is not None:
        call_id = calls.answered(result.text("id") or "", str(result.peek("name")))
        return read_result(result, call_id, losses)
    found = read_part(part, losses, call_id=calls.next_id())
    if isinstance(found, ToolCall):
        calls.add(found)
    return found


def _read_tools(fields: Fields) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for given in fields.objects("tools"):
        tools += [_read_function(function) for function in given.objects("functionDeclarations")]
        tools += [
            Tool(name=name, kind="hosted", origin=ORIGIN, raw={name: value})
            for name, value in given.rest().items()
        ]
    return tuple(tools)


def _read_function(function: Fields) -> Tool:
    schema = function.mapping("parametersJsonSchema")
    own = function.mapping("parameters")
    name = function.required_text("name")
    description = function.text("description") or ""
    if schema is None and own is not None:
        schema = _converted(function, "parameters", own)
    raw = function.rest()
    return Tool(
        name=name, description=description, schema=schema, origin=ORIGIN if raw else "", raw=raw
    )


def _converted(fields: Fields, key: str, schema: Json) -> Json:
    try:
        found: Json = json_schema(schema)
    except ValueError as problem:
        fields.wrong(key, str(problem), "...")
    return found


def _with_strict(tool: Tool) -> Tool:
    """`VALIDATED` holds arguments to any schema; elsewhere only strict ones may be asked for so."""
    if tool.kind != "function" or not is_strict(tool.schema):
        return tool
    return msgspec.structs.replace(tool, strict=True)


def _read_tool_choice(fields: Fields, extras: Json) -> tuple[ToolChoice | None, bool]:
    """The choice, and whether arguments must follow their schemas (mode `VALIDATED`)."""
    config = fields.object("toolConfig")
    if config is None:
        return None, False
    calling = config.object("functionCallingConfig")
    choice, mode = None, ""
    if calling is not None:
        mode = (calling.text("mode") or "").upper()
        names = calling.texts("allowedFunctionNames")
        if mode in ("AUTO", "VALIDATED"):
            choice = ToolChoice("auto", names)
        elif mode == "NONE":
            choice = ToolChoice("none")
        elif mode == "ANY":
            choice = ToolChoice("tool", names) if len(names) == 1 else ToolChoice("required", names)
        elif mode not in ("", "MODE_UNSPECIFIED"):
            calling.wrong("mode", "AUTO, ANY, NONE or VALIDATED", mode)
        extras |= placed(calling.path, calling.rest())
    extras |= placed(config.path, config.rest())
    return choice, mode == "VALIDATED"


def _read_response_format(config: Fields) -> ResponseFormat | None:
    mime_type = config.peek("responseMimeType")
    if mime_type not in (None, "application/json", "text/plain"):
        return None  # text/x.enum and what may come: Google's alone, left with its schema
    config.take("responseMimeType")
    schema = config.mapping("responseJsonSchema")
    own = config.mapping("responseSchema")
    if schema is None and own is not None:
        schema = _converted(config, "responseSchema", own)
    if schema is not None:
        return ResponseFormat(kind="json_schema", schema=schema)
    return ResponseFormat(kind="json") if mime_type == "application/json" else None


def _read_thinking(config: Fields) -> ThinkingConfig | None:
    """A budget of 0 switches thinking off, -1 leaves it to the model."""
    given = config.object("thinkingConfig")
    if given is None:
        return None
    budget = given.whole("thinkingBudget")
    level = (given.text("thinkingLevel") or "").lower()
    effort = "" if level == "thinking_level_unspecified" else level
    enabled = None if budget is None and not effort else budget != 0
    return ThinkingConfig(
        enabled=enabled, effort=effort, budget=budget, show=given.flag("includeThoughts")
    )
