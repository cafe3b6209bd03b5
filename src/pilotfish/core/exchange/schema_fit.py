"""Whether a value fits a JSON Schema, as far as structured output uses the language.

The schema is a client's, so nothing in it may take long or reach out: regular expressions are passed
over, references lead only into the schema itself, and the number of steps is bounded.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

STEPS = 20_000  # more than that are not looked at: the rest is taken to fit
_DEPTH = 64

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "number": (int, float),
    "integer": (int,),
}


def fits(value: Any, schema: Json) -> bool:
    """Whether `value` (decoded JSON) has the types, members and choices that `schema` asks for."""
    return _Fit(schema).fits(value, schema, 0)


class _Fit:
    def __init__(self, root: Json) -> None:
        self._root, self._left = root, STEPS

    def fits(self, value: Any, schema: Any, depth: int) -> bool:
        self._left -= 1
        if self._left < 0 or depth > _DEPTH or schema is True:
            return True
        if not isinstance(schema, dict):
            return schema is not False
        return (
            self._refers(value, schema, depth)
            and _is_chosen(value, schema)
            and _has_type(value, schema.get("type"))
            and self._combines(value, schema, depth)
            and (not isinstance(value, dict) or self._members(value, schema, depth))
            and (not isinstance(value, list) or self._items(value, schema, depth))
        )

    def _refers(self, value: Any, schema: Json, depth: int) -> bool:
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return True
        found: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        return found is None or self.fits(value, found, depth + 1)

    def _combines(self, value: Any, schema: Json, depth: int) -> bool:
        def each(key: str) -> list[bool]:
            given = schema.get(key)
            return (
                [self.fits(value, s, depth + 1) for s in given] if isinstance(given, list) else []
            )

        any_of, one_of = each("anyOf"), each("oneOf")
        return (
            all(each("allOf"))
            and (not any_of or any(any_of))
            and (not one_of or sum(one_of) == 1 or self._left < 0)
        )

    def _members(self, value: Json, schema: Json, depth: int) -> bool:
        required = schema.get("required")
        if isinstance(required, list) and any(name not in value for name in required):
            return False
        given = schema.get("properties")
        properties: Json = given if isinstance(given, dict) else {}
        others = True if "patternProperties" in schema else schema.get("additionalProperties", True)
        return all(
            self.fits(member, properties.get(name, others), depth + 1)
            for name, member in value.items()
        )

    def _items(self, value: list[Any], schema: Json, depth: int) -> bool:
        least, most = schema.get("minItems"), schema.get("maxItems")
        if isinstance(least, int) and len(value) < least:
            return False
        if isinstance(most, int) and len(value) > most:
            return False
        if "prefixItems" in schema:
            return True
        return all(self.fits(item, schema.get("items", True), depth + 1) for item in value)


def _has_type(value: Any, wanted: Any) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    known = [name.lower() for name in names if isinstance(name, str) and name.lower() in _TYPES]
    return not known or any(_is_a(value, name) for name in known)


def _is_a(value: Any, name: str) -> bool:
    if isinstance(value, bool):  # which is an `int` in Python
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _is_chosen(value: Any, schema: Json) -> bool:
    choices = schema.get("enum")
    if isinstance(choices, list) and value not in choices:
        return False
    return "const" not in schema or value == schema["const"]
