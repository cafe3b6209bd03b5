"""A stream that was passed through byte for byte, and that another service goes on with: whoever reads
it sees one stream."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pilotfish import styles
from pilotfish.core.exchange.pass_through import PassThrough
from pilotfish.core.formats.deltas import (
    BlockEnd,
    Delta,
    End,
    Finish,
    Malformed,
    MessageStart,
    TextDelta,
    ThinkingDelta,
    ThinkingEnd,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.neutral import FinishReason
from pilotfish.core.formats.usage import Usage
from style_wire import payloads

STYLES = ["openai", "anthropic", "openai_responses", "google", "bedrock"]
WORDS = ["the ", "small ", "pilot ", "fish ", "swims "]
REST: list[Delta] = [
    TextDelta("ahead "),
    TextDelta("of "),
    Finish(FinishReason.STOP),
    UsageDelta(Usage(input=7, output=9)),
]


def vendor_events(style: str, *said: Delta) -> list[bytes]:
    """What a vendor streams, event by event, as far as these deltas reach."""
    writer = written_by(style, "upstream-model", "vendor")
    decoder = styles.get(style).event_decoder()
    return [event for delta in said for event in decoder.feed(writer.write([delta]))]


def written_by(style: str, model: str, request_id: str, **options: Any) -> Any:
    return styles.get(style).stream_writer(
        model=model, request_id=request_id, now=1_700_000_000.0, options=options
    )


def passed(style: str, events: list[bytes]) -> PassThrough:
    made = styles.get(style)
    stream = PassThrough(
        made.event_decoder(),
        made.inspector(),
        hide_usage=False,
        rename=None,
        close=made.terminal_event,
    )
    stream.feed(b"".join(events))
    return stream


def gone_on(style: str, events: list[bytes], **options: Any) -> bytes:
    """The client's whole stream: what was passed on, and what a writer puts after it."""
    stream = passed(style, events)
    said = stream.said
    assert said is not None
    writer = written_by(style, "", "ours", include_usage=True, **options)
    writer.take_over(stream.form, said)
    return b"".join(events) + writer.write(REST) + writer.end()


def read(style: str, stream: bytes) -> list[Delta]:
    reader, decoder = styles.get(style).stream_reader(), styles.get(style).event_decoder()
    return [delta for event in decoder.feed(stream) for delta in reader.feed(event)]


START: list[Delta] = [MessageStart("id", "upstream-model")]
THOUGHTS: list[Delta] = [ThinkingDelta("let me "), ThinkingDelta("see"), ThinkingEnd()]
TEXT: list[Delta] = [TextDelta(word) for word in WORDS]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("before", [[], THOUGHTS], ids=["at once", "after thoughts"])
@pytest.mark.parametrize("words", range(1, len(WORDS) + 1))
def test_whoever_reads_it_sees_one_stream(style: str, before: list[Delta], words: int) -> None:
    events = vendor_events(style, *START, *before, *TEXT[:words])
    told = read(style, gone_on(style, events))
    text = "".join(delta.text for delta in told if isinstance(delta, TextDelta))
    assert text == "".join(WORDS[:words]) + "ahead of "
    kinds = [type(delta) for delta in told]
    assert kinds.count(MessageStart) <= 1
    assert kinds.count(Finish) == kinds.count(UsageDelta) - (style == "anthropic") == 1
    assert Malformed not in kinds
    assert End in kinds or style == "google"
    [usage] = [d.usage for d in told if isinstance(d, UsageDelta)][-1:]
    assert usage.output == 9


@pytest.mark.parametrize("style", STYLES)
def test_a_second_text_goes_on_where_the_first_one_ended(style: str) -> None:
    """Broken between two blocks: the next words begin another one, as its style demands."""
    events = vendor_events(style, *START, TextDelta("one"), BlockEnd(), TextDelta(" two"))
    told = read(style, gone_on(style, events))
    assert "".join(d.text for d in told if isinstance(d, TextDelta)) == "one twoahead of "
    events = vendor_events(style, *START, TextDelta("one"), BlockEnd())
    told = read(style, gone_on(style, events))
    assert "".join(d.text for d in told if isinstance(d, TextDelta)) == "oneahead of "


