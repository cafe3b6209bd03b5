"""Reading an Anthropic Messages request into the neutral form."""

from __future__ import annotations

from pilotfish.core.formats.neutral import (
    Chat,
    ResponseFormat,
    Text,
    ThinkingConfig,
    Tool,
    ToolChoice,
    Turn,
)
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles.anthropic.blocks_in import read_cache, read_content


def read_request(body: bytes, *, model: str, stream: bool) -> Chat:
    fields = Fields.of(body)
    for known_otherwise in ("model", "stream"):
        fields.take(known_otherwise)
    losses = Losses()
    choice, parallel = _read_tool_choice(fields)
    thinking, response_format = _read_output(fields, losses)
    metadata = fields.object("metadata")
    user = metadata.text("user_id") if metadata else None
    return Chat(
        model=model,
        stream=stream,
        system=_read_system(fields, losses),
        turns=_read_messages(fields, losses),
        tools=tuple(_read_tool(tool) for tool in fields.objects("tools")),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        max_tokens=fields.whole("max_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.whole("top_k"),
        stop=fields.texts("stop_sequences"),
        thinking=thinking,
        response_format=response_format,
        user=user or "",
        metadata={key: str(value) for key, value in metadata.rest().items()} if metadata else {},
        service_tier=fields.text("service_tier") or "",
        cache=read_cache(fields),
        stream_usage=True,
        extras={"anthropic": rest} if (rest := fields.rest()) else {},
        lost=losses.names(),
    )


def _read_system(fields: Fields, losses: Losses) -> tuple[Text, ...]:
    system = fields.take("system")
    parts = read_content(Fields({"content": system}, "system"), losses)
    return tuple(part for part in parts if isinstance(part, Text))


def _read_messages(fields: Fields, losses: Losses) -> tuple[Turn, ...]:
    if not isinstance(fields.peek("messages"), list):
        fields.wrong("messages", "a list", fields.peek("messages"))
    turns: list[Turn] = []
    names: dict[str, str] = {}
    for message in fields.objects("messages"):
        role = message.required_text("role")
        parts = read_content(message, losses, names)
        if role == "user":
            turns.append(Turn("user", parts))
        elif role == "assistant":
            turns.append(Turn("assistant", parts))
        elif role == "system":
            turns.append(Turn("system", parts))
        else:
            message.wrong("role", "user, assistant or system", role)
        for name in message.rest():
            losses.add(f"messages.{name}")
    return tuple(turns)


def _read_tool(tool: Fields) -> Tool:
    """Without a type or with `custom` it is the client's own function, in its flat form or below
    `custom`; any other runs at Anthropic.
    """
    kind = tool.text("type") or "custom"
    if kind != "custom":
        name = tool.peek("name")
        return Tool(
            name=str(name or kind),
            kind="hosted",
            origin="anthropic",
            raw={"type": kind} | tool.rest(),
        )
    cache = read_cache(tool)
    body = tool.object("custom") or tool
    return Tool(
        name=body.required_text("name"),
        description=body.text("description") or "",
        schema=body.mapping("input_schema"),
        strict=body.flag("strict"),
        cache=cache,
        origin="anthropic",
        raw=body.rest(),
    )


_MODES = {"auto": ToolChoice("auto"), "any": ToolChoice("required"), "none": ToolChoice("none")}


def _read_tool_choice(fields: Fields) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether several tools may be called at once, which Anthropic says there."""
    choice = fields.object("tool_choice")
    if choice is None:
        return None, None
    kind = choice.required_text("type")
    single = choice.flag("disable_parallel_tool_use")
    parallel = None if single is None else not single
    if kind == "tool":
        return ToolChoice("tool", (choice.required_text("name"),)), parallel
    if kind not in _MODES:
        choice.wrong("type", "auto, any, none or tool", kind)
    return _MODES[kind], parallel


def _read_output(
    fields: Fields, losses: Losses
) -> tuple[ThinkingConfig | None, ResponseFormat | None]:
    """`thinking` and `output_config`, which holds the effort and the format."""
    config = fields.object("output_config")
    effort = config.text("effort") if config else None
    wanted = config.object("format") if config else None
    response_format = None
    if wanted:
        kind = wanted.required_text("type")
        if kind != "json_schema":
            wanted.wrong("type", "json_schema", kind)
        response_format = ResponseFormat(
            kind="json_schema", schema=wanted.mapping("schema"), strict=True
        )
    for name in config.rest() if config else ():
        losses.add(f"output_config.{name}")
    thinking = fields.object("thinking")
    if thinking is None:
        return (ThinkingConfig(effort=effort) if effort else None), response_format
    kind = thinking.required_text("type")
    display = thinking.text("display")
    budget = thinking.whole("budget_tokens")
    return (
        ThinkingConfig(
            enabled=kind != "disabled",
            effort=effort or "",
            budget=budget if kind == "enabled" else None,
            adaptive=kind == "adaptive",
            show=None if display is None else display != "omitted",
        ),
        response_format,
    )
