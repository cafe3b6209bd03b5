"""Reading a Chat Completions request into the neutral form."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import Part
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles._media import made_up_id
from pilotfish.styles.openai.parts import (
    images_in,
    read_cache,
    read_content,
    read_google_extra,
    read_thinking,
    with_text_signed,
)


def read_request(body: bytes, *, model: str, stream: bool) -> neutral.Chat:
    fields = Fields.of(body)
    for known_otherwise in ("model", "stream"):
        fields.take(known_otherwise)
    losses = Losses()
    system, turns = _read_messages(fields, losses)
    options = fields.object("stream_options")
    for name, default in (("n", 1), ("modalities", ["text"])):
        if fields.peek(name) == default:
            fields.take(name)
    limit = fields.whole("max_completion_tokens")
    older_limit = fields.whole("max_tokens")
    return neutral.Chat(
        model=model,
        stream=stream,
        system=system,
        turns=turns,
        tools=_read_tools(fields),
        tool_choice=_read_tool_choice(fields),
        parallel_tool_calls=fields.flag("parallel_tool_calls"),
        max_tokens=limit if limit is not None else older_limit,
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.whole("top_k"),  # not OpenAI's, but vLLM's, OpenRouter's and others'
        stop=fields.texts("stop"),
        seed=fields.whole("seed"),
        presence_penalty=fields.number("presence_penalty"),
        frequency_penalty=fields.number("frequency_penalty"),
        logprobs=fields.flag("logprobs"),
        top_logprobs=fields.whole("top_logprobs"),
        response_format=read_response_format(fields.object("response_format"), nested=True),
        thinking=_read_thinking_config(fields),
        user=fields.text("user") or "",
        metadata=read_metadata(fields),
        verbosity=fields.text("verbosity") or "",
        service_tier=fields.text("service_tier") or "",
        stream_usage=options.flag("include_usage") if options else None,
        extras={"openai": rest} if (rest := fields.rest()) else {},
        lost=losses.names(),
    )


def read_metadata(fields: Fields) -> dict[str, str]:
    """`metadata` holds strings; what else is sent is kept as text."""
    given = fields.mapping("metadata") or {}
    return {key: value if isinstance(value, str) else str(value) for key, value in given.items()}


def _read_messages(
    fields: Fields, losses: Losses
) -> tuple[tuple[neutral.Text, ...], tuple[neutral.Turn, ...]]:
    """System messages at the head, then the conversation; neighbouring tool messages are one user
    turn.
    """
    if not isinstance(fields.peek("messages"), list):
        fields.wrong("messages", "a list", fields.peek("messages"))
    system: list[neutral.Text] = []
    turns: list[neutral.Turn] = []
    results: list[neutral.ToolResult] = []
    calls = _Calls()
    for message in fields.objects("messages"):
        role = message.required_text("role")
        if results and role not in ("tool", "function"):
            turns.append(neutral.Turn("user", tuple(results)))
            results.clear()
        if role in ("system", "developer"):
            texts = tuple(
                part for part in read_content(message, losses) if isinstance(part, neutral.Text)
            )
            if turns:
                turns.append(neutral.Turn("system", texts))
            else:
                system.extend(texts)
        elif role == "user":
            turns.append(
                neutral.Turn("user", read_content(message, losses), message.text("name") or "")
            )
        elif role == "assistant":
            turns.append(_read_assistant(message, losses, calls))
        elif role in ("tool", "function"):
            results.append(_read_result(message, losses, calls))
        else:
            message.wrong("role", "system, developer, user, assistant or tool", role)
        for name in message.rest():
            losses.add(f"messages.{name}")
    if results:
        turns.append(neutral.Turn("user", tuple(results)))
    return tuple(system), tuple(turns)


class _Calls:
    """The calls of a conversation: their names by id, and ids for those that have none.

    The role `function` knows no ids, and some servers leave those of `tool_calls` empty. The
    results of such calls come in their order; one too many answers the last of them.
    """

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self._nameless: list[str] = []
        self._answered = 0

    def named(self, call: neutral.ToolCall) -> neutral.ToolCall:
        """A call with an id."""
        if not call.id:
            identity = made_up_id("", len(self._nameless))
            call = msgspec.structs.replace(call, id=identity)
            self._nameless.append(call.id)
        self.names[call.id] = call.name
        return call

    def answered(self) -> str:
        """The id of the call that a result without one answers; empty where there is none."""
        place = min(self._answered, len(self._nameless) - 1)
        self._answered += 1
        return self._nameless[place] if self._nameless else ""


def _read_result(message: Fields, losses: Losses, calls: _Calls) -> neutral.ToolResult:
    cache = read_cache(message)
    parts = read_content(message, losses)
    call_id = message.text("tool_call_id") or calls.answered()
    if not call_id:
        message.wrong("tool_call_id", "the id of a tool call", None)
    return neutral.ToolResult(
        call_id=call_id,
        parts=parts,
        name=calls.names.get(call_id) or message.text("name") or "",
        cache=cache,
    )


def _read_assistant(message: Fields, losses: Losses, calls: _Calls) -> neutral.Turn:
    signature = read_google_extra(message)
    parts: list[Part] = [*read_thinking(message), *read_content(message, losses)]
    refusal = message.text("refusal")
    if refusal:
        parts.append(neutral.Refusal(refusal))
    parts.extend(images_in(message.take("images")))
    audio = message.object("audio")
    if audio:
        parts.append(neutral.Audio(id=audio.required_text("id"), origin="openai"))
    parts.extend(read_tool_call(call) for call in message.objects("tool_calls"))
    legacy = read_legacy_call(message)
    if legacy:
        parts.append(legacy)
    named = [calls.named(part) if isinstance(part, neutral.ToolCall) else part for part in parts]
    signed = with_text_signed(named, signature)
    return neutral.Turn("assistant", signed, message.text("name") or "")


def read_legacy_call(message: Fields) -> neutral.ToolCall | None:
    """`function_call`, which has no id; some servers send one without a name that is no call."""
    legacy = message.object("function_call")
    if legacy is None:
        return None
    name, arguments = legacy.text("name") or "", arguments_text(legacy.take("arguments"))
    return neutral.ToolCall(id="", name=name, arguments=arguments) if name or arguments else None


def read_tool_call(call: Fields) -> neutral.ToolCall:
    """One of `tool_calls`. Gemini's signature stands where Google's own OpenAI-compatible service
    puts it.
    """
    kind = call.text("type") or "function"
    identity = call.text("id") or ""
    signature = read_google_extra(call)
    if kind == "custom":
        custom = call.inner("custom")
        return neutral.ToolCall(
            id=identity,
            name=custom.required_text("name"),
            arguments=custom.text("input") or "",
            kind="custom",
        )
    function = call.inner("function")
    arguments = function.take("arguments")
    return neutral.ToolCall(
        id=identity,
        name=function.required_text("name"),
        arguments=arguments_text(arguments),
        signature=signature,
    )


def arguments_text(arguments: Any) -> str:
    """Arguments are JSON text; some servers (Ollama) send the object itself."""
    if isinstance(arguments, str):
        return arguments
    return msgspec.json.encode(arguments).decode() if arguments is not None else ""


def _read_tools(fields: Fields) -> tuple[neutral.Tool, ...]:
    tools = [_read_tool(tool) for tool in fields.objects("tools")]
    tools += [_read_function(function) for function in fields.objects("functions")]
    return tuple(tools)


def _read_tool(tool: Fields) -> neutral.Tool:
    kind = tool.text("type") or "function"
    cache = read_cache(tool)
    if kind == "function":
        function = tool.object("function")
        if function is None:
            tool.wrong("function", "an object", None)
        return _read_function(function, cache)
    if kind == "custom":
        custom = tool.inner("custom")
        name = custom.required_text("name")
        return neutral.Tool(
            name=name,
            description=custom.text("description") or "",
            kind="custom",
            origin="openai",
            raw=custom.rest(),
            cache=cache,
        )
    return neutral.Tool(name=kind, kind="hosted", origin="openai", raw={"type": kind} | tool.rest())


def _read_function(function: Fields, cache: Any = None) -> neutral.Tool:
    return neutral.Tool(
        name=function.required_text("name"),
        description=function.text("description") or "",
        schema=function.mapping("parameters"),
        strict=function.flag("strict"),
        cache=cache,
    )


PLAIN_CHOICES = {
    "any": neutral.ToolChoice("required"),  # Mistral's word
    "auto": neutral.ToolChoice("auto"),
    "none": neutral.ToolChoice("none"),
    "required": neutral.ToolChoice("required"),
}


def _read_tool_choice(fields: Fields) -> neutral.ToolChoice | None:
    key = "tool_choice" if "tool_choice" in fields else "function_call"
    choice = fields.peek(key)
    if choice is None:
        return None
    if isinstance(choice, str):
        fields.take(key)
        if choice in PLAIN_CHOICES:
            return PLAIN_CHOICES[choice]
        fields.wrong(key, "auto, none, required or an object", choice)
    given = fields.inner(key)
    if given.peek("type") == "allowed_tools":
        allowed = given.inner("allowed_tools")
        names = tuple(_chosen_name(tool) for tool in allowed.objects("tools"))
        return neutral.ToolChoice(
            "required" if allowed.text("mode") == "required" else "auto", names
        )
    return neutral.ToolChoice("tool", (_chosen_name(given),))


def _chosen_name(choice: Fields) -> str:
    """The name in `{"type": "function", "function": {"name"}}`, the same for `custom`, or bare."""
    inner = choice.object("function") or choice.object("custom") or choice
    return inner.required_text("name")


def read_response_format(given: Fields | None, *, nested: bool) -> neutral.ResponseFormat | None:
    """The form of the answer. `nested`: the fields of a schema stand below `json_schema`, as in
    Chat Completions; in Responses they stand beside the type."""
    kind = given.required_text("type") if given else "text"
    if given is None or kind == "text":
        return None
    if kind == "json_object":
        return neutral.ResponseFormat(kind="json")
    if kind != "json_schema":
        given.wrong("type", "text, json_object or json_schema", kind)
    schema = given.inner("json_schema") if nested else given
    return neutral.ResponseFormat(
        kind="json_schema",
        name=schema.text("name") or "",
        schema=schema.mapping("schema"),
        strict=schema.flag("strict"),
        description=schema.text("description") or "",
    )


def _read_thinking_config(fields: Fields) -> neutral.ThinkingConfig | None:
    """`reasoning_effort`; `reasoning` as OpenRouter has it; `thinking` as DeepSeek and routers in
    front of Claude have it.
    """
    effort = fields.text("reasoning_effort") or ""
    budget: int | None = None
    enabled: bool | None = None
    show: bool | None = None
    if isinstance(fields.peek("reasoning"), dict):
        reasoning = fields.inner("reasoning")
        effort = effort or reasoning.text("effort") or ""
        budget, enabled = reasoning.whole("max_tokens"), reasoning.flag("enabled")
        excluded = reasoning.flag("exclude")
        show = None if excluded is None else not excluded
    if isinstance(fields.peek("thinking"), dict):
        thinking = fields.inner("thinking")
        kind = thinking.text("type")
        enabled = kind != "disabled" if kind else enabled
        budget = thinking.whole("budget_tokens") or budget
    if not effort and budget is None and enabled is None and show is None:
        return None
    if effort == "none":
        enabled = False
    elif enabled is None and (effort or budget is not None):
        enabled = True
    return neutral.ThinkingConfig(enabled=enabled, effort=effort, budget=budget, show=show)
