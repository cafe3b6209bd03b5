"""Writing Anthropic streams: what the SDK's own accumulation demands of their order."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.formats.deltas import (
    BlockEnd,
    CitationDelta,
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
from pilotfish.core.formats.neutral import Audio, Citation, FinishReason, Image, Opaque, Signature
from pilotfish.core.formats.usage import Usage
from pilotfish.styles import get
from style_wire import payloads, write


def stream(*deltas):
    return payloads(write("anthropic", list(deltas)))


def message(*deltas):
    """The blocks as a client puts them together, and the last message_delta. Fails where a block is
    not open, or not closed in time.
    """
    blocks, current, last = [], None, None
    for event in stream(*deltas):
        kind = event["type"]
        if kind == "content_block_start":
            assert current is None
            assert event["index"] == len(blocks)
            current = dict(event["content_block"])
            blocks.append(current)
        elif kind == "content_block_delta":
            assert current is not None
            assert event["index"] == len(blocks) - 1
            for key, value in event["delta"].items():
                if key == "citation":
                    current.setdefault("citations", []).append(value)
                elif key != "type":
                    current[key] = current.get(key, "") + value
        elif kind == "content_block_stop":
            assert event["index"] == len(blocks) - 1
            current = None
        elif kind == "message_delta":
            assert current is None
            last = event
    return blocks, last


def test_an_error_ends_a_stream_without_any_sign_of_success():
    writer = get("anthropic").stream_writer(model="m", request_id="r", now=1.0, options={})
    found = payloads(
        writer.write([TextDelta("a")]) + writer.error(ErrorInfo(message="cut", status=529))
    )
    assert found[-1] == {"type": "error", "error": {"type": "overloaded_error", "message": "cut"}}
    assert "message_stop" not in [event["type"] for event in found]


def test_nothing_at_all_is_still_a_whole_stream():
    assert [event["type"] for event in stream()] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]


def test_blocks_are_closed_before_the_next_opens():
    blocks, last = message(
        MessageStart("1", "m"),
        ThinkingDelta("hm"),
        ThinkingEnd(Signature("anthropic", "S")),
        TextDelta("a"),
        TextDelta("b"),
        ToolStart(index=0, id="t", name="f"),
        ToolArgs(0, "{}"),
        TextDelta("c"),
    )
    assert blocks == [
        {"type": "thinking", "thinking": "hm", "signature": "S"},
        {"type": "text", "text": "ab"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}, "partial_json": "{}"},
        {"type": "text", "text": "c"},
    ]
    assert last["delta"]["stop_reason"] == "tool_use"


def test_parallel_calls_that_come_in_alternation_are_whole_blocks():
    blocks, _ = message(
        ToolStart(index=0, id="a", name="f"),
        ToolStart(index=1, id="b", name="g"),
        ToolArgs(0, '{"a"'),
        ToolArgs(1, "{}"),
        ToolArgs(0, ":1}"),
    )
    assert [(block["id"], json.loads(block["partial_json"])) for block in blocks] == [
        ("a", {"a": 1}),
        ("b", {}),
    ]


def test_usage_after_the_finish_is_not_lost():
    """A peer ended the stream at the finish reason and reported zero tokens."""
    _, last = message(
        UsageDelta(Usage(input=5)),
        TextDelta("a"),
        Finish(FinishReason.LENGTH),
        UsageDelta(Usage(input=9, output=7, cached_input=4)),
    )
    assert last["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}
    assert (
        last["usage"]["input_tokens"],
        last["usage"]["cache_read_input_tokens"],
        last["usage"]["output_tokens"],
    ) == (5, 4, 7)


def test_a_stream_begins_with_an_estimate_and_ends_with_the_count():
    def written(*given):
        options = {"input_tokens": 40}
        writer = get("anthropic").stream_writer(model="m", request_id="r", now=1.0, options=options)
        found = payloads(writer.write(list(given)) + writer.end())
        return found[0]["message"]["usage"]["input_tokens"], found[-2]["usage"]["input_tokens"]

    assert written(TextDelta("a"), UsageDelta(Usage(input=31))) == (40, 31)
    assert written(TextDelta("a")) == (40, 40), "an upstream that counts nothing"


def test_usage_known_at_the_start_is_told_at_the_start():
    assert stream(UsageDelta(Usage(input=5)))[0]["message"]["usage"]["input_tokens"] == 5


@pytest.mark.parametrize(
    ("deltas", "delta"),
    [
        (
            [Finish(FinishReason.STOP_SEQUENCE, "END"), Finish(FinishReason.STOP)],
            {"stop_reason": "stop_sequence", "stop_sequence": "END"},
        ),
        (
            [RefusalDelta("no"), Finish(FinishReason.STOP)],
            {"stop_reason": "refusal", "stop_sequence": None},
        ),
        ([Finish(FinishReason.PAUSE)], {"stop_reason": "pause_turn", "stop_sequence": None}),
        (
            [Finish(FinishReason.REFUSAL, details="No.")],
            {
                "stop_reason": "refusal",
                "stop_sequence": None,
                "stop_details": {"type": "refusal", "category": None, "explanation": "No."},
            },
        ),
    ],
)
def test_how_it_ended(deltas, delta):
    assert message(*deltas)[1]["delta"] == delta


def test_signatures_of_others_are_sealed_into_anthropics_places():
    blocks, _ = message(
        ThinkingEnd(Signature("openai_responses", "E", "rs_1")),
        ThinkingEnd(Signature("anthropic", "D"), redacted=True),
        ToolStart(index=0, id="t", name="f", signature=Signature("google", "G")),
        ToolArgs(0, "{}"),
        TextDelta("a", Signature("google", "H")),
        ThinkingEnd(),
    )
    assert [block.get("signature") or block.get("data") for block in blocks] == [
        "pilotfish:openai_responses:rs_1:E",
        "D",
        "pilotfish:google::G",
        None,
        "pilotfish:google::H",
        None,
    ]


def test_a_citation_waits_for_its_text_and_sound_is_its_transcript():
    blocks, _ = message(
        CitationDelta(Citation(url="https://x")),
        PartDelta(Opaque("anthropic", {"type": "server_tool_use", "id": "s"})),
        PartDelta(Audio(transcript="t")),
    )
    assert blocks[0] == {"type": "server_tool_use", "id": "s"}
    assert blocks[1]["text"] == "t"
    assert blocks[1]["citations"][0]["url"] == "https://x"


def test_what_has_no_place_leaves_no_trace():
    assert (
        message(PartDelta(Image(url="https://x")), LogprobsDelta(()), TextDelta(""), BlockEnd())[0]
        == []
    )


def test_pings_and_an_upstreams_error_are_passed_on():
    kinds = [
        event["type"]
        for event in stream(TextDelta("a"), Ping(), StreamError(ErrorInfo(message="m")))
    ]
    assert kinds[3:5] == ["ping", "error"]
    assert (
        get("anthropic").ping_event()
        == get("anthropic").stream_writer(model="", request_id="", now=0.0, options={}).ping()
    )


ANY = st.one_of(
    st.builds(TextDelta, st.text(max_size=3)),
    st.builds(RefusalDelta, st.text(max_size=3)),
    st.builds(ThinkingDelta, st.text(max_size=3)),
    st.builds(
        ThinkingEnd,
        st.none() | st.builds(Signature, st.just("anthropic"), st.text(min_size=1, max_size=3)),
        st.booleans(),
    ),
    st.builds(lambda index: ToolStart(index=index, id=f"t{index}", name="f"), st.integers(0, 3)),
    st.builds(ToolArgs, st.integers(0, 3), st.sampled_from(["{}", "{", "}"])),
    st.just(BlockEnd()),
    st.just(Finish(FinishReason.STOP)),
)


@given(st.lists(ANY, max_size=15))
def test_whatever_comes_the_events_are_in_order(deltas):
    assert message(*deltas)[1] is not None


def test_the_upstreams_model_is_shown_where_none_is_set():
    writer = get("anthropic").stream_writer(model="", request_id="r", now=1.0, options={})
    assert payloads(writer.write([MessageStart("1", "gpt")]))[0]["message"]["model"] == "gpt"


def test_a_citation_after_text_belongs_to_it():
    (block,), _ = message(TextDelta("a"), CitationDelta(Citation(url="https://x")))
    assert (block["text"], len(block["citations"])) == ("a", 1)
