"""Google's schemas become JSON Schema without losing what they say."""

from __future__ import annotations

import jsonschema
import pytest

from pilotfish.styles.google.schema import DEPTH, json_schema


def test_types_are_lower_case_at_every_depth():
    given = {
        "type": "OBJECT",
        "properties": {"a": {"type": "ARRAY", "items": {"type": "STRING"}}},
        "required": ["a"],
    }
    expected = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "string"}}},
        "required": ["a"],
    }
    assert json_schema(given) == expected


def test_a_property_may_be_called_like_a_keyword():
    given = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING"},
            "nullable": {"type": "BOOLEAN"},
            "max_items": {"type": "INTEGER"},
        },
    }
    assert set(json_schema(given)["properties"]) == {"type", "nullable", "max_items"}


@pytest.mark.parametrize(
    ("given", "valid", "invalid"),
    [
        ({"type": "STRING", "nullable": True}, None, 1),
        ({"type": "STRING", "enum": ["a"], "nullable": True}, None, "b"),
        ({"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}], "nullable": True}, None, True),
        ({"type": "STRING"}, "a", None),
        (
            {"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": "1", "max_items": 2},
            [1.5],
            [],
        ),
    ],
)
def test_what_was_valid_stays_valid_and_nothing_else(given, valid, invalid):
    found = json_schema(given)
    jsonschema.Draft202012Validator.check_schema(found)
    jsonschema.validate(valid, found)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(invalid, found)


def test_references_and_examples_have_their_names_in_json_schema():
    given = {
        "ref": "#/$defs/n",
        "defs": {"n": {"type": "INTEGER"}},
        "example": 3,
        "propertyOrdering": ["a"],
    }
    assert json_schema(given) == {
        "$ref": "#/$defs/n",
        "$defs": {"n": {"type": "integer"}},
        "examples": [3],
    }


def test_json_schema_passes_unchanged():
    given = {"type": ["string", "null"], "$defs": {}, "additionalProperties": False}
    assert json_schema(given) == given


def test_a_bottomless_schema_is_refused():
    given: dict = {"type": "STRING"}
    for _ in range(DEPTH + 2):
        given = {"items": given}
    with pytest.raises(ValueError, match="nested deeper"):
        json_schema(given)
