"""Writing Responses streams: what the SDK's own accumulation demands of their order."""

from __future__ import annotations

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
from pilotfish.core.formats.neutral import (
    Audio,
    Citation,
    FinishReason,
    Image,
    Opaque,
    Signature,
    TokenLogprob,
)
from pilotfish.core.formats.usage import Usage
from pilotfish.styles import get
from pilotfish.styles._signatures import unseal_thinking
from style_wire import payloads, write


def stream(*deltas):
    return payloads(write("openai_responses", list(deltas)))


def response(*deltas):
    """The last event's response. Fails where events are not numbered, or an item is not opened,
    filled and closed in its place.
    """
    events = stream(*deltas)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    done, current = [], None
    for event in events[2:-1]:
        if event["type"] == "response.output_item.added":
            assert current is None
            current = event["item"].get("id", "")
        assert event["output_index"] == len(done)
        if "item_id" in event:
            assert event["item_id"] == current
        if event["type"] == "response.output_item.done":
            done.append(event["item"])
            current = None
    assert current is None
    assert events[-1]["response"]["output"] == done
    return events[-1]["response"]


def test_an_error_ends_a_stream_without_any_sign_of_success():
    writer = get("openai_responses").stream_writer(model="m", request_id="r", now=1.0, options={})
    found = payloads(
        writer.write([TextDelta("a")]) + writer.error(ErrorInfo(message="cut", status=502))
    )
    assert (found[-1]["type"], found[-1]["message"]) == ("error", "cut")
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    assert "response.completed" not in [event["type"] for event in found]


def test_nothing_at_all_is_still_a_whole_stream():
    assert (response()["status"], response()["output"]) == ("completed", [])


def test_every_kind_of_item_in_its_place():
    found = response(
        MessageStart("1", "m"),
        ThinkingDelta("hm"),
        ThinkingEnd(Signature("anthropic", "S")),
        TextDelta("a"),
        TextDelta("b"),
        CitationDelta(Citation(url="https://x")),
        RefusalDelta("no"),
        ToolStart(index=0, id="c", name="f"),
        ToolStart(index=1, id="d", name="sh", kind="custom"),
        ToolArgs(0, "{}"),
        ToolArgs(1, "ls"),
        UsageDelta(Usage(input=3, output=2)),
        Finish(FinishReason.TOOL_CALLS),
    )
    reasoning, text, refusal, call, custom = found["output"]
    assert (reasoning["summary"][0]["text"], reasoning["encrypted_content"]) == (
        "hm",
        "pilotfish:anthropic::S",
    )
    assert text["content"][0]["text"] == "ab"
    assert text["content"][0]["annotations"][0]["end_index"] == 2
    assert refusal["content"] == [{"type": "refusal", "refusal": "no"}]
    assert (call["call_id"], call["arguments"]) == ("c", "{}")
    assert (custom["call_id"], custom["input"]) == ("d", "ls")
    assert found["usage"]["total_tokens"] == 5


def test_a_call_without_arguments_parses():
    assert response(ToolStart(index=0, id="c", name="f"))["output"][0]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("finish", "status"),
    [
        (FinishReason.LENGTH, "incomplete"),
        (FinishReason.REFUSAL, "incomplete"),
        (FinishReason.STOP, "completed"),
    ],
)
def test_how_it_ended(finish, status):
    assert response(TextDelta("a"), Finish(finish), Finish(FinishReason.STOP))["status"] == status
    assert stream(Finish(finish))[-1]["type"] == f"response.{status}"


def test_signatures_without_text_are_items_of_their_own():
    found = response(
        ThinkingEnd(Signature("anthropic", "D"), redacted=True),
        ToolStart(index=0, id="c", name="f", signature=Signature("google", "G")),
        ToolArgs(0, "{}"),
        TextDelta("a", Signature("google", "H")),
        ThinkingEnd(),
    )
    sealed = [item["encrypted_content"] for item in found["output"] if item["type"] == "reasoning"]
    assert sealed == [
        "pilotfish:anthropic:redacted:D",
        "pilotfish:google::G",
        "pilotfish:google::H",
    ]


def test_thinking_that_nobody_ended_is_closed_and_can_be_handed_back():
    item = response(ThinkingDelta("hm"), TextDelta("a"))["output"][0]
    assert unseal_thinking(item["encrypted_content"], "openai_responses") is None
    assert item["encrypted_content"]


def test_logprobs_sound_and_openais_own_tools():
    found = response(
        TextDelta("a"),
        LogprobsDelta((TokenLogprob("a", -1.0),)),
        PartDelta(Opaque("openai_responses", {"type": "web_search_call", "id": "ws"})),
        PartDelta(Audio(transcript="t")),
    )
    assert found["output"][0]["content"][0]["logprobs"][0]["token"] == "a"
    assert found["output"][1] == {"type": "web_search_call", "id": "ws"}
    assert found["output"][2]["content"][0]["text"] == "t"


def test_what_has_no_place_leaves_no_trace():
    assert (
        response(PartDelta(Image(url="https://x")), TextDelta(""), BlockEnd(), ToolArgs(0, "{}"))[
            "output"
        ]
        == []
    )


def test_a_citation_before_any_text_opens_one():
    assert (
        response(CitationDelta(Citation(title="T")))["output"][0]["content"][0]["annotations"][0][
            "type"
        ]
        == "file_citation"
    )


def test_pings_and_an_upstreams_error_are_passed_on():
    written = write(
        "openai_responses", [TextDelta("a"), Ping(), StreamError(ErrorInfo(message="m"))]
    )
    assert b": ping\n\n" in written
    assert b'"message":"m"' in written


def test_the_upstreams_model_is_shown_where_none_is_set():
    writer = get("openai_responses").stream_writer(model="", request_id="r", now=1.0, options={})
    assert payloads(writer.write([MessageStart("1", "gpt")]))[0]["response"]["model"] == "gpt"


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
    assert response(*deltas)["status"] == "completed"
