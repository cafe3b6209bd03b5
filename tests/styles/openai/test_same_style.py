"""Chat clients of a service that speaks their style and takes not all of it."""

from __future__ import annotations

import json

import msgspec
import pytest

from pilotfish.core.formats.style import Quirks
from pilotfish.styles.openai import STYLE
from pilotfish.styles.openai.same_style import edits

MISTRAL = Quirks(tool_id="mistral9", assistant_after_tool=True)
CALL = {"id": "call_AbC123xyz", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def edited(messages, quirks=MISTRAL):
    found = edits({"messages": msgspec.Raw(json.dumps(messages).encode())}, quirks)
    return json.loads(found["messages"]) if found else None


@pytest.mark.parametrize("raw", [b"7", b"null", b'"x"', b"[7, null]", b'[{"role": 7}]', b"[["])
def test_what_are_no_messages_is_for_the_service_to_refuse(raw):
    assert edits({"messages": msgspec.Raw(raw)}, MISTRAL) == {}
    assert edits({}, MISTRAL) == {}


def test_a_call_and_its_answer_get_the_same_id_that_the_service_takes():
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [CALL], "unknown": 1.50},
        {"role": "tool", "tool_call_id": "call_AbC123xyz", "content": "1"},
    ]
    call, answer = edited(messages)
    identity = call["tool_calls"][0]["id"]
    assert (len(identity), identity.isalnum()) == (9, True)
    assert answer["tool_call_id"] == identity
    assert call["unknown"] == 1.5


def test_an_assistants_message_stands_between_a_tools_and_a_users():
    messages = [
        {"role": "tool", "tool_call_id": "D681PevKs", "content": "1"},
        {"role": "user", "content": "and now?"},
    ]
    assert [message["role"] for message in edited(messages)] == ["tool", "assistant", "user"]


def test_messages_that_are_as_the_service_wants_them_stay_the_bytes_they_are():
    call = CALL | {"id": "D681PevKs"}
    messages = [
        {"role": "assistant", "tool_calls": [call, "odd", {"id": 7}]},
        {"role": "tool", "tool_call_id": "D681PevKs"},
        {"role": "tool", "tool_call_id": "E681PevKs"},
    ]
    assert edited(messages) is None


def test_the_style_is_asked_only_where_a_quirk_says_so():
    assert MISTRAL.edits_history
    assert not Quirks(tool_id_max=40).edits_history
    assert STYLE.same_style_edits({}, MISTRAL) == {}
