"""Whole Chat Completions answers."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.neutral import (
    Audio,
    Citation,
    FinishReason,
    Image,
    Opaque,
    Refusal,
    Reply,
    Signature,
    Text,
    Thinking,
    TokenLogprob,
    ToolCall,
)
from pilotfish.styles.openai.reply import (
    finish_from,
    finish_word,
    read_logprobs,
    read_reply,
    write_annotation,
    write_reply,
)
from style_wire import WRITTEN


def answer(message, **fields):
    return json.dumps(
        {"choices": [{"index": 0, "message": {"role": "assistant"} | message} | fields]}
    ).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": 7}]}',
        b'{"error": {"message": "m"}}',
        answer({"content": 7}),
        answer({"tool_calls": [{}]}),
    ],
)
def test_what_is_no_answer_is_refused(body):
    with pytest.raises(ValueError, match="expected"):
        read_reply(body)


@pytest.mark.parametrize(
    ("word", "called", "refused", "finish"),
    [
        ("stop", False, False, FinishReason.STOP),
        ("stop", True, False, FinishReason.TOOL_CALLS),
        ("stop", False, True, FinishReason.REFUSAL),
        ("function_call", True, False, FinishReason.TOOL_CALLS),
        ("model_length", False, False, FinishReason.CONTEXT),
        ("insufficient_system_resource", False, False, FinishReason.OTHER),
        ("length", True, False, FinishReason.LENGTH),
    ],
)
def test_finish_reasons_are_read_for_what_they_mean(word, called, refused, finish):
    assert finish_from(word, called=called, refused=refused) is finish


def test_every_finish_has_a_word():
    words = {finish: finish_word(finish, refused=False) for finish in FinishReason}
    assert set(words.values()) <= {"stop", "length", "tool_calls", "content_filter"}
    assert words[FinishReason.PAUSE] == "length"
    assert finish_word(FinishReason.REFUSAL, refused=True) == "stop"


def test_parts_of_every_kind_are_read():
    reply = read_reply(
        answer(
            {
                "content": "a",
                "reasoning": "hm",
                "images": [{"image_url": {"url": "data:image/png;base64,AA"}}, {"image_url": 7}],
                "audio": {"id": "au", "data": "AA", "transcript": "t"},
                "function_call": {"name": "f", "arguments": "{}"},
            }
        )
    )
    assert reply.parts == (
        Thinking(text="hm"),
        Text("a"),
        Image(media_type="image/png", data="AA"),
        Audio(id="au", data="AA", transcript="t", origin="openai"),
        ToolCall(id="", name="f", arguments="{}"),
    )
    assert reply.finish is FinishReason.TOOL_CALLS
    assert reply.usage is None


def test_everything_that_can_be_written_is_read_again():
    parts = (
        Thinking(text="hm", signature=Signature("anthropic", "S")),
        Text(
            "a", citations=(Citation(url="https://x", title="X", start=0, end=1, origin="openai"),)
        ),
        Image(media_type="image/png", data="AA"),
        ToolCall(id="c", name="f", arguments="{}", signature=Signature("google", "G")),
    )
    tokens = (TokenLogprob("a", -0.5, (97,), (TokenLogprob("b", -1.0),)),)
    body = write_reply(
        Reply(parts=parts, finish=FinishReason.TOOL_CALLS, logprobs=tokens), **WRITTEN
    )
    found = read_reply(body)
    assert found.parts[0] == parts[0]
    assert found.parts[1].citations[0].url == "https://x"
    assert found.parts[2:] == parts[2:]
    assert found.logprobs == tokens


def test_a_refusal_that_explains_itself_stands_in_its_own_field():
    body = json.loads(
        write_reply(Reply(finish=FinishReason.REFUSAL, finish_details="No."), **WRITTEN)
    )
    assert body["choices"][0]["message"]["refusal"] == "No."
    assert body["choices"][0]["finish_reason"] == "stop"


def test_blocks_of_another_vendors_own_tools_are_left_out():
    body = json.loads(
        write_reply(Reply(parts=(Opaque("anthropic", {"type": "x"}), Text("a"))), **WRITTEN)
    )
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "a", "refusal": None}


@pytest.mark.parametrize(
    ("given", "shown"), [("standard", "default"), ("priority", "priority"), ("batch", None)]
)
def test_service_tiers_are_in_openais_words(given, shown):
    assert (
        json.loads(write_reply(Reply(service_tier=given), **WRITTEN)).get("service_tier") == shown
    )


def test_an_audio_answer_is_given_back():
    body = json.loads(
        write_reply(
            Reply(parts=(Refusal("no"), Audio(id="a", data="AA", transcript="t"))), **WRITTEN
        )
    )
    assert body["choices"][0]["message"]["audio"] == {
        "id": "a",
        "data": "AA",
        "transcript": "t",
        "expires_at": 0,
    }


def test_a_place_in_a_document_is_a_citation_without_an_address():
    written = write_annotation(Citation(title="T", cited_text="c"), 3, 9)
    assert written == {
        "type": "url_citation",
        "url_citation": {
            "start_index": 3,
            "end_index": 9,
            "title": "T",
            "url": "",
            "cited_text": "c",
        },
    }


@pytest.mark.parametrize(
    "odd", [None, 7, {}, {"content": 7}, {"content": [7, {"token": 7}, {"token": "a"}]}]
)
def test_logprobs_that_are_not_as_documented_are_left_out(odd):
    assert read_logprobs(odd) == ()


def test_a_call_that_says_nothing_is_none():
    message = {"content": "a", "function_call": {"name": "", "arguments": ""}}
    reply = read_reply(answer(message))
    assert (reply.parts, reply.finish) == ((Text("a"),), FinishReason.STOP)


def test_what_was_read_of_the_clients_own_file_is_no_citation():
    file = {"type": "file", "file": {"hash": "h", "name": "a.pdf", "content": []}}
    reply = read_reply(answer({"content": "a", "annotations": [file]}))
    assert reply.parts == (Text("a"),)


def test_annotations_without_any_text_have_no_place():
    assert (
        read_reply(answer({"content": None, "annotations": [{"type": "url_citation"}]})).parts == ()
    )
