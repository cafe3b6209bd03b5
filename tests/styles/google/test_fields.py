"""Google's JSON as protobuf takes it."""

from __future__ import annotations

import pytest

from pilotfish.errors import ClientError
from pilotfish.styles.google.fields import GoogleFields, camel


@pytest.mark.parametrize(
    ("given", "expected"),
    [("system_instruction", "systemInstruction"), ("topK", "topK"), ("text", "text"), ("_", "_")],
)
def test_names_are_known_in_both_cases(given, expected):
    assert camel(given) == expected


def test_one_object_stands_for_a_list_of_one():
    fields = GoogleFields({"parts": {"text": "a"}, "many": [{"text": "b"}]})
    assert [part.text("text") for part in fields.objects("parts")] == ["a"]
    assert [part.text("text") for part in fields.objects("many")] == ["b"]


def test_nested_objects_are_read_the_same_way_and_named_by_their_place():
    inner = GoogleFields({"generation_config": {"max_output_tokens": "many"}}).object(
        "generationConfig"
    )
    with pytest.raises(ClientError, match=r"generationConfig\.maxOutputTokens: expected a number"):
        inner.whole("maxOutputTokens")


def test_text_in_place_of_a_list_is_refused():
    with pytest.raises(ClientError, match="parts: expected a list"):
        GoogleFields({"parts": "hi"}).items("parts")
