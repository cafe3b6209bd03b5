"""Google's `Schema`, an OpenAPI 3.0 subset, as JSON Schema. The way back is not needed: Google
takes JSON Schema, too (`parametersJsonSchema`, `responseJsonSchema`).

Source: Gemini API reference, "Schema" (ai.google.dev/api/caching#Schema), read 2026-11.
"""

from __future__ import annotations

from typing import Any

from pilotfish.styles.google.fields import camel

_INTEGERS = frozenset(
    {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
)
_NESTED = frozenset({"items", "additionalProperties"})
_NESTED_BY_NAME = frozenset({"properties", "defs"})
_RENAMED = {"ref": "$ref", "defs": "$defs", "example": "examples"}
_DROPPED = frozenset({"propertyOrdering", "nullable"})

DEPTH = 100
"""How deep a schema may be nested; deeper is a client's error everywhere."""


def json_schema(schema: Any, depth: int = 0) -> Any:
    """A schema in Google's words as JSON Schema. Parts of another shape stay as they are. Raises
    ValueError beyond `DEPTH`.
    """
    if depth > DEPTH:
        raise ValueError(f"schema is nested deeper than {DEPTH} levels")
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    fields = {camel(name): value for name, value in schema.items() if value is not None}
    for name, value in fields.items():
        if name in _DROPPED:
            continue
        key = _RENAMED.get(name, name)
        if name == "type":
            out[key] = _type(value, fields.get("nullable") is True)
        elif name in _NESTED:
            out[key] = json_schema(value, depth + 1)
        elif name in _NESTED_BY_NAME and isinstance(value, dict):
            out[key] = {inner: json_schema(item, depth + 1) for inner, item in value.items()}
        elif name == "anyOf" and isinstance(value, list):
            out[key] = [json_schema(item, depth + 1) for item in value]
        elif name == "example":
            out[key] = [value]
        elif name in _INTEGERS and isinstance(value, str) and value.isascii() and value.isdigit():
            out[key] = int(value)  # 64-bit integers are strings in protobuf's JSON
        else:
            out[key] = value
    if (
        fields.get("nullable") is True
        and isinstance(out.get("enum"), list)
        and None not in out["enum"]
    ):
        out["enum"] = [*out["enum"], None]
    if fields.get("nullable") is True and "type" not in out and isinstance(out.get("anyOf"), list):
        out["anyOf"] = [*out["anyOf"], {"type": "null"}]
    return out


def _type(value: Any, nullable: bool) -> Any:
    """`STRING` as `string`, with `null` beside it where that may be; a list of types as it is, in
    small letters.
    """
    if isinstance(value, list):
        return [_type(item, False) for item in value]
    word = value.lower() if isinstance(value, str) else value
    return [word, "null"] if nullable and word != "null" else word
