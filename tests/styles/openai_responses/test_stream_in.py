"""Reading Responses streams."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.deltas import (
    BlockEnd,
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
from pilotfish.core.formats.neutral import FinishReason, Opaque, Signature, TokenLogprob
from pilotfish.core.formats.usage import Usage
from style_wire import read, sse


def event(kind, **fields):
    return {"type": f"response.{kind}"} | fields


def deltas(*payloads):
    return read("openai_responses", sse(*payloads))


def test_what_is_no_json_is_malformed_and_the_stream_goes_on():
    broken = b"event: x\ndata: {broken\n\n"
    assert deltas(broken, event("output_text.delta", delta="a")) == [
        Malformed(broken),
        TextDelta("a"),
    ]


@pytest.mark.parametrize(
    "payload",
    [
        event("failed", response={"error": {"code": "rate_limit_exceeded", "message": "m"}}),
        {"type": "error", "code": "rate_limit_exceeded", "message": "m"},
    ],
)
def test_failures_have_their_status(payload):
    found = deltas(payload)[-1]
    assert isinstance(found, StreamError)
    assert (found.error.message, found.error.status) == ("m", 429)


def test_a_failure_without_a_reason_is_one_all_the_same():
    assert isinstance(deltas(event("failed", response={"id": "x"}))[-1], StreamError)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        event("output_text.delta", delta=7),
        event("output_item.added", item=7),
        event("created", response=7),
        event("web_search_call.delta", delta="x"),
        event("function_call_arguments.delta", delta="{", output_index=9),
        event("output_text.annotation.added", annotation=7),
    ],
)
def test_odd_events_are_nothing(odd):
    assert deltas(odd) == []


def test_from_start_to_end():
    response = {"id": "r", "model": "m"}
    done = response | {"usage": {"input_tokens": 3, "output_tokens": 2}}
    assert deltas(
        event("created", response=response),
        event("in_progress", response=response),
        b": x\n\n",
        event("refusal.delta", delta="no"),
        event("completed", response=done),
        b"data: [DONE]\n\n",
    ) == [
        MessageStart("r", "m"),
        Ping(),
        RefusalDelta("no"),
        Finish(FinishReason.REFUSAL),
        UsageDelta(Usage(input=3, output=2)),
        End(),
    ]


def test_an_incomplete_answer_ends_well():
    assert deltas(
        event("incomplete", response={"incomplete_details": {"reason": "content_filter"}})
    )[1:] == [
        Finish(FinishReason.CONTENT_FILTER),
        End(),
    ]


def test_calls_that_come_only_when_they_are_done():
    item = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{}"}
    custom = {"type": "custom_tool_call", "call_id": "d", "name": "sh", "input": "ls"}
    assert deltas(
        event("output_item.done", output_index=0, item=item),
        event("output_item.done", output_index=1, item=custom),
    ) == [
        ToolStart(index=0, id="c", name="f"),
        ToolArgs(0, "{}"),
        BlockEnd(),
        ToolStart(index=1, id="d", name="sh", kind="custom"),
        ToolArgs(1, "ls"),
        BlockEnd(),
    ]


def test_reasoning_of_open_models_and_odd_items():
    assert deltas(event("reasoning_text.delta", delta="hm")) == [ThinkingDelta("hm")]
    item = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "E"}
    assert deltas(event("output_item.done", item=item)) == [
        ThinkingEnd(Signature("openai_responses", "E", "rs"), id="rs")
    ]
    assert deltas(event("output_item.done", item={"type": "reasoning", "summary": 7})) == [
        ThinkingEnd()
    ]


def test_citations_logprobs_and_openais_own_tools():
    (found,) = deltas(
        event(
            "output_text.annotation.added", annotation={"type": "url_citation", "url": "https://x"}
        )
    )
    assert isinstance(found, CitationDelta)
    assert found.citation.url == "https://x"
    assert deltas(
        event("output_text.delta", delta="a", logprobs=[{"token": "a", "logprob": -1}])
    ) == [
        TextDelta("a"),
        LogprobsDelta((TokenLogprob("a", -1.0),)),
    ]
    assert deltas(event("output_item.done", item={"type": "web_search_call"})) == [
        PartDelta(Opaque("openai_responses", {"type": "web_search_call"}))
    ]
