"""JSON Schemas as each vendor takes them: what it refuses or passes over is taken out, and said in
words in the description, where the model reads it."""

from __future__ import annotations

from typing import Any

import msgspec

Json = dict[str, Any]

DEPTH = 100
"""How deep a schema is looked into; deeper it stays as it is."""

# Keywords below which other schemas stand: one, a list of them, or one by name.
_ONE = frozenset({"items", "additionalProperties", "contains", "not", "if", "then", "else"})
_MANY = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_ABOUT = frozenset({"$schema", "$id", "$comment", "$anchor"})  # say nothing to a model


class SchemaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor takes. `keywords`: those it knows; `formats`: values of `format`. `closed`:
    objects must say `additionalProperties: false`. `min_items`: the most it takes of `minItems`;
    None: any."""

    keywords: frozenset[str]
    formats: frozenset[str] = frozenset()
    closed: bool = False
    min_items: int | None = None


_EVERYWHERE = frozenset(
    {
        *("type", "title", "description", "enum", "properties", "required", "items", "anyOf"),
        *("additionalProperties", "$ref", "$defs", "format", "minItems"),
    }
)

CLAUDE = SchemaLimits(
    keywords=_EVERYWHERE | {"const", "allOf", "default"},
    formats=frozenset(
        {
            *("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4"),
            *("ipv6", "uuid"),
        }
    ),
    closed=True,
    min_items=1,
)
"""For structured output and strict tools. Source: Claude API docs, "Structured outputs", section
"JSON Schema limitations", read 2026-11."""

GEMINI = SchemaLimits(
    keywords=_EVERYWHERE
    | {"prefixItems", "maxItems", "minimum", "maximum", "propertyOrdering", "default"},
    formats=frozenset({"date-time", "date", "time", "enum", "float", "double", "int32", "int64"}),
)
"""Others are passed over or refused. Source: Gemini API docs, "Structured outputs", section "JSON
Schema support", read 2026-11."""


def fitted(schema: Json, limits: SchemaLimits) -> Json:
    """The schema with nothing in it that is beyond the limits."""
    found: Json = _fitted(schema, limits, 0)
    return found


