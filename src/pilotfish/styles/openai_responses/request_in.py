"""Reading a Responses request into the neutral form."""

from __future__ import annotations

from pilotfish.core.formats.neutral import (
    Chat,
    Part,
    ResponseFormat,
    Text,
    ThinkingConfig,
    Tool,
    ToolChoice,
    Turn,
)
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles._signatures import with_signatures_placed
from pilotfish.styles.openai.parts import read_cache
from pilotfish.styles.openai.request_in import (
    PLAIN_CHOICES,
    read_metadata,
    read_response_format,
)
from pilotfish.styles.openai_responses.items_in import Role, read_item

# What the neutral form says in another way: `include`d encrypted reasoning always comes, and
# logprobs have a field.
_INCLUDED = {"reasoning.encrypted_content", "message.output_text.logprobs"}

# Fields whose value says nothing beyond the default.
_DEFAULTS = {"store": False, "background": False, "truncation": "disabled"}


def read_request(body: bytes, *, model: str, stream: bool) -> Chat:
    fields = Fields.of(body)
    for known_otherwise in ("model", "stream"):
        fields.take(known_otherwise)
    losses = Losses()
    system, turns = _read_input(fields, losses)
    include = fields.texts("include")
    response_format, verbosity = _read_text(fields, losses)
    choice = _read_tool_choice(fields)
    return Chat(
        model=model,
        stream=stream,
        system=system,
        turns=turns,
        tools=tuple(_read_tool(tool) for tool in fields.objects("tools")),
        tool_choice=choice,
        parallel_tool_calls=fields.flag("parallel_tool_calls"),
        max_tokens=fields.whole("max_output_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        logprobs=True if "message.output_text.logprobs" in include else None,
        top_logprobs=fields.whole("top_logprobs"),
        response_format=response_format,
        thinking=_read_reasoning(fields, losses),
        user=fields.text("user") or "",
        metadata=read_metadata(fields),
        verbosity=verbosity,
        service_tier=fields.text("service_tier") or "",
        stream_usage=True,
        extras=_extras(fields, include),
        lost=losses.names(),
    )


def _extras(fields: Fields, include: tuple[str, ...]) -> dict[str, dict[str, object]]:
    rest = {
        name: value
        for name, value in fields.rest().items()
        if name not in _DEFAULTS or _DEFAULTS[name] != value
    }
    other = [word for word in include if word not in _INCLUDED]
    if other:
        rest["include"] = other
    return {"openai_responses": rest} if rest else {}


def _read_input(fields: Fields, losses: Losses) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """`instructions` and leading system messages, then turns: neighbouring items of one side are
    one turn.
    """
    instructions = fields.text("instructions")
    system = [Text(instructions)] if instructions else []
    given = fields.peek("input")
    if isinstance(given, str):
        fields.take("input")
        return tuple(system), (Turn("user", (Text(given),)),)
    if given is not None and not isinstance(given, list):
        fields.wrong("input", "a string or a list", given)
    turns: list[tuple[Role, list[Part]]] = []
    names: dict[str, str] = {}
    for item in fields.objects("input"):
        role, parts = read_item(item, losses, names)
        if role == "system" and not turns:
            system += [part for part in parts if isinstance(part, Text)]
        elif turns and turns[-1][0] == role:
            turns[-1][1].extend(parts)
        elif parts:
            turns.append((role, list(parts)))
    return tuple(system), tuple(Turn(role, with_signatures_placed(parts)) for role, parts in turns)


def _read_tool(tool: Fields) -> Tool:
    kind = tool.required_text("type")
    if kind == "function":
        cache = read_cache(tool)
        return Tool(
            name=tool.required_text("name"),
            description=tool.text("description") or "",
            schema=tool.mapping("parameters"),
            strict=tool.flag("strict"),
            cache=cache,
            origin="openai_responses",
            raw=tool.rest(),
        )
    if kind == "custom":
        name, description = tool.required_text("name"), tool.text("description") or ""
        return Tool(
            name=name,
            description=description,
            kind="custom",
            origin="openai_responses",
            raw=tool.rest(),
        )
    return Tool(
        name=kind, kind="hosted", origin="openai_responses", raw={"type": kind} | tool.rest()
    )


def _read_tool_choice(fields: Fields) -> ToolChoice | None:
    """A choice of one of OpenAI's own tools stays among the extras."""
    choice = fields.peek("tool_choice")
    if isinstance(choice, str):
        fields.take("tool_choice")
        if choice not in PLAIN_CHOICES:
            fields.wrong("tool_choice", "auto, none, required or an object", choice)
        return PLAIN_CHOICES[choice]
    kind = choice.get("type") if isinstance(choice, dict) else None
    if choice is not None and kind is None:
        fields.wrong("tool_choice", "a string or an object with a type", choice)
    if kind in ("function", "custom"):
        return ToolChoice("tool", (fields.inner("tool_choice").required_text("name"),))
    if kind == "allowed_tools":
        allowed = fields.inner("tool_choice")
        mode = "required" if allowed.text("mode") == "required" else "auto"
        names = (tool.text("name") or tool.text("type") or "" for tool in allowed.objects("tools"))
        return ToolChoice("required" if mode == "required" else "auto", tuple(names))
    return None


def _read_text(fields: Fields, losses: Losses) -> tuple[ResponseFormat | None, str]:
    """`text`: the format of the answer, and how wordy it should be."""
    text = fields.object("text")
    if text is None:
        return None, ""
    verbosity = text.text("verbosity") or ""
    given = text.object("format")
    for name in text.rest():
        losses.add(f"text.{name}")
    return read_response_format(given, nested=False), verbosity


def _read_reasoning(fields: Fields, losses: Losses) -> ThinkingConfig | None:
    reasoning = fields.object("reasoning")
    if reasoning is None:
        return None
    effort = reasoning.text("effort") or ""
    older = reasoning.text("generate_summary")
    summary = reasoning.text("summary") or older or ""
    for name in reasoning.rest():
        losses.add(f"reasoning.{name}")
    if not effort and not summary:
        return None
    return ThinkingConfig(
        enabled=effort != "none" if effort else None,
        effort=effort,
        show=True if summary else None,
        summary=summary,
    )
