"""Whether an answer fits the schema that a client asked for."""

from __future__ import annotations

from typing import Any

import pytest

from pilotfish.core.exchange.schema_fit import STEPS, fits

PLACE = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "kind": {"enum": ["port", "town"]},
        "people": {"type": ["integer", "null"]},
        "twins": {"type": "array", "items": {"$ref": "#/$defs/twin"}, "maxItems": 2},
        "at": {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/twin"}]},
    },
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"twin": {"type": "object", "required": ["name"]}},
}


@pytest.mark.parametrize(
    "value",
    [
        {"city": "Oslo"},
        {"city": "Oslo", "kind": "port", "people": None, "twins": [{"name": "Rome"}], "at": 1.5},
        {"city": "Oslo", "people": 7.0, "at": {"name": "here"}},
    ],
)
def test_what_fits(value: Any) -> None:
    assert fits(value, PLACE)


@pytest.mark.parametrize(
    "value",
    [
        "Oslo",
        [],
        {},
        {"city": 7},
        {"city": "Oslo", "more": 1},
        {"city": "Oslo", "kind": "hill"},
        {"city": "Oslo", "people": 1.5},
        {"city": "Oslo", "people": True},
        {"city": "Oslo", "twins": [{}]},
        {"city": "Oslo", "twins": [{"name": "a"}, {"name": "b"}, {"name": "c"}]},
        {"city": "Oslo", "at": "here"},
    ],
)
def test_what_does_not(value: Any) -> None:
    assert not fits(value, PLACE)


def test_all_of_several_and_exactly_one_of_several() -> None:
    schema = {"allOf": [{"type": "object"}, {"required": ["a"]}], "oneOf": [{"required": ["b"]}]}
    assert fits({"a": 1, "b": 1}, schema)
    assert not fits({"b": 1}, schema)
    assert not fits(7, {"oneOf": [{"type": "integer"}, {"const": 7}]})


def test_a_schema_that_says_nothing_known_refuses_nothing() -> None:
    for schema in ({}, {"type": "colour"}, {"properties": 7}, {"$ref": "https://vendor.test/s"}):
        assert fits({"any": "thing"}, schema)
    assert not fits([1], {"items": False})


def test_a_hostile_schema_ends_soon() -> None:
    endless: dict[str, Any] = {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}
    assert fits(1, endless)
    assert fits("a" * 50, {"type": "string", "pattern": "^(a+)+$"}), "patterns are passed over"
    assert fits(list(range(2 * STEPS)), {"items": {"type": "integer"}})
