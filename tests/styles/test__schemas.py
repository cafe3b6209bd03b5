"""Schemas as vendors take them: nothing that is refused, and its meaning in the description."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.styles._schemas import (
    CLAUDE,
    GEMINI,
    fitted,
    is_expressible,
    is_strict,
    with_object_on_top,
)

CITY = {"type": "string", "description": "A city.", "minLength": 1, "pattern": "^[A-Z]"}


def test_what_a_vendor_does_not_take_is_said_in_words():
    found = fitted({"type": "object", "properties": {"city": CITY}, "$schema": "x"}, CLAUDE)
    assert found == {
        "type": "object",
        "properties": {
            "city": {
                "type": "string",
                "description": 'A city.\n\n{"minLength":1,"pattern":"^[A-Z]"}',
            }
        },
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("schema", "claude"),
    [
        ({"type": "integer", "minimum": 1}, {"type": "integer", "description": '{"minimum":1}'}),
        ({"type": "array", "minItems": 1}, {"type": "array", "minItems": 1}),
        ({"type": "array", "minItems": 3}, {"type": "array", "description": '{"minItems":3}'}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        (
            {"type": "string", "format": "regex"},
            {"type": "string", "description": '{"format":"regex"}'},
        ),
        ({"const": 3}, {"enum": [3]}),
        ({"oneOf": [{"type": "null"}]}, {"anyOf": [{"type": "null"}]}),
        (
            {"definitions": {"a": {"type": "null"}}, "$ref": "#/definitions/a"},
            {"$defs": {"a": {"type": "null"}}, "$ref": "#/$defs/a"},
        ),
        (True, True),
    ],
)
def test_keywords_are_kept_reworded_or_described(schema, claude):
    assert fitted({"items": schema}, CLAUDE) == {"items": claude}


def test_gemini_takes_bounds_and_no_pattern():
    schema = {"type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 2}
    assert fitted(schema, GEMINI) == {
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "description": '{"multipleOf":2}',
    }


def test_nothing_is_followed_without_end():
    deep: dict = {"type": "string"}
    for _ in range(3000):
        deep = {"type": "array", "items": deep}
    assert fitted(deep, CLAUDE)["type"] == "array"
    assert not is_expressible(deep, CLAUDE)
    assert not is_strict(deep)


@pytest.mark.parametrize(
    ("schema", "expressible"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}}, True),
        ({"type": "object", "additionalProperties": {"type": "string"}}, False),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, False),
        ({"type": "object"}, False),
        ({"type": "object", "properties": {}}, True),
        ({"type": "object", "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {"type": "object"}}}, False),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"patternProperties": {"^x": {}}}, False),
        ({"properties": {"a": {"$ref": "#"}}}, False),
        ({"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}, False),
        (
            {"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"items": {"$ref": "#/$defs/a"}}}},
            False,
        ),
        ({"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"type": "null"}}}, True),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "c": {"$ref": "#/$defs/b"}, "b": {}}}, True),
        ({"$defs": [], "anyOf": 7}, True),
    ],
)  # fmt: skip
def test_objects_with_any_keys_and_circles_cannot_be_expressed(schema, expressible):
    assert is_expressible(schema, CLAUDE) is expressible


def test_a_long_chain_of_definitions_is_walked_once():
    definitions = {f"d{n}": {"items": {"$ref": f"#/$defs/d{n + 1}"}} for n in range(20_000)}
    assert is_expressible({"$defs": definitions}, CLAUDE)


@pytest.mark.parametrize(
    ("schema", "top"),
    [
        (None, {"type": "object"}),
        ({}, {"type": "object"}),
        ({"type": "object", "properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        (
            {"anyOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}]},
            {
                "type": "object",
                "properties": {"a": {}, "b": {}},
                "description": '{"anyOf":[{"properties":{"a":{}},"required":["a"]},'
                '{"properties":{"b":{}}}]}',
            },
        ),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}], "required": ["z"]},
            {"type": "object", "properties": {"a": {}}, "required": ["z", "a"]},
        ),
        (
            {"$ref": "#/$defs/x", "$defs": {"x": {"type": "object", "properties": {"a": {}}}}},
            {
                "type": "object",
                "properties": {"a": {}},
                "$defs": {"x": {"type": "object", "properties": {"a": {}}}},
            },
        ),
        ({"$ref": "#/$defs/nope"}, {"type": "object", "$ref": "#/$defs/nope"}),
    ],
)
def test_a_functions_parameters_are_an_object_in_so_many_words(schema, top):
    assert with_object_on_top(schema) == top


def test_openai_wants_properties_be_they_none():
    assert with_object_on_top({"type": "object"}, properties=True) == {
        "type": "object",
        "properties": {},
    }


CLOSED = {"type": "object", "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED | {"properties": {"a": {"type": "string"}}, "required": ["a"]}, True),
        (CLOSED | {"properties": {"a": {"type": "string"}}}, False),
        ({"type": "object", "properties": {}, "required": []}, False),
        (CLOSED | {"properties": {}}, True),
        (CLOSED | {"properties": {"a": {"allOf": []}}, "required": ["a"]}, False),
        (CLOSED | {"properties": {"a": {"type": "object"}}, "required": ["a"]}, False),
        (CLOSED | {"properties": {"a": True}, "required": ["a"]}, False),
        (CLOSED | {"properties": {}, "anyOf": []}, False),
        (CLOSED | {"properties": {"a": {}}, "required": "a"}, False),
        ({"type": "string"}, False),
        (None, False),
    ],
)
def test_openai_takes_as_strict_what_is_closed_and_required(schema, strict):
    assert is_strict(schema) is strict


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "anyOf", "$ref", "$defs", "required", "allOf", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    schema=st.dictionaries(
        st.sampled_from(["type", "anyOf", "allOf", "properties", "$defs", "$ref", "required"]), JSON
    )
)
def test_no_schema_however_odd_raises_anything(schema):
    for limits in (CLAUDE, GEMINI):
        json.dumps(fitted(schema, limits))
        is_expressible(schema, limits)
    assert with_object_on_top(schema)["type"] == "object"
    is_strict(schema)
