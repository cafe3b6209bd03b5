"""Writing a generateContent request from the neutral form."""

from __future__ import annotations

from typing import Any

from pilotfish.core.formats.neutral import (
    Chat,
    Document,
    Json,
    Part,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from pilotfish.core.formats.style import Target, Written
from pilotfish.styles._fields import Losses
from pilotfish.styles._requests import (
    BEGINNING,
    add_message,
    alternating,
    finished,
    write_own_extras,
)
from pilotfish.styles._schemas import GEMINI, fitted, with_object_on_top
from pilotfish.styles.google.parts import (
    ORIGIN,
    SKIP_CHECK,
    signed,
    write_call,
    write_part,
    write_result,
)
from pilotfish.styles.google.request_in import MADE_UP, PARENTS, SERVICE_TIERS
from pilotfish.styles.google.thinking import generation, write_thinking

_TIERS_OUT = {theirs: own for own, theirs in SERVICE_TIERS.items()} | {"fast": "priority"}

MAX_STOP_SEQUENCES = 5  # ai.google.dev/api/generate-content#GenerationConfig, read 2026-11


def write_request(chat: Chat, target: Target) -> Written:
    losses = Losses(chat.lost)
    body: Json = {}
    contents = _write_contents(chat, target, losses)
    system = [{"text": text.text} for text in chat.system if text.text]
    if any(text.cache for text in chat.system):
        losses.add("cache_control")
    if not contents:
        contents, system = [{"role": "user", "parts": system}] if system else [], []
    body["contents"] = contents
    if system:
        body["systemInstruction"] = {"parts": system}
    if chat.tools:
        _write_tools(chat, losses, body)
    config = _write_config(chat, target, losses)
    if config:
        body["generationConfig"] = config
    _write_identity(chat, losses, body)
    write_own_extras(chat, ORIGIN, body, losses, *PARENTS)
    return finished(body, target.quirks, losses, "generationConfig")


def _write_identity(chat: Chat, losses: Losses, body: Json) -> None:
    if chat.service_tier not in ("", "auto"):
        tier = _TIERS_OUT.get(chat.service_tier, chat.service_tier if ORIGIN in chat.extras else "")
        if tier:
            body["serviceTier"] = tier
        else:
            losses.add("service_tier")
    for name in ("user", "metadata", "verbosity"):
        losses.add_if(name, getattr(chat, name))
    losses.add_if("cache_control", chat.cache)
    if chat.parallel_tool_calls is False:
        losses.add("parallel_tool_calls")


# --- contents ---


def _write_contents(chat: Chat, target: Target, losses: Losses) -> list[Json]:
    check_signatures = generation(target.model) >= 3
    names: dict[str, str] = {}
    order: dict[str, int] = {}
    contents: list[Json] = []
    for turn in alternating(chat, losses):
        if turn.role == "assistant":
            calls = [part for part in turn.parts if isinstance(part, ToolCall)]
            names |= {call.id: call.name for call in calls}
            order = {call.id: index for index, call in enumerate(calls)}
            parts = _write_assistant(turn.parts, check_signatures, losses)
        else:
            parts = _write_user(turn.parts, names, order, losses)
        add_message(contents, "model" if turn.role == "assistant" else "user", parts, "parts")
    if contents and contents[0]["role"] == "model":  # a call is refused but after a user's turn
        contents.insert(0, {"role": "user", "parts": [{"text": BEGINNING}]})
    return contents


def _write_user(
    parts: tuple[Part, ...], names: dict[str, str], order: dict[str, int], losses: Losses
) -> list[Json]:
    """Results first and in the order of their calls, since those without ids are matched by it."""
    results = sorted(
        (part for part in parts if isinstance(part, ToolResult)),
        key=lambda result: order.get(result.call_id, len(order)),
    )
    written: list[Json] = []
    for result in results:
        response = write_result(result, result.name or names.get(result.call_id, "unknown"), losses)
        written.append({"functionResponse": _identity(result.call_id) | response})
    return written + _plain(
        tuple(part for part in parts if not isinstance(part, ToolResult)), losses
    )


def _identity(call_id: str) -> Json:
    return {} if call_id.startswith(MADE_UP) or not call_id else {"id": call_id}


def _write_assistant(parts: tuple[Part, ...], check_signatures: bool, losses: Losses) -> list[Json]:
    """Of several calls at once Google signs the first, and asks for that one signature alone."""
    written: list[Json] = []
    signed_calls = any(isinstance(part, ToolCall) and signed(part.signature) for part in parts)
    for part in parts:
        if isinstance(part, ToolCall):
            if part.cache:
                losses.add("cache_control")
            proof = signed(part.signature)
            if check_signatures and not signed_calls:
                proof, signed_calls = {"thoughtSignature": SKIP_CHECK}, True
            written.append(write_call(part, with_id=not part.id.startswith(MADE_UP)) | proof)
        elif isinstance(part, Thinking):
            written += _write_thought(part, losses)
        else:
            written += _plain((part,), losses)
    return written


def _write_thought(thought: Thinking, losses: Losses) -> list[Json]:
    """Another vendor's signed thoughts prove nothing here and are left out, as are those that
    nobody can read.
    """
    if thought.redacted or (thought.signature and thought.signature.origin != ORIGIN):
        losses.add("messages.thinking")
        return []
    if not thought.text and not thought.signature:
        return []
    return [{"text": thought.text, "thought": True} | signed(thought.signature)]


def _plain(parts: tuple[Part, ...], losses: Losses) -> list[Json]:
    """Parts that are no calls, results or thoughts. Google refuses empty text, but for one that
    carries a signature. It has no place for the names of files, so words before them say it.
    """
    written: list[Json] = []
    for part in parts:
        item = write_part(part, losses)
        if item is None or item == {"text": ""}:
            continue
        if isinstance(part, Document) and part.name and "text" not in item:
            written.append({"text": f"{part.name}:"})
        written.append(item)
    return written


# --- tools and config ---


def _write_tools(chat: Chat, losses: Losses, body: Json) -> None:
    functions: list[Json] = []
    hosted: list[Json] = []
    for tool in chat.tools:
        losses.add_if("cache_control", tool.cache)
        if tool.kind == "function":
            functions.append(_write_function(tool, losses))
        elif tool.origin == ORIGIN:
            hosted.append(tool.raw)
        else:
            losses.add(f"tools.{tool.name}")
    tools = [{"functionDeclarations": functions}] if functions else []
    if tools or hosted:
        body["tools"] = tools + hosted
    if not functions:
        return
    all_strict = all(tool.strict for tool in chat.tools if tool.kind == "function")
    config = _write_tool_choice(chat.tool_choice, all_strict)
    if config:
        body["toolConfig"] = {"functionCallingConfig": config}
    if not all_strict and any(tool.strict for tool in chat.tools) and config.get("mode") != "ANY":
        losses.add("tools.strict")


def _write_function(tool: Tool, losses: Losses) -> Json:
    function: Json = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parametersJsonSchema"] = fitted(with_object_on_top(tool.schema), GEMINI)
    for name, value in tool.raw.items():
        if tool.origin == ORIGIN:
            function[name] = value
        else:
            losses.add(f"tools.{name}")
    return function


def _write_tool_choice(choice: ToolChoice | None, strict: bool) -> Json:
    """Google takes names with `ANY` and `VALIDATED` alone; both make arguments follow their
    schemas.
    """
    mode = choice.mode if choice else "auto"
    names = list(choice.names) if choice else []
    if mode in ("required", "tool"):
        return {"mode": "ANY"} | ({"allowedFunctionNames": names} if names else {})
    if mode == "none":
        return {"mode": "NONE"}
    if names or strict:
        return {"mode": "VALIDATED"} | ({"allowedFunctionNames": names} if names else {})
    return {"mode": "AUTO"} if choice else {}


_PLAIN_FIELDS = (
    ("max_tokens", "maxOutputTokens"),
    ("seed", "seed"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
    ("logprobs", "responseLogprobs"),
    ("top_logprobs", "logprobs"),
)
_SAMPLING_FIELDS = (("temperature", "temperature"), ("top_p", "topP"), ("top_k", "topK"))


def _write_config(chat: Chat, target: Target, losses: Losses) -> Json:
    config: Json = {}
    for ours, theirs in _SAMPLING_FIELDS:
        value = getattr(chat, ours)
        if target.quirks.sampling_fields and value is not None:
            config[theirs] = value
        else:
            losses.add_if(ours, value)
    for ours, theirs in _PLAIN_FIELDS:
        value = getattr(chat, ours)
        if value is not None:
            config[theirs] = value
    if chat.stop:
        config["stopSequences"] = list(chat.stop[:MAX_STOP_SEQUENCES])
        if len(chat.stop) > MAX_STOP_SEQUENCES:
            losses.add("stop")
    config |= _write_response_format(chat, target, losses)
    if chat.thinking:
        thinking = write_thinking(chat.thinking, target.model, losses)
        if thinking:
            config["thinkingConfig"] = thinking
    return config


def _write_response_format(chat: Chat, target: Target, losses: Losses) -> Json:
    wanted = chat.response_format
    if wanted is None:
        return {}
    functions = any(tool.kind == "function" for tool in chat.tools)
    if functions and 0 < generation(target.model) < 3:
        # before Gemini 3 JSON output and functions exclude each other
        losses.add("response_format")
        return {}
    config: dict[str, Any] = {"responseMimeType": "application/json"}
    if wanted.kind == "json_schema":
        if target.quirks.json_schema and wanted.schema is not None:
            config["responseJsonSchema"] = fitted(wanted.schema, GEMINI)
        else:
            losses.add("response_format.json_schema")
    return config
