"""What wires hand over of a request."""

from __future__ import annotations

import pytest

from pilotfish.simulated.asked import Asked, AskedTurn, BadRequest, list_of, object_of, text_of


@pytest.mark.parametrize("value", [None, [], "x", 7])
def test_what_is_no_object_is_refused_with_its_place(value):
    with pytest.raises(BadRequest, match=r"messages\[0\]: found .*, expected an object"):
        object_of(value, "messages[0]")


@pytest.mark.parametrize("value", [{}, "x", 7])
def test_what_is_no_array_is_refused_with_its_place(value):
    with pytest.raises(BadRequest, match=r"tools: found .*, expected an array"):
        list_of(value, "tools")


def test_a_missing_array_is_empty():
    assert list_of(None, "tools") == []
    assert list_of([1], "tools") == [1]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        ([{"type": "text", "text": "a"}, {"text": "b"}], "ab"),  # OpenAI, Anthropic, Bedrock
        ({"parts": [{"text": "a"}, {"inlineData": {}}]}, "a"),  # Gemini
        ([{"type": "tool_result", "content": [{"text": "deep"}]}], "deep"),
        (None, ""),
        (7, ""),
    ],
)
def test_text_is_found_in_the_content_of_every_style(content, text):
    assert text_of(content) == text


def test_a_prompt_is_at_least_one_token_and_counts_tools():
    assert Asked(model="m").input_tokens == 1
    turns = [AskedTurn("user", "x" * 40)]
    assert Asked(model="m", turns=turns).input_tokens == 10
    assert Asked(model="m", turns=turns, tools={"weather": None}).input_tokens > 10
