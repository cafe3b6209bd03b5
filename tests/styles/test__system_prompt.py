"""A system prompt before what is no text: it is left to the service to say so."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pilotfish.styles._system_prompt import (
    before_blocks,
    before_messages,
    before_parts,
    before_text,
)


def members(**fields: object) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}


def decoded(edits: dict[str, bytes]) -> dict[str, Any]:
    return {name: msgspec.json.decode(value) for name, value in edits.items()}


@pytest.mark.parametrize("messages", [None, 7, "text", {"role": "user"}])
def test_no_list_of_messages_is_changed(messages: object) -> None:
    assert before_messages(members(messages=messages), "Rule.") == {}


@pytest.mark.parametrize("first", [7, {"role": 7}, {"content": "Mine."}, {"role": "user"}])
def test_a_first_message_that_is_no_instruction_stays(first: object) -> None:
    (rule, *rest) = decoded(before_messages(members(messages=[first]), "Rule."))["messages"]
    assert (rule, rest) == ({"role": "system", "content": "Rule."}, [first])


def test_an_empty_conversation_gets_one() -> None:
    assert decoded(before_messages(members(messages=[]), "Rule."))["messages"] == [
        {"role": "system", "content": "Rule."}
    ]


@pytest.mark.parametrize("own", ["", [], None, 7])
def test_instructions_that_say_nothing_are_replaced(own: object) -> None:
    assert decoded(before_text(members(system=own), "system", "Rule.")) == {"system": "Rule."}


def test_blocks_and_parts_of_another_shape_are_replaced() -> None:
    rule = {"text": "Rule."}
    assert decoded(before_blocks(members(system="?"), "system", "Rule.")) == {"system": [rule]}
    assert decoded(before_parts(members(s="?"), "s", "Rule.")) == {"s": {"parts": [rule]}}
    named = members(s={"role": "x"})
    assert decoded(before_parts(named, "s", "Rule.")) == {"s": {"role": "x", "parts": [rule]}}
