"""Google's streams as deltas; nothing makes the reader raise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.formats.deltas import (
    CitationDelta,
    End,
    Finish,
    LogprobsDelta,
    Malformed,
    MessageStart,
    PartDelta,
    Ping,
    StreamError,
    TextDelta,
    ThinkingDelta,
    ThinkingEnd,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from pilotfish.core.formats.neutral import FinishReason, Image, Signature
from pilotfish.core.formats.sse import event_from
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.google.stream_in import GoogleStreamReader


def chunk(
    *parts: dict[str, Any],
    finish: str | None = None,
    candidate: dict[str, Any] | None = None,
    **rest: Any,
) -> bytes:
    inner = (
        {"content": {"parts": list(parts), "role": "model"}}
        | ({"finishReason": finish} if finish else {})
        | (candidate or {})
    )
    return event_from(json.dumps({"candidates": [inner], "responseId": "r1", **rest}).encode())


def read(*events: bytes) -> list[Any]:
    reader = GoogleStreamReader()
    return [
        delta
        for event in events
        for delta in reader.feed(event)
        if not isinstance(delta, MessageStart)
    ]


@pytest.mark.parametrize(
    "event",
    [
        b"data: {\n\n",
        b"data: 7\n\n",
        b'data: {"candidates":7}\n\n',
        b'data: {"candidates":[{"content":{"parts":[{"functionCall":{}}]}}]}\n\n',
    ],
)
def test_what_is_no_chunk_is_malformed_and_the_stream_goes_on(event):
    assert read(event, chunk({"text": "a"})) == [Malformed(event), TextDelta("a")]


def test_an_error_is_told_with_its_status():
    (found,) = read(event_from(b'{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}'))
    assert isinstance(found, StreamError)
    assert (found.error.status, found.error.type) == (503, "UNAVAILABLE")


def test_the_first_chunk_starts_the_answer():
    assert GoogleStreamReader().feed(chunk({"text": "a"}, modelVersion="gemini-x")) == [
        MessageStart("r1", "gemini-x"),
        TextDelta("a"),
    ]


def test_parallel_calls_of_one_function_over_several_chunks_do_not_collide():
    call = {"functionCall": {"name": "f", "args": {"a": 1}}}
    found = read(chunk(call | {"thoughtSignature": "c2ln"}, call), chunk(call, finish="STOP"))
    assert found == [
        ToolStart(index=0, id="gcall_r1_0", name="f", signature=Signature("google", "c2ln")),
        ToolArgs(0, '{"a":1}'),
        ToolStart(index=1, id="gcall_r1_1", name="f"),
        ToolArgs(1, '{"a":1}'),
        ToolStart(index=2, id="gcall_r1_2", name="f"),
        ToolArgs(2, '{"a":1}'),
        Finish(FinishReason.TOOL_CALLS),
    ]


def test_a_call_in_an_earlier_chunk_is_why_it_stopped():
    assert read(chunk({"functionCall": {"id": "x", "name": "f"}}), chunk(finish="STOP"))[
        -1
    ] == Finish(FinishReason.TOOL_CALLS)


def test_thoughts_are_told_from_text_and_end_where_it_begins():
    thought = {"text": "hm", "thought": True}
    assert read(chunk(thought), chunk(thought, {"text": "a"})) == [
        ThinkingDelta("hm"),
        ThinkingDelta("hm"),
        ThinkingEnd(),
        TextDelta("a"),
    ]


def test_a_signature_ends_the_thought_it_stands_at():
    found = read(
        chunk({"text": "hm", "thought": True, "thoughtSignature": "c2ln"}),
        chunk({"text": "", "thoughtSignature": "Y2Fs"}, finish="STOP"),
    )
    assert found == [
        ThinkingDelta("hm"),
        ThinkingEnd(Signature("google", "c2ln")),
        TextDelta("", Signature("google", "Y2Fs")),
        Finish(FinishReason.STOP),
    ]


def test_usage_may_come_with_the_finish_reason_or_after_it():
    usage = UsageDelta(Usage(input=3, output=4))
    counts = {"promptTokenCount": 3, "candidatesTokenCount": 4}
    assert read(chunk(finish="STOP", usageMetadata=counts)) == [Finish(FinishReason.STOP), usage]
    assert read(
        chunk(finish="STOP"), event_from(json.dumps({"usageMetadata": counts}).encode())
    ) == [Finish(FinishReason.STOP), usage]


def test_a_refused_prompt_finishes():
    assert read(event_from(b'{"promptFeedback":{"blockReason":"SAFETY"}}')) == [
        Finish(FinishReason.CONTENT_FILTER, details="SAFETY")
    ]


def test_images_logprobs_and_sources_come_through():
    sources = {
        "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "u"}}],
            "groundingSupports": [{"segment": {"endIndex": 6}, "groundingChunkIndices": [0]}],
        }
    }
    logprobs = {"logprobsResult": {"chosenCandidates": [{"token": "a", "logProbability": -0.5}]}}
    found = read(
        chunk({"text": "Grüß"}, candidate=logprobs),
        chunk({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, candidate=sources),
    )
    assert isinstance(found[1], LogprobsDelta)
    assert found[2] == PartDelta(Image(media_type="image/png", data="AAAA"))
    assert isinstance(found[3], CitationDelta)
    assert found[3].citation.end == 4


def test_an_array_is_read_like_events_and_its_bracket_is_the_end():
    assert read(b'[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}', b",\n{}", b"]") == [
        TextDelta("a"),
        End(),
    ]


@pytest.mark.parametrize("event", [b": c\n\n", b"\n\n"])
def test_a_comment_is_a_ping(event):
    assert read(event) == [Ping()]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "candidates",
                    "content",
                    "parts",
                    "text",
                    "functionCall",
                    "error",
                    "usageMetadata",
                    "groundingMetadata",
                    "groundingChunks",
                    "finishReason",
                    "logprobsResult",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(
    st.lists(
        JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20), max_size=4
    )
)
def test_nothing_makes_the_reader_raise(payloads):
    reader = GoogleStreamReader()
    for payload in payloads:
        assert isinstance(reader.feed(event_from(payload)), list)


WORDS = st.fixed_dictionaries({"text": st.text(max_size=3)}, optional={"thought": st.booleans()})
COUNTS = st.fixed_dictionaries(
    {},
    optional={
        "promptTokenCount": st.integers(0, 9),
        "thoughtsTokenCount": st.integers(0, 9),
        "totalTokenCount": st.integers(0, 30),
    },
)


@given(
    st.lists(
        st.tuples(
            st.lists(WORDS, max_size=3),
            st.sampled_from([None, "STOP", "SAFETY"]),
            st.none() | COUNTS,
        ),
        max_size=4,
    )
)
def test_a_chunk_of_words_is_read_the_same_with_and_without_more_in_it(chunks):
    """Plain chunks are read a faster way."""
    quick, slow = GoogleStreamReader(), GoogleStreamReader()
    for words, finish, counts in chunks:
        rest = {} if counts is None else {"usageMetadata": counts}
        assert quick.feed(chunk(*words, finish=finish, **rest)) == slow.feed(
            chunk(*words, finish=finish, **rest, somethingNew=1)
        )
