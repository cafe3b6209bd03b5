"""Reading Anthropic streams."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.deltas import (
    BlockEnd,
    CitationDelta,
    End,
    Finish,
    Malformed,
    PartDelta,
    Ping,
    StreamError,
    TextDelta,
    ThinkingDelta,
    ThinkingEnd,
    ToolArgs,
    ToolStart,
)
from pilotfish.core.formats.neutral import FinishReason, Opaque, Signature
from style_wire import read, sse


def begin(index=0, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index=0, **fields):
    return {"type": "content_block_delta", "index": index, "delta": fields}


def stop(index=0):
    return {"type": "content_block_stop", "index": index}


def deltas(*payloads):
    return read("anthropic", sse(*payloads))


def test_what_is_no_json_is_malformed_and_the_stream_goes_on():
    broken = b"event: content_block_delta\ndata: {broken\n\n"
    assert deltas(broken, delta(text="a")) == [Malformed(broken), TextDelta("a")]


def test_an_error_has_the_status_of_its_type():
    (found,) = deltas({"type": "error", "error": {"type": "overloaded_error", "message": "m"}})
    assert isinstance(found, StreamError)
    assert (found.error.type, found.error.status) == ("overloaded_error", 529)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"type": "content_block_start", "content_block": 7},
        {"type": "content_block_delta", "delta": 7},
        {"type": "content_block_stop"},
        {"type": "new"},
        {"type": "message_delta", "delta": {}},
        {"type": "message_start"},
    ],
)
def test_odd_events_are_nothing(odd):
    assert deltas(odd) == []


def test_pings_comments_and_the_end():
    assert deltas({"type": "ping"}, b": x\n\n", {"type": "message_stop"}) == [Ping(), Ping(), End()]


def test_blocks_that_begin_with_content():
    assert deltas(begin(type="text", text="a"), stop()) == [TextDelta("a"), BlockEnd()]
    assert deltas(begin(type="thinking", thinking="hm", signature="S"), stop()) == [
        ThinkingDelta("hm"),
        ThinkingEnd(Signature("anthropic", "S")),
    ]


def test_thinking_without_text_still_has_its_proof():
    assert deltas(
        begin(type="thinking", thinking="", signature=""),
        delta(signature="S1"),
        delta(signature="S2"),
        stop(),
    ) == [ThinkingEnd(Signature("anthropic", "S1S2"))]
    assert deltas(begin(type="redacted_thinking", data="D"), stop()) == [
        ThinkingEnd(Signature("anthropic", "D"), redacted=True)
    ]


def test_a_calls_arguments_at_its_start_where_a_server_sends_them_there():
    assert deltas(begin(type="tool_use", id="t", name="f", input={"a": 1}), stop()) == [
        ToolStart(index=0, id="t", name="f"),
        ToolArgs(0, '{"a":1}'),
        BlockEnd(),
    ]


def test_a_servers_own_tools_come_whole():
    found = deltas(
        begin(type="server_tool_use", id="s", name="web_search", input={}),
        delta(partial_json='{"q":'),
        delta(partial_json='"x"}'),
        stop(),
    )
    assert found == [
        PartDelta(
            Opaque(
                "anthropic",
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "x"}},
            )
        )
    ]


def test_citations_belong_to_the_text():
    (found,) = deltas(
        delta(type="citations_delta", citation={"type": "char_location", "cited_text": "c"})
    )
    assert isinstance(found, CitationDelta)
    assert found.citation.cited_text == "c"


class TestStructuredOutput:
    END = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}

    def test_the_calls_arguments_are_the_text(self):
        found = deltas(
            begin(type="tool_use", id="t", name="pilotfish_json_response", input={}),
            delta(partial_json='{"a":1}'),
            stop(),
            self.END,
        )
        assert found == [TextDelta('{"a":1}'), BlockEnd(), Finish(FinishReason.STOP)]

    def test_a_value_comes_when_it_is_whole(self):
        found = deltas(
            begin(type="tool_use", id="t", name="pilotfish_json_value", input={}),
            delta(partial_json='{"value":'),
            delta(partial_json="[1]}"),
            stop(),
            self.END,
        )
        assert found == [TextDelta("[1]"), BlockEnd(), Finish(FinishReason.STOP)]

    def test_beside_the_clients_own_tool_the_finish_stays(self):
        found = deltas(
            begin(type="tool_use", id="t", name="f", input={}),
            stop(),
            begin(type="tool_use", id="u", name="pilotfish_json_response", input={"a": 1}),
            stop(),
            self.END,
        )
        assert found == [
            ToolStart(index=0, id="t", name="f"),
            BlockEnd(),
            TextDelta('{"a":1}'),
            BlockEnd(),
            Finish(FinishReason.TOOL_CALLS),
        ]
