"""Writing Chat Completions streams."""

from __future__ import annotations

import json

import pytest

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
from style_wire import payloads, write


def stream(*deltas, **options):
    return payloads(write("openai", list(deltas), **options))


def changes(*deltas):
    """What the chunks between the first and the last say."""
    return [chunk["choices"][0]["delta"] for chunk in stream(*deltas)[1:-2]]


def arguments(*deltas):
    found = {}
    for change in changes(*deltas):
        for call in change.get("tool_calls", ()):
            found[call["index"]] = found.get(call["index"], "") + call["function"]["arguments"]
    return found


def test_an_error_ends_a_stream_without_any_sign_of_success():
    writer = get("openai").stream_writer(model="m", request_id="r", now=1.0, options={})
    found = writer.write([TextDelta("a")]) + writer.error(ErrorInfo(message="cut", status=502))
    assert payloads(found)[-1] == {
        "error": {"message": "cut", "type": "server_error", "param": None, "code": None}
    }
    assert b"[DONE]" not in found
    assert b'"finish_reason":"' not in found


def test_nothing_at_all_is_still_a_whole_stream():
    first, last, done = stream()
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert last["choices"][0]["finish_reason"] == "stop"
    assert done == "[DONE]"


@pytest.mark.parametrize(
    "deltas",
    [
        [ToolStart(index=0, id="a", name="f"), Finish(FinishReason.TOOL_CALLS)],
        [
            ToolStart(index=0, id="a", name="f"),
            ToolStart(index=1, id="b", name="g"),
            ToolArgs(1, "{}"),
        ],
    ],
)
def test_a_call_without_arguments_parses(deltas):
    """Clients put the pieces together and parse them; an empty text is no JSON."""
    assert all(json.loads(text) == {} for text in arguments(*deltas).values())


def test_arguments_in_alternation_stay_with_their_calls():
    deltas = [
        ToolStart(index=0, id="a", name="f"),
        ToolStart(index=1, id="b", name="g"),
        ToolArgs(0, '{"a":1}'),
        ToolArgs(1, '{"b":2}'),
    ]
    assert arguments(*deltas) == {0: '{"a":1}', 1: '{"b":2}'}


def test_usage_comes_last_and_only_to_who_asked():
    deltas = [
        UsageDelta(Usage(input=1)),
        TextDelta("a"),
        Finish(FinishReason.STOP),
        UsageDelta(Usage(input=3, output=2, cached_input=1)),
    ]
    *_, usage, done = stream(*deltas, include_usage=True)
    assert usage["choices"] == []
    assert (usage["usage"]["prompt_tokens"], usage["usage"]["prompt_tokens_details"]) == (
        3,
        {"cached_tokens": 1},
    )
    assert done == "[DONE]"
    assert all("usage" not in chunk for chunk in stream(*deltas)[:-1])


def test_a_finish_that_is_repeated_is_told_once():
    finishes = [
        chunk
        for chunk in stream(TextDelta("a"), Finish(FinishReason.LENGTH), Finish(FinishReason.STOP))[
            :-1
        ]
        if chunk["choices"][0]["finish_reason"]
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in finishes] == ["length"]


def test_the_proof_of_thinking_comes_with_the_text_that_it_proves():
    found = changes(
        ThinkingDelta("h"),
        ThinkingDelta("m"),
        ThinkingEnd(Signature("anthropic", "S")),
        TextDelta("a"),
        ThinkingEnd(),
    )
    assert found == [
        {"reasoning_content": "h"},
        {"reasoning_content": "m"},
        {
            "reasoning_details": [
                {
                    "type": "reasoning.text",
                    "text": "hm",
                    "signature": "S",
                    "format": "anthropic-claude-v1",
                    "index": 0,
                }
            ]
        },
        {"content": "a"},
    ]


def test_a_rescued_stream_has_no_seam():
    """The deltas of a second upstream follow; its start is not one of the client's."""
    found = stream(
        MessageStart("1", "a"),
        TextDelta("So "),
        MessageStart("2", "b"),
        TextDelta("on"),
        Finish(FinishReason.STOP),
    )
    assert [chunk["choices"][0]["delta"].get("role") for chunk in found[:-1]].count(
        "assistant"
    ) == 1
    assert len({(chunk["id"], chunk["model"]) for chunk in found[:-1]}) == 1


def test_the_rest_of_the_deltas():
    assert changes(RefusalDelta("no")) == [{"refusal": "no"}]
    assert changes(PartDelta(Image(url="https://x"))) == [
        {"images": [{"type": "image_url", "image_url": {"url": "https://x"}, "index": 0}]}
    ]
    assert changes(PartDelta(Audio(id="a", transcript="t"))) == [
        {"audio": {"id": "a", "transcript": "t"}}
    ]
    assert (
        changes(CitationDelta(Citation(url="https://x")))[0]["annotations"][0]["url_citation"][
            "url"
        ]
        == "https://x"
    )
    assert changes(ToolStart(index=0, id="a", name="sh", kind="custom"), ToolArgs(0, "ls")) == [
        {
            "tool_calls": [
                {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "custom": {"input": "ls"}}]},
    ]
    signed = changes(ToolStart(index=0, id="a", name="f", signature=Signature("google", "G")))[0][
        "tool_calls"
    ][0]
    assert signed["extra_content"] == {"google": {"thought_signature": "G"}}
    assert (
        stream(LogprobsDelta((TokenLogprob("a", -1.0),)))[1]["choices"][0]["logprobs"]["content"][
            0
        ]["token"]
        == "a"
    )
    assert changes(Finish(FinishReason.REFUSAL, details="No."))[0] == {"refusal": "No."}


def test_pings_are_comments_and_an_upstreams_error_is_passed_on():
    written = write(
        "openai", [TextDelta("a"), Ping(), BlockEnd(), StreamError(ErrorInfo(message="m"))]
    )
    assert b": ping\n\n" in written
    assert b'"message":"m"' in written


def test_the_upstreams_model_is_shown_where_none_is_set():
    writer = get("openai").stream_writer(model="", request_id="r", now=1.0, options={})
    assert payloads(writer.write([MessageStart("1", "gpt"), TextDelta("a")]))[0]["model"] == "gpt"
    assert writer.ping() == get("openai").ping_event() == b": ping\n\n"


def test_blocks_of_another_vendors_own_leave_no_trace():
    assert changes(PartDelta(Opaque("anthropic", {"type": "server_tool_use"}))) == []