def test_chunks_keep_the_vendors_id_model_and_moment() -> None:
    stream = gone_on("openai", vendor_events("openai", *START, *TEXT))
    chunks = [chunk for chunk in payloads(stream) if isinstance(chunk, dict)]
    assert len({(c["id"], c["model"], c["created"]) for c in chunks}) == 1
    assert [c["choices"][0]["delta"].get("role") for c in chunks if c["choices"]].count(
        "assistant"
    ) == 1


def test_claudes_blocks_are_numbered_on_and_each_is_closed_once() -> None:
    events = payloads(gone_on("anthropic", vendor_events("anthropic", *START, *THOUGHTS, *TEXT)))
    at = [(e["type"].removeprefix("content_block_"), e["index"]) for e in events if "index" in e]
    assert [place for place in at if place[0] != "delta"] == [
        ("start", 0),
        ("stop", 0),
        ("start", 1),
        ("stop", 1),
    ]


def test_events_of_responses_are_numbered_on_and_the_last_one_holds_the_whole_answer() -> None:
    events = vendor_events("openai_responses", *START, TextDelta("one"), BlockEnd(), *TEXT)
    told = payloads(gone_on("openai_responses", events))
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    response = told[-1]["response"]
    assert response["id"] == told[0]["response"]["id"] == "resp_vendor"
    texts = [part["text"] for item in response["output"] for part in item["content"]]
    assert texts == ["one", "".join(WORDS) + "ahead of "]
    added = [e["item"]["id"] for e in told if e["type"] == "response.output_item.added"]
    assert [item["id"] for item in response["output"]] == added


def test_an_array_that_was_begun_is_not_begun_again() -> None:
    events = vendor_events("google", *START, *TEXT)
    stream = passed("google", events)
    writer = written_by("google", "", "ours", array=True)
    writer.take_over(stream.form, "".join(WORDS))
    rest = writer.write(REST) + writer.end()
    assert rest.startswith(b",")
    assert msgspec.json.decode(b"[0" + rest)[-1]["responseId"] == "vendor"


def test_the_model_that_the_rule_says_is_shown_on() -> None:
    stream = passed("openai", vendor_events("openai", *START, *TEXT))
    writer = written_by("openai", "shown", "ours")
    writer.take_over(stream.form, "".join(WORDS))
    assert {chunk["model"] for chunk in payloads(writer.write(REST))} == {"shown"}


@pytest.mark.parametrize("style", STYLES)
def test_a_break_is_told_as_the_style_has_it(style: str) -> None:
    events = vendor_events(style, *START, *TEXT)
    stream = passed(style, events)
    writer = written_by(style, "", "ours")
    writer.take_over(stream.form, "".join(WORDS))
    error = writer.error(ErrorInfo(message="it broke", type="", code="", status=502))
    assert b"it broke" in error
    if style == "openai_responses":
        assert payloads(error)[0]["sequence_number"] == len(events)


@pytest.mark.parametrize("style", STYLES)
def test_where_a_tool_was_called_there_is_more_than_text(style: str) -> None:
    call: list[Delta] = [ToolStart(index=0, id="c", name="f"), ToolArgs(0, "{}"), BlockEnd()]
    stream = passed(style, vendor_events(style, *START, *TEXT, *call))
    assert stream.said is None


@pytest.mark.parametrize("style", STYLES)
def test_of_a_long_answer_little_is_kept_beside_its_words(style: str) -> None:
    words = [TextDelta(f"word {n} ") for n in range(3000)]
    stream = passed(style, vendor_events(style, *START, *words))
    assert len(stream.form) < 10
    assert stream.said == "".join(word.text for word in words)


@pytest.mark.parametrize("style", ["openai", "google", "openai_responses"])
def test_a_form_without_a_beginning_cannot_be_gone_on_with(style: str) -> None:
    with pytest.raises(ValueError):
        written_by(style, "", "ours").take_over([], "text")
