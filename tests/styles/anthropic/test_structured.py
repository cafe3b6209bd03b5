"""Structured output by a tool that must be called."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.neutral import FinishReason, Text, Thinking, ToolCall
from pilotfish.styles.anthropic.structured import (
    OBJECT_TOOL,
    VALUE_TOOL,
    tool_for,
    unwrap,
    unwrapped,
)


@pytest.mark.parametrize("arguments", ["", '{"value": ', "[1]", "{}", '{"other": 1}'])
def test_what_was_cut_or_is_odd_is_passed_on(arguments):
    assert unwrapped(VALUE_TOOL, arguments) == arguments


def test_a_value_is_taken_out():
    assert unwrapped(VALUE_TOOL, '{"value": [1, "ü"]}') == '[1,"ü"]'
    assert unwrapped(OBJECT_TOOL, '{"a": 1}') == '{"a": 1}'
    assert unwrapped(OBJECT_TOOL, "") == "{}"


def test_tools_take_objects_so_other_schemas_are_put_under_a_value():
    tool = tool_for(
        {"type": "array", "items": {"$ref": "#/$defs/x"}, "$defs": {"x": {}}}, "A list."
    )
    assert tool["name"] == VALUE_TOOL
    assert tool["input_schema"]["properties"] == {
        "value": {"type": "array", "items": {"$ref": "#/$defs/x"}}
    }
    assert tool["input_schema"]["$defs"] == {"x": {}}
    assert tool["description"].endswith("A list.")


def test_an_answer_without_the_call_is_left_alone():
    parts = (Text("a"), ToolCall(id="t", name="f"))
    assert unwrap(parts, FinishReason.TOOL_CALLS) == (parts, FinishReason.TOOL_CALLS)


def test_the_call_becomes_the_text_and_chatter_goes():
    call = ToolCall(id="t", name=OBJECT_TOOL, arguments='{"a":1}')
    assert unwrap((Thinking(text="hm"), Text("Here:"), call), FinishReason.TOOL_CALLS) == (
        (Thinking(text="hm"), Text('{"a":1}')),
        FinishReason.STOP,
    )


def test_calls_of_the_clients_own_tools_stay_calls():
    own, call = ToolCall(id="t", name="f"), ToolCall(id="u", name=OBJECT_TOOL)
    assert unwrap((own, call), FinishReason.TOOL_CALLS) == (
        (own, Text("{}")),
        FinishReason.TOOL_CALLS,
    )
