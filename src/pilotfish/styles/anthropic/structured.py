"""Structured output where the model has none of its own: a tool that it must call, whose input is
the answer.

The tool's name says by itself what the call is, so that the way back needs to know nothing of the
request. Tools take objects; a schema of another type is put under `value`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotfish.core.formats.neutral import FinishReason, Json, Part, Text, ToolCall
from pilotfish.styles._loose import BAD_JSON

OBJECT_TOOL = "pilotfish_json_response"
VALUE_TOOL = "pilotfish_json_value"
TOOLS = frozenset({OBJECT_TOOL, VALUE_TOOL})


def tool_for(schema: Json, description: str) -> dict[str, Any]:
    """The tool that stands for a schema."""
    wraps = schema.get("type") != "object"
    if wraps:
        # References such as "#/$defs/x" count from the root, so definitions stay there.
        definitions = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
        inner = {key: value for key, value in schema.items() if key not in definitions}
        schema = {
            "type": "object",
            "properties": {"value": inner},
            "required": ["value"],
        } | definitions
    instruction = "Give the final answer to the user with this tool, and only with it."
    return {
        "name": VALUE_TOOL if wraps else OBJECT_TOOL,
        "description": f"{instruction} {description}".strip(),
        "input_schema": schema,
    }


def unwrapped(name: str, arguments: str) -> str:
    """The answer's text in the arguments of one of `TOOLS`."""
    if name != VALUE_TOOL:
        return arguments or "{}"
    try:
        value = msgspec.json.decode(arguments)
    except BAD_JSON:
        return arguments  # cut at max tokens: what there is, is passed on
    return (
        msgspec.json.encode(value["value"]).decode()
        if isinstance(value, dict) and "value" in value
        else arguments
    )


def unwrap(parts: tuple[Part, ...], finish: FinishReason) -> tuple[tuple[Part, ...], FinishReason]:
    """An answer with the call turned back into text. Text beside it is dropped: the client asked
    for JSON and nothing else.
    """
    answer = next(
        (part for part in parts if isinstance(part, ToolCall) and part.name in TOOLS), None
    )
    if answer is None:
        return parts, finish
    kept = tuple(
        part
        for part in parts
        if not isinstance(part, Text) and not (isinstance(part, ToolCall) and part.name in TOOLS)
    )
    calls = any(isinstance(part, ToolCall) for part in kept)
    ended = FinishReason.STOP if finish is FinishReason.TOOL_CALLS and not calls else finish
    return (*kept, Text(unwrapped(answer.name, answer.arguments))), ended