def _fitted(schema: Any, limits: SchemaLimits, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > DEPTH:
        return schema
    out: Json = {}
    beyond: Json = {}
    for key, value in _in_common_words(schema).items():
        if key in _ABOUT:
            continue
        if key not in limits.keywords or _is_beyond(key, value, limits):
            beyond[key] = value
        elif key in _ONE:
            out[key] = _fitted(value, limits, depth + 1)
        elif key in _MANY and isinstance(value, list):
            out[key] = [_fitted(item, limits, depth + 1) for item in value]
        elif key in _NAMED and isinstance(value, dict):
            out[key] = {name: _fitted(item, limits, depth + 1) for name, item in value.items()}
        else:
            out[key] = value
    if limits.closed and (out.get("type") == "object" or "properties" in out):
        out["additionalProperties"] = False
    return _described(out, beyond)


def _in_common_words(schema: Json) -> Json:
    """`oneOf` as `anyOf`, `definitions` as `$defs`, a `const` as the only value of an `enum`."""
    words = dict(schema)
    if "oneOf" in words and "anyOf" not in words:
        words["anyOf"] = words.pop("oneOf")
    if "definitions" in words and "$defs" not in words:
        words["$defs"] = words.pop("definitions")
    if isinstance(words.get("$ref"), str):
        words["$ref"] = words["$ref"].replace("#/definitions/", "#/$defs/")
    if "const" in words and "enum" not in words:
        words["enum"] = [words.pop("const")]
    return words


def _is_beyond(key: str, value: Any, limits: SchemaLimits) -> bool:
    if key == "format":
        return value not in limits.formats
    if key == "minItems" and limits.min_items is not None:
        return not isinstance(value, int) or value > limits.min_items
    return False


def _described(schema: Json, beyond: Json) -> Json:
    if not beyond:
        return schema
    words = msgspec.json.encode(beyond).decode()
    before = schema.get("description")
    described = f"{before}\n\n{words}" if isinstance(before, str) and before else words
    return schema | {"description": described}


def is_expressible(schema: Any, limits: SchemaLimits, depth: int = 0) -> bool:
    """Whether a vendor that demands closed objects can be given the schema at all: not one of
    objects with any keys, nor one that holds itself."""
    if not isinstance(schema, dict):
        return True
    if depth > DEPTH or "patternProperties" in schema:
        return False
    if limits.closed and schema.get("additionalProperties") not in (None, False):
        return False
    if schema.get("type") == "object" and "properties" not in schema and limits.closed:
        return schema.get("additionalProperties") is False
    if depth == 0 and _holds_itself(schema):
        return False
    return all(is_expressible(item, limits, depth + 1) for item in _below(schema))


def _below(schema: Json) -> list[Any]:
    """The schemas right below a schema."""
    found: list[Any] = [schema[key] for key in _ONE if key in schema]
    for key in _MANY:
        if isinstance(schema.get(key), list):
            found += schema[key]
    for key in _NAMED:
        if isinstance(schema.get(key), dict):
            found += schema[key].values()
    return found


def _holds_itself(schema: Json) -> bool:
    """Whether a reference leads back to where it stands: to the whole, or round a circle of
    definitions. Each definition is looked at once."""
    if "#" in _references(schema):
        return True
    definitions = schema.get("$defs") or schema.get("definitions")
    if not isinstance(definitions, dict):
        return False
    ahead = {
        name: iter([reference.rpartition("/")[2] for reference in _references(item)])
        for name, item in definitions.items()
    }
    done: set[str] = set()
    for start in definitions:
        path = [] if start in done else [start]
        on_path = set(path)
        while path:
            following = next(ahead[path[-1]], None)
            if following is None:
                on_path.discard(path[-1])
                done.add(path.pop())
            elif following in on_path:
                return True
            elif following in ahead and following not in done:
                path.append(following)
                on_path.add(following)
    return False


def _references(schema: Any, depth: int = 0) -> list[str]:
    if not isinstance(schema, dict) or depth > DEPTH:
        return []
    own = schema.get("$ref")
    found = [own] if isinstance(own, str) else []
    return found + [name for item in _below(schema) for name in _references(item, depth + 1)]


# --- a function's parameters ---

_COMBINED = ("anyOf", "oneOf", "allOf", "enum", "not")


def with_object_on_top(schema: Json | None, *, properties: bool = False) -> Json:
    """Parameters of a function, which must be an object in so many words: of forms to choose from
    the properties of all, with the forms in the description. Without a schema any object.
    `properties`: there must be some, be they none."""
    schema = dict(schema or {})
    reference = schema.get("$ref")
    if isinstance(reference, str):
        definitions = schema.get("$defs") or schema.get("definitions")
        known = definitions if isinstance(definitions, dict) else {}
        named = known.get(reference.rpartition("/")[2])
        if isinstance(named, dict):
            del schema["$ref"]
            schema = named | schema
    beyond = {key: schema.pop(key) for key in _COMBINED if key in schema}
    out: Json = {"type": "object"} | schema
    out["type"] = "object"
    own = out.get("properties")
    together: Json = dict(own) if isinstance(own, dict) else {}
    for key in ("allOf", "anyOf", "oneOf"):
        given = beyond.get(key)
        forms = (
            [form for form in given if isinstance(form, dict)] if isinstance(given, list) else []
        )
        for form in forms:
            own = form.get("properties")
            for name, item in own.items() if isinstance(own, dict) else ():
                together.setdefault(name, item)
        required = [set(_names(form.get("required"))) for form in forms]
        if required:
            always = set.union(*required) if key == "allOf" else set.intersection(*required)
            needed = [*_names(out.get("required")), *sorted(always)]
            out |= {"required": list(dict.fromkeys(needed))} if needed else {}
    if together or properties:
        out["properties"] = together
    return _described(out, {key: value for key, value in beyond.items() if key != "allOf"})


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


# --- OpenAI's strict mode ---

_NOT_STRICT = frozenset(
    {
        *("allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"),
        *("patternProperties", "propertyNames", "minProperties", "maxProperties", "contains"),
        *("minContains", "maxContains", "uniqueItems", "unevaluatedItems"),
        "unevaluatedProperties",
    }
)


def is_strict(schema: Any) -> bool:
    """Whether OpenAI takes the schema with `strict: true`: objects closed and all their properties
    required, an object at the top. Source: OpenAI guide "Structured outputs", section "Supported
    schemas", read 2026-11."""
    return (
        isinstance(schema, dict)
        and schema.get("type") == "object"
        and "anyOf" not in schema
        and _is_strict(schema, 0)
    )


def _is_strict(schema: Any, depth: int) -> bool:
    if not isinstance(schema, dict):
        return not isinstance(schema, bool)
    if depth > DEPTH or _NOT_STRICT & schema.keys():
        return False
    properties = schema.get("properties")
    if schema.get("type") == "object" or properties is not None:
        if schema.get("additionalProperties") is not False or not isinstance(properties, dict):
            return False
        if set(properties) != set(_names(schema.get("required"))):
            return False
    below = [item for item in _below(schema) if item is not schema.get("additionalProperties")]
    return all(_is_strict(item, depth + 1) for item in below)
