"""Streams for Bedrock's clients, read by boto3's own parser."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_wire import events, parsed_stream
from pilotfish.core.formats.deltas import (
    BlockEnd,
    CitationDelta,
    Delta,
    Finish,
    LogprobsDelta,
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
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import Audio, Citation, FinishReason, Image, Signature
from pilotfish.core.formats.usage import Usage
from pilotfish.styles.bedrock import STYLE


def stream(*deltas: Delta, at_once: bool = False) -> bytes:
    writer = STYLE.stream_writer(model="m", request_id="r", now=0.0, options={})
    given = [list(deltas)] if at_once else [[delta] for delta in deltas]
    return b"".join(writer.write(run) for run in given) + writer.end()


def told(*deltas: Delta) -> list[tuple[str, Any]]:
    """What boto3 tells its user, without the first and the last two events."""
    found = [
        (name, value)
        for event in parsed_stream(stream(*deltas))
        for name, value in event.items()
        if name != "ResponseMetadata"
    ]
    assert found[0] == ("messageStart", {"role": "assistant"})
    assert [name for name, _ in found[-2:]] == ["messageStop", "metadata"]
    return found[1:-2]


def assert_blocks_do_not_overlap(raw: bytes) -> None:
    """One block is open at a time, they are numbered from 0, and each is closed."""
    opened, last = None, -1
    for name, payload in events(raw):
        if name == "contentBlockStop":
            assert payload["contentBlockIndex"] == opened
            opened = None
        elif "contentBlockIndex" in payload:
            if opened is None:
                opened, last = payload["contentBlockIndex"], last + 1
            assert payload["contentBlockIndex"] == opened == last
    assert opened is None


class TestAStreamThatBreaks:
    def test_ends_with_an_exception_and_nothing_after_it(self):
        writer = STYLE.stream_writer(model="m", request_id="r", now=0.0, options={})
        out = writer.write([TextDelta("a")]) + writer.error(ErrorInfo(message="broke", status=503))
        assert writer.end() == writer.error(ErrorInfo(message="again")) == b""
        assert events(out)[-1] == ("serviceUnavailableException", {"message": "broke"})

    def test_by_the_upstreams_own_word_ends_the_same_way(self):
        found = events(stream(TextDelta("a"), StreamError(ErrorInfo(message="m", status=429))))
        assert found[-1] == ("throttlingException", {"message": "m"})


ANSWER: tuple[Delta, ...] = (
    MessageStart("x", "y"), ThinkingDelta("h"), ThinkingDelta("m"), ThinkingEnd(Signature("anthropic", "s")), TextDelta("Grü"), TextDelta("ße"),
    ToolStart(index=0, id="a", name="f"), ToolArgs(0, '{"x"'), ToolStart(index=1, id="b", name="g"), ToolArgs(1, "{}"), ToolArgs(0, ":1}"),
    Finish(FinishReason.TOOL_CALLS), UsageDelta(Usage(input=30, output=4, cached_input=20)),
)  # fmt: skip


def test_blocks_are_numbered_closed_and_one_at_a_time_even_if_calls_came_in_alternation():
    raw = stream(*ANSWER)
    assert_blocks_do_not_overlap(raw)
    assert raw == stream(*ANSWER, at_once=True)
    assert told(*ANSWER) == [
        (
            "contentBlockDelta",
            {"delta": {"reasoningContent": {"text": "h"}}, "contentBlockIndex": 0},
        ),
        (
            "contentBlockDelta",
            {"delta": {"reasoningContent": {"text": "m"}}, "contentBlockIndex": 0},
        ),
        (
            "contentBlockDelta",
            {"delta": {"reasoningContent": {"signature": "s"}}, "contentBlockIndex": 0},
        ),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("contentBlockDelta", {"delta": {"text": "Grü"}, "contentBlockIndex": 1}),
        ("contentBlockDelta", {"delta": {"text": "ße"}, "contentBlockIndex": 1}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        (
            "contentBlockStart",
            {"start": {"toolUse": {"toolUseId": "a", "name": "f"}}, "contentBlockIndex": 2},
        ),
        ("contentBlockDelta", {"delta": {"toolUse": {"input": '{"x"'}}, "contentBlockIndex": 2}),
        ("contentBlockDelta", {"delta": {"toolUse": {"input": ":1}"}}, "contentBlockIndex": 2}),
        ("contentBlockStop", {"contentBlockIndex": 2}),
        (
            "contentBlockStart",
            {"start": {"toolUse": {"toolUseId": "b", "name": "g"}}, "contentBlockIndex": 3},
        ),
        ("contentBlockDelta", {"delta": {"toolUse": {"input": "{}"}}, "contentBlockIndex": 3}),
        ("contentBlockStop", {"contentBlockIndex": 3}),
    ]


def test_the_end_tells_why_and_how_much():
    last = parsed_stream(stream(*ANSWER))[-2:]
    assert last[0]["messageStop"] == {"stopReason": "tool_use"}
    assert last[1]["metadata"]["usage"] == {
        "inputTokens": 10,
        "outputTokens": 4,
        "totalTokens": 34,
        "cacheReadInputTokens": 20,
        "cacheWriteInputTokens": 0,
    }
    assert last[1]["metadata"]["metrics"] == {"latencyMs": 0}


@pytest.mark.parametrize(
    ("deltas", "reason"),
    [
        ((), "end_turn"),
        ((ToolStart(index=0, id="a", name="f"), Finish(FinishReason.STOP)), "tool_use"),
        ((RefusalDelta("no"), Finish(FinishReason.STOP)), "content_filtered"),
        ((TextDelta("a"), Finish(FinishReason.LENGTH), Finish(FinishReason.STOP)), "max_tokens"),
    ],
)
def test_the_stop_reason_fits_what_was_said(deltas, reason):
    assert dict(events(stream(*deltas)))["messageStop"]["stopReason"] == reason


def test_which_stop_sequence_it_was():
    found = dict(events(stream(TextDelta("a"), Finish(FinishReason.STOP_SEQUENCE, "END"))))
    assert found["messageStop"] == {
        "stopReason": "stop_sequence",
        "additionalModelResponseFields": {"stop_sequence": "END"},
    }


def test_redacted_thoughts_and_geminis_signatures_have_blocks_of_their_own():
    own = Signature("google", "c2ln")
    deltas = (
        ThinkingEnd(Signature("anthropic", "ab"), redacted=True),
        TextDelta("a"),
        TextDelta("", own),
        ToolStart(index=0, id="t", name="f", signature=own),
    )
    assert_blocks_do_not_overlap(stream(*deltas))
    reader = STYLE.stream_reader()
    from pilotfish.core.formats import eventstream

    found = [
        delta
        for raw in eventstream.EventStreamDecoder().feed(stream(*deltas))
        for delta in reader.feed(raw)
    ]
    ends = [delta for delta in found if isinstance(delta, ThinkingEnd)]
    assert [(end.signature, end.redacted) for end in ends] == [
        (Signature("anthropic", "ab"), True),
        (own, True),
        (own, True),
    ]


def test_a_thought_without_a_signature_is_closed_by_what_follows():
    assert told(ThinkingDelta("hm"), ThinkingEnd())[-1] == (
        "contentBlockStop",
        {"contentBlockIndex": 0},
    )
    assert told(ThinkingEnd()) == []
    assert_blocks_do_not_overlap(
        stream(ThinkingDelta("hm"), TextDelta("a"), BlockEnd(), TextDelta("b"))
    )


def test_citations_images_and_transcripts_have_their_places():
    deltas = (
        TextDelta("a"),
        CitationDelta(Citation(title="T")),
        PartDelta(Image(media_type="image/png", data="AAAA")),
        PartDelta(Audio(transcript="said")),
        LogprobsDelta(()),
    )
    assert_blocks_do_not_overlap(stream(*deltas))
    found = told(*deltas)
    assert (
        "contentBlockDelta",
        {"delta": {"citation": {"title": "T"}}, "contentBlockIndex": 0},
    ) in found
    assert (
        "contentBlockDelta",
        {"delta": {"image": {"source": {"bytes": b"\x00\x00\x00"}}}, "contentBlockIndex": 1},
    ) in found
    assert ("contentBlockDelta", {"delta": {"text": "said"}, "contentBlockIndex": 2}) in found


def test_a_keep_alive_is_nothing_to_boto():
    writer = STYLE.stream_writer(model="m", request_id="r", now=0.0, options={})
    out = writer.ping() + writer.write([Ping(), TextDelta("a")]) + writer.ping() + writer.end()
    assert [
        name for event in parsed_stream(out) for name in event if name != "ResponseMetadata"
    ] == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]


def test_calls_that_never_became_whole_still_come_out():
    raw = stream(
        ToolStart(index=0, id="a", name="f"),
        ToolStart(index=1, id="b", name="g"),
        ToolArgs(1, '{"b":'),
        ToolArgs(0, '{"a":'),
    )
    assert_blocks_do_not_overlap(raw)
    assert [payload["delta"] for name, payload in events(raw) if name == "contentBlockDelta"] == [
        {"toolUse": {"input": '{"a":'}},
        {"toolUse": {"input": '{"b":'}},
    ]


def test_what_bedrock_has_no_form_for_is_left_out():
    assert told(PartDelta(Image(url="https://e.com/a.png")), PartDelta(Audio(data="AAAA"))) == []
