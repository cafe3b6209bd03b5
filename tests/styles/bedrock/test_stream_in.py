"""Bedrock's frames as deltas; nothing makes the reader raise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_wire import exception, frame
from pilotfish.core.formats import eventstream
from pilotfish.core.formats.deltas import (
    BlockEnd,
    CitationDelta,
    End,
    Finish,
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
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.bedrock import STYLE
from pilotfish.styles.bedrock.stream_in import BedrockStreamReader


def delta(index: int, **given: Any) -> bytes:
    return frame("contentBlockDelta", {"contentBlockIndex": index, "delta": given})


def tool(index: int, name: str, identity: str = "t") -> bytes:
    return frame(
        "contentBlockStart",
        {"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": identity, "name": name}}},
    )


def stop(index: int) -> bytes:
    return frame("contentBlockStop", {"contentBlockIndex": index})


def ended(reason: str, **rest: Any) -> bytes:
    return frame("messageStop", {"stopReason": reason, **rest})


def read(*events: bytes) -> list[Any]:
    reader = BedrockStreamReader()
    return [found for event in events for found in reader.feed(event)]


class TestWhatIsNoEvent:
    @pytest.mark.parametrize(
        "event",
        [
            eventstream.write({":event-type": "messageStart", ":message-type": "event"}, b"{"),
            eventstream.write({":event-type": "x", ":message-type": "event"}, b"7"),
            delta(0, text=7),
        ],
    )
    def test_is_malformed_and_the_stream_goes_on(self, event):
        assert read(event, delta(0, text="a")) == [Malformed(event), TextDelta("a")]

    @pytest.mark.parametrize("event", [b"", b"no frame", delta(0, text="a")[:-1] + b"x"])
    def test_but_damage_ends_it_since_something_is_missing(self, event):
        (found,) = read(event)
        assert isinstance(found, StreamError)
        assert (found.error.status, found.error.message[:32]) == (
            502,
            "the upstream's stream is damaged",
        )

    def test_but_a_message_of_a_type_that_nobody_knows_ends_it(self):
        (found,) = read(eventstream.write({":message-type": "new"}, b"{}"))
        assert isinstance(found, StreamError)
        assert found.error.message == "a message of type 'new'"

    def test_but_an_exception_ends_it(self):
        (found,) = read(exception("modelStreamErrorException", "broke"))
        assert isinstance(found, StreamError)
        assert (found.error.status, found.error.type) == (424, "ModelStreamErrorException")

    def test_but_an_error_of_the_stream_itself_ends_it(self):
        (found,) = read(eventstream.write({":message-type": "error", ":error-code": "X"}, b""))
        assert (found.error.status, found.error.message) == (500, "X")


@pytest.mark.parametrize(
    "event",
    [
        frame("somethingNew", {}),
        frame("contentBlockStart", {"contentBlockIndex": 0}),
        frame("contentBlockDelta", {}),
        stop(7),
        delta(0, toolUse={"input": "a"}),
        delta(0, new=1),
        delta(0, text=""),
    ],
)
def test_what_says_nothing_is_nothing(event):
    assert read(event) == []


def test_text_needs_no_start():
    assert read(frame("messageStart", {"role": "assistant"}), delta(0, text="a"), stop(0)) == [
        MessageStart(),
        TextDelta("a"),
        BlockEnd(),
    ]


def test_parallel_calls_are_told_apart_even_in_alternation():
    found = read(
        tool(1, "f", "a"),
        tool(2, "g", "b"),
        delta(2, toolUse={"input": "{}"}),
        delta(1, toolUse={"input": '{"x"'}),
        delta(1, toolUse={"input": ":1}"}),
        stop(1),
        stop(2),
        ended("tool_use"),
    )
    assert found == [
        ToolStart(index=0, id="a", name="f"),
        ToolStart(index=1, id="b", name="g"),
        ToolArgs(1, "{}"),
        ToolArgs(0, '{"x"'),
        ToolArgs(0, ":1}"),
        BlockEnd(),
        BlockEnd(),
        Finish(FinishReason.TOOL_CALLS),
    ]


def test_thoughts_end_with_their_signature_in_however_many_pieces():
    found = read(
        delta(0, reasoningContent={"text": "hm"}),
        delta(0, reasoningContent={"signature": "s1"}),
        delta(0, reasoningContent={"signature": "s2"}),
        stop(0),
    )
    assert found == [ThinkingDelta("hm"), ThinkingEnd(Signature("anthropic", "s1s2"))]


def test_an_empty_thought_with_a_signature_and_a_redacted_one_are_kept():
    assert read(delta(0, reasoningContent={"signature": "s"}), stop(0)) == [
        ThinkingEnd(Signature("anthropic", "s"))
    ]
    assert read(delta(0, reasoningContent={"redactedContent": "YWI="}), stop(0)) == [
        ThinkingEnd(Signature("anthropic", "ab"), redacted=True)
    ]
    assert read(delta(0, reasoningContent={"text": "hm"}), stop(0))[-1] == ThinkingEnd()


def test_usage_comes_last_and_is_the_end():
    counts = {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 20}
    assert read(frame("metadata", {"usage": counts})) == [
        UsageDelta(Usage(input=30, output=5, cached_input=20)),
        End(),
    ]
    assert read(frame("metadata", {})) == [End()]


def test_which_stop_sequence_it_was():
    assert read(ended("stop_sequence", additionalModelResponseFields={"stop_sequence": "END"})) == [
        Finish(FinishReason.STOP_SEQUENCE, "END")
    ]


def test_citations_and_images_come_through():
    begin = {"contentBlockIndex": 2, "start": {"image": {"format": "webp"}}}
    found = read(
        delta(0, citation={"title": "T"}),
        delta(1, image={"source": {"bytes": "AAAA"}}),
        frame("contentBlockStart", begin),
        delta(2, image={"source": {"bytes": "BBBB"}}),
    )
    assert isinstance(found[0], CitationDelta)
    assert found[1:] == [
        PartDelta(Image(media_type="image/png", data="AAAA")),
        PartDelta(Image(media_type="image/webp", data="BBBB")),
    ]


@pytest.mark.parametrize(
    ("name", "pieces", "text"),
    [
        ("pilotfish_json_response", ['{"a"', ":1}"], '{"a":1}'),
        ("pilotfish_json_value", ['{"value"', ":[1]}"], "[1]"),
    ],
)
def test_the_forced_tools_input_is_the_answer(name, pieces, text):
    found = read(
        tool(0, name),
        *(delta(0, toolUse={"input": piece}) for piece in pieces),
        stop(0),
        ended("tool_use"),
    )
    assert "".join(delta.text for delta in found if isinstance(delta, TextDelta)) == text
    assert found[-2:] == [BlockEnd(), Finish(FinishReason.STOP)]


def test_a_keep_alive_is_a_ping():
    assert read(STYLE.ping_event()) == [Ping()]


KEYS = [
    "contentBlockIndex",
    "delta",
    "start",
    "toolUse",
    "text",
    "reasoningContent",
    "stopReason",
    "usage",
    "citation",
    "image",
    "input",
]
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
        "new",
    ]
)


@given(
    st.lists(
        st.tuples(
            NAMES, JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20)
        ),
        max_size=5,
    )
)
def test_nothing_makes_the_reader_raise(events):
    reader, inspector = BedrockStreamReader(), STYLE.inspector()
    for name, payload in events:
        event = eventstream.write({":event-type": name, ":message-type": "event"}, payload)
        assert isinstance(reader.feed(event), list)
        assert isinstance(inspector.event(event), int)
