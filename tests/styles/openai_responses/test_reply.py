"""Whole Responses answers."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.neutral import (
    Audio,
    Citation,
    FinishReason,
    Opaque,
    Refusal,
    Reply,
    Signature,
    Text,
    Thinking,
    TokenLogprob,
    ToolCall,
)
from pilotfish.styles.openai_responses.reply import (
    finish_from,
    incomplete_reason,
    read_reply,
    write_annotation,
    write_reply,
)
from style_wire import WRITTEN


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"output": 7}',
        b'{"output": [7]}',
        b'{"output": [], "error": {"message": "m"}}',
        b'{"output": [{"type": "function_call"}]}',
    ],
)
def test_what_is_no_answer_is_refused(body):
    with pytest.raises(ValueError, match="expected"):
        read_reply(body)


@pytest.mark.parametrize(
    ("incomplete", "called", "refused", "finish"),
    [
        (None, False, False, FinishReason.STOP),
        (None, True, False, FinishReason.TOOL_CALLS),
        (None, False, True, FinishReason.REFUSAL),
        ({"reason": "max_output_tokens"}, True, False, FinishReason.LENGTH),
        ({"reason": "content_filter"}, False, False, FinishReason.CONTENT_FILTER),
        ({"reason": "max_messages"}, False, False, FinishReason.PAUSE),
        ({"reason": "steered"}, False, False, FinishReason.PAUSE),
        ({"reason": "new"}, False, False, FinishReason.OTHER),
        ({"reason": None}, False, False, FinishReason.STOP),
    ],
)
def test_how_it_ended_is_read(incomplete, called, refused, finish):
    assert finish_from(incomplete, called=called, refused=refused) is finish


def test_only_an_answer_that_was_cut_is_incomplete():
    assert {
        finish: incomplete_reason(finish, refused=False)
        for finish in FinishReason
        if incomplete_reason(finish, refused=False)
    } == {
        FinishReason.LENGTH: "max_output_tokens",
        FinishReason.CONTEXT: "max_output_tokens",
        FinishReason.PAUSE: "max_output_tokens",
        FinishReason.CONTENT_FILTER: "content_filter",
        FinishReason.REFUSAL: "content_filter",
    }
    assert incomplete_reason(FinishReason.REFUSAL, refused=True) is None


def test_everything_that_can_be_written_is_read_again():
    parts = (
        Thinking(text="hm", signature=Signature("anthropic", "S"), id="rs_r1_0"),
        Text("a"),
        Refusal("no"),
        ToolCall(id="c", name="f", arguments='{"a":1}', signature=Signature("google", "G")),
        ToolCall(id="d", name="sh", arguments="ls", kind="custom"),
        Opaque("openai_responses", {"type": "web_search_call", "id": "ws"}),
    )
    tokens = (TokenLogprob("a", -0.5, (97,)),)
    found = read_reply(
        write_reply(Reply(parts=parts, logprobs=tokens, service_tier="flex"), **WRITTEN)
    )
    assert found.parts == parts
    assert found.logprobs == tokens
    assert found.service_tier == "flex"


def test_texts_next_to_one_another_are_one_message():
    body = json.loads(
        write_reply(
            Reply(
                parts=(
                    Text("a"),
                    Text("b"),
                    Audio(transcript="t"),
                    Opaque("anthropic", {}),
                    Text("c"),
                )
            ),
            **WRITTEN,
        )
    )
    assert [[part["text"] for part in item["content"]] for item in body["output"]] == [
        ["a", "b", "t"],
        ["c"],
    ]


def test_an_answer_cut_short_says_so_on_its_messages_too():
    body = json.loads(write_reply(Reply(parts=(Text("a"),), finish=FinishReason.LENGTH), **WRITTEN))
    assert (body["status"], body["output"][0]["status"], body["incomplete_details"]) == (
        "incomplete",
        "incomplete",
        {"reason": "max_output_tokens"},
    )


@pytest.mark.parametrize(
    ("citation", "kind"),
    [
        (Citation(url="https://x"), "url_citation"),
        (Citation(title="T"), "file_citation"),
        (
            Citation(origin="openai", raw={"type": "container_file_citation"}),
            "container_file_citation",
        ),
    ],
)
def test_annotations_are_flat(citation, kind):
    assert write_annotation(citation, 1, 2)["type"] == kind
