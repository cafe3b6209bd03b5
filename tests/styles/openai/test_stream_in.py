"""Reading Chat Completions streams."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.deltas import (
    CitationDelta,
    End,
    Finish,
    LogprobsDelta,
    Malformed,
    MessageStart,
    PartDelta,
    Ping,
    RefusalDelta,
    StreamError,
    TextDelta,
    ThinkingDelta,
    ThinkingEnd,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from pilotfish.core.formats.neutral import Audio, FinishReason, Image, Signature, TokenLogprob
from pilotfish.core.formats.usage import Usage
from style_wire import read, sse


def chunk(finish=None, logprobs=None, index=0, **delta):
    return {
        "id": "x",
        "model": "m",
        "choices": [
            {"index": index, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
        ],
    }


def deltas(*payloads):
    found = read("openai", sse(*payloads))
    return [delta for delta in found if not isinstance(delta, MessageStart)]


def call(index, identity=None, name=None, arguments=None, **more):
    function = {"name": name, "arguments": arguments}
    return chunk(
        tool_calls=[
            {
                "index": index,
                "id": identity,
                "function": {key: value for key, value in function.items() if value is not None},
            }
            | more
        ]
    )


def test_what_is_no_json_is_malformed_and_the_stream_goes_on():
    broken = b"data: {broken\n\n"
    assert deltas(chunk(content="a"), broken, chunk(content="b")) == [
        TextDelta("a"),
        Malformed(broken),
        TextDelta("b"),
    ]


def test_an_error_keeps_its_words_and_gets_its_status():
    (found,) = deltas({"error": {"message": "m", "code": "rate_limit_exceeded"}})
    assert isinstance(found, StreamError)
    assert (found.error.message, found.error.status) == ("m", 429)


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": [{"delta": {"content": 7}}]},
        {"choices": [{"delta": {"content": [7]}}]},
        {"choices": [{"delta": {"reasoning_details": [7]}}]},
    ],
)
def test_odd_content_is_nothing(odd):
    assert deltas(odd) == []


def test_a_stream_from_its_start_to_its_end():
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    events = sse(
        chunk(role="assistant", content=""),
        b": ping\n\n",
        chunk(content="a"),
        chunk("stop"),
        {"choices": [], "usage": usage},
        b"data: [DONE]\n\n",
    )
    assert read("openai", events) == [
        MessageStart("x", "m"),
        Ping(),
        TextDelta("a"),
        Finish(FinishReason.STOP),
        UsageDelta(Usage(input=3, output=2)),
        End(),
    ]


def test_other_choices_are_left_out():
    assert deltas(chunk(content="a"), chunk(index=1, content="b")) == [TextDelta("a")]


def test_completions_have_text():
    assert deltas({"choices": [{"index": 0, "text": "a", "finish_reason": None}]}) == [
        TextDelta("a")
    ]


def test_parallel_calls_by_their_index():
    assert deltas(
        call(0, "a", "f", ""),
        call(1, "b", "g", "{"),
        call(0, arguments="{}"),
        call(1, arguments="}"),
        chunk("stop"),
    ) == [
        ToolStart(index=0, id="a", name="f"),
        ToolStart(index=1, id="b", name="g"),
        ToolArgs(1, "{"),
        ToolArgs(0, "{}"),
        ToolArgs(1, "}"),
        Finish(FinishReason.TOOL_CALLS),
    ]


def test_servers_that_number_all_calls_zero_or_not_at_all():
    """Their calls are told apart by their ids."""
    zeros = deltas(call(0, "a", "f", "{}"), call(0, "b", "f", "{}"))
    none = deltas(call(None, "a", "f", "{}"), call(None, "b", "f", "{}"))
    expected = [
        ToolStart(index=0, id="a", name="f"),
        ToolArgs(0, "{}"),
        ToolStart(index=1, id="b", name="f"),
        ToolArgs(1, "{}"),
    ]
    assert zeros == none == expected


def test_an_id_that_is_repeated_with_every_piece_is_no_new_call():
    assert deltas(call(0, "a", "f", "{"), call(0, "a", "f", "}")) == [
        ToolStart(index=0, id="a", name="f"),
        ToolArgs(0, "{"),
        ToolArgs(0, "}"),
    ]


def test_arguments_that_are_objects_become_text():
    assert deltas(call(0, "a", "f", {"a": 1})) == [
        ToolStart(index=0, id="a", name="f"),
        ToolArgs(0, '{"a":1}'),
    ]


@pytest.mark.parametrize("identity", [None, ""])
def test_calls_without_ids_that_are_all_numbered_0_are_told_apart(identity):
    assert deltas(
        call(0, identity, "f", '{"a":'),
        call(0, identity, "f", "1}"),
        call(0, identity, "g", "{}"),
        call(0, identity, "f", '{"a":2}'),
    ) == [
        ToolStart(index=0, id="", name="f"),
        ToolArgs(0, '{"a":'),
        ToolArgs(0, "1}"),
        ToolStart(index=1, id="", name="g"),
        ToolArgs(1, "{}"),
        ToolStart(index=2, id="", name="f"),
        ToolArgs(2, '{"a":2}'),
    ]


def test_a_call_that_says_nothing_is_none():
    found = deltas(chunk("stop", content="a", function_call={"name": "", "arguments": ""}))
    assert found == [TextDelta("a"), Finish(FinishReason.STOP)]


def test_calls_of_other_kinds():
    custom = chunk(
        tool_calls=[
            {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
        ]
    )
    legacy = chunk(function_call={"name": "f", "arguments": "{}"})
    gemini = call(0, "a", "f", "{}", extra_content={"google": {"thought_signature": "G"}})
    assert deltas(custom) == [
        ToolStart(index=0, id="a", name="sh", kind="custom"),
        ToolArgs(0, "ls"),
    ]
    assert deltas(legacy) == [ToolStart(index=0, id="", name="f"), ToolArgs(0, "{}")]
    assert deltas(gemini)[0] == ToolStart(
        index=0, id="a", name="f", signature=Signature("google", "G")
    )


def test_reasoning_in_all_its_fields():
    detail = {
        "type": "reasoning.text",
        "text": "hm",
        "signature": "S",
        "format": "anthropic-claude-v1",
    }
    assert (
        deltas(chunk(reasoning_content="hm"))
        == deltas(chunk(reasoning="hm"))
        == [ThinkingDelta("hm")]
    )
    assert deltas(chunk(reasoning_details=[detail])) == [
        ThinkingDelta("hm"),
        ThinkingEnd(Signature("anthropic", "S")),
    ]
    assert deltas(chunk(reasoning="hm", reasoning_details=[detail])) == [
        ThinkingDelta("hm"),
        ThinkingEnd(Signature("anthropic", "S")),
    ]
    mistral = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "a"},
    ]
    assert deltas(chunk(content=mistral)) == [ThinkingDelta("hm"), TextDelta("a")]


def test_refusals_citations_pictures_sound_and_logprobs():
    annotation = {
        "type": "url_citation",
        "url_citation": {"url": "https://x", "title": "X", "start_index": 0, "end_index": 1},
    }
    assert deltas(chunk(refusal="no"), chunk("stop")) == [
        RefusalDelta("no"),
        Finish(FinishReason.REFUSAL),
    ]
    (found,) = deltas(chunk(annotations=[annotation, 7]))
    assert isinstance(found, CitationDelta)
    assert found.citation.url == "https://x"
    assert deltas(chunk(images=[{"image_url": {"url": "https://x"}}])) == [
        PartDelta(Image(url="https://x"))
    ]
    assert deltas(chunk(audio={"id": "a", "data": "AA", "expires_at": 7})) == [
        PartDelta(Audio(id="a", data="AA", origin="openai"))
    ]
    tokens = {"content": [{"token": "a", "logprob": -1, "bytes": None, "top_logprobs": []}]}
    assert deltas(chunk(logprobs=tokens, content="a")) == [
        TextDelta("a"),
        LogprobsDelta((TokenLogprob("a", -1.0),)),
    ]
