"""Counting tokens between Google and Anthropic."""

from __future__ import annotations

import json

import pytest

from pilotfish import styles
from pilotfish.core.formats.neutral import Text
from pilotfish.core.formats.style import Target
from pilotfish.errors import ClientError
from pilotfish.styles.google import count

CONTENTS = [{"role": "user", "parts": [{"text": "hi"}]}]


@pytest.mark.parametrize(
    "body",
    [
        {"contents": CONTENTS, "systemInstruction": {"parts": [{"text": "s"}]}},
        {
            "generateContentRequest": {
                "model": "models/x",
                "contents": CONTENTS,
                "system_instruction": {"parts": {"text": "s"}},
            }
        },
    ],
)
def test_both_forms_of_googles_request_say_the_same(body):
    chat = count.read_google_request(json.dumps(body).encode(), model="m")
    assert (chat.turns[0].parts, chat.system) == ((Text("hi"),), (Text("s"),))


def test_a_request_without_contents_is_the_clients_fault():
    with pytest.raises(ClientError, match="contents"):
        count.read_google_request(b'{"generateContentRequest":{}}', model="m")


def test_a_google_request_is_counted_by_anthropic():
    chat = count.read_google_request(
        json.dumps(
            {"contents": CONTENTS, "tools": [{"functionDeclarations": [{"name": "f"}]}]}
        ).encode(),
        model="m",
    )
    written = styles.get("anthropic").write_request(chat, Target(model="claude-x", stream=False))
    found = json.loads(count.anthropic_request(written.body))
    assert set(found) == {"model", "messages", "tools"}


def test_an_anthropic_request_is_counted_by_google_with_system_and_tools():
    body = {
        "model": "c",
        "max_tokens": 1,
        "system": "s",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    }
    chat = styles.get("anthropic").read_request(json.dumps(body).encode(), model="m", stream=False)
    request = json.loads(
        count.write_google_request(chat, Target(model="gemini-x", stream=False)).body
    )["generateContentRequest"]
    assert request["model"] == "models/gemini-x"
    assert request["systemInstruction"] == {"parts": [{"text": "s"}]}
    assert request["tools"][0]["functionDeclarations"][0]["name"] == "f"


def test_counts_go_both_ways():
    assert count.read_google_reply(count.write_google_reply(7)) == 7
    assert count.read_anthropic_reply(count.write_anthropic_reply(8)) == 8


@pytest.mark.parametrize("body", [b"{}", b"<html>", b'{"totalTokens":"7","input_tokens":"7"}'])
def test_an_answer_without_a_count_is_a_value_error(body):
    with pytest.raises(ValueError):
        count.read_google_reply(body)
    with pytest.raises(ValueError):
        count.read_anthropic_reply(body)
