"""Whole Anthropic messages."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.neutral import FinishReason, Refusal, Reply, Text, ToolCall
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.anthropic.reply import (
    explanation_in,
    finish_from,
    finish_word,
    read_reply,
    write_reply,
    write_usage,
)
from style_wire import WRITTEN


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"type":"error","error":{"message":"m"}}',
        b'{"content":[7]}',
        b'{"content":[{"type":"text"}]}',
        b'{"content":[],"stop_reason":7}',
    ],
)
def test_what_is_no_message_is_refused(body):
    with pytest.raises(ValueError, match="expected"):
        read_reply(body)


@pytest.mark.parametrize("finish", FinishReason)
def test_every_finish_has_a_word_and_its_own_come_back(finish):
    word = finish_word(finish)
    lossy = {
        FinishReason.CONTENT_FILTER: FinishReason.REFUSAL,
        FinishReason.MALFORMED_CALL: FinishReason.STOP,
        FinishReason.MALFORMED: FinishReason.STOP,
        FinishReason.OTHER: FinishReason.STOP,
    }
    assert finish_from(word) is lossy.get(finish, finish)


def test_a_pause_for_a_summary_is_a_pause():
    assert finish_from("compaction") is FinishReason.PAUSE


def test_a_word_that_nobody_knows_is_other():
    assert finish_from("exploded") is FinishReason.OTHER


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ((Refusal("no"),), "refusal"),
        ((ToolCall(id="t", name="f"),), "tool_use"),
        ((Text("a"),), "end_turn"),
    ],
)
def test_what_the_answer_holds_decides_where_another_vendor_only_said_stop(parts, word):
    assert json.loads(write_reply(Reply(parts=parts), **WRITTEN))["stop_reason"] == word


def test_usage_is_taken_apart_the_way_anthropic_sums():
    assert write_usage(Usage(input=170, output=3, cached_input=50, cache_write=100)) == {
        "input_tokens": 20,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 50,
        "output_tokens": 3,
    }


def test_a_refusal_keeps_its_explanation():
    body = write_reply(Reply(finish=FinishReason.REFUSAL, finish_details="Declined."), **WRITTEN)
    assert json.loads(body)["stop_details"] == {
        "type": "refusal",
        "category": None,
        "explanation": "Declined.",
    }
    assert read_reply(body).finish_details == "Declined."


@pytest.mark.parametrize(
    ("details", "said"),
    [
        (None, ""),
        ({"category": "bio"}, "bio"),
        ({"explanation": "x", "category": "bio"}, "x"),
        (7, ""),
    ],
)
def test_what_is_said_of_a_refusal(details, said):
    assert explanation_in(details) == said


def test_what_only_anthropic_knows_comes_back_to_its_own_clients():
    body = json.dumps(
        {
            "type": "message",
            "role": "assistant",
            "content": [],
            "container": {"id": "c"},
            "stop_sequence": "END",
            "usage": {"service_tier": "batch"},
        }
    ).encode()
    reply = read_reply(body)
    assert (reply.stop_sequence, reply.service_tier) == ("END", "batch")
    assert json.loads(write_reply(reply, **WRITTEN))["container"] == {"id": "c"}
