"""What an answer is worth in a race for quality."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest

from pilotfish import styles
from pilotfish.core.exchange.quality import quality_of, reply_in
from pilotfish.core.formats.deltas import Finish, TextDelta, ToolArgs, ToolStart
from pilotfish.core.formats.neutral import (
    FinishReason,
    Refusal,
    Reply,
    ResponseFormat,
    Text,
    ToolCall,
)

SCHEMA = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
WANTED = ResponseFormat(kind="json_schema", schema=SCHEMA)


def said(text: str, finish: FinishReason = FinishReason.STOP) -> Reply:
    return Reply(parts=(Text(text),), finish=finish)


def called(arguments: str) -> Reply:
    call = ToolCall(id="c", name="weather", arguments=arguments)
    return Reply(parts=(call,), finish=FinishReason.TOOL_CALLS)


def test_each_sign_outweighs_all_that_come_after_it() -> None:
    best_first = [
        said('{"city": "Oslo"}'),
        said('{"town": "Oslo"}'),
        Reply(parts=(Text("{}"), ToolCall(id="c", name="f", arguments='{"a'))),
        said('{"city": "Oslo"}', FinishReason.LENGTH),
        said('{"city": "Oslo"}', FinishReason.CONTENT_FILTER),
    ]
    worth = [quality_of(reply, WANTED) for reply in best_first]
    assert all(better > worse for better, worse in pairwise(worth)), worth
    assert worth[-1] > 0.0, "complete, so it is better than one that is not"


def test_a_refusal_in_a_part_of_its_own_counts_as_one() -> None:
    assert quality_of(Reply(parts=(Refusal("no"),)), None) < quality_of(said("yes"), None)


@pytest.mark.parametrize("arguments", ['{"city": "Oslo"', "Oslo", "[1]"])
def test_arguments_that_no_tool_can_take(arguments: str) -> None:
    assert quality_of(called(arguments), None) < quality_of(called('{"city": "Oslo"}'), None)
    assert quality_of(called(""), None) == quality_of(called("{}"), None)


def test_an_answer_without_a_wanted_format_has_it() -> None:
    assert quality_of(said("anything"), None) == quality_of(said('{"city": "Oslo"}'), WANTED)


def test_any_object_is_json_and_a_call_stands_in_for_the_answer() -> None:
    wanted = ResponseFormat(kind="json")
    assert quality_of(said("{}"), wanted) > quality_of(said("[]"), wanted)
    assert quality_of(called("{}"), WANTED) == quality_of(said('{"city": "a"}'), WANTED)


@pytest.mark.parametrize("style", ["openai", "anthropic", "openai_responses", "google", "bedrock"])
@pytest.mark.parametrize("array", [False, True])
def test_a_stream_is_worth_what_the_same_answer_whole_is(style: str, array: bool) -> None:
    if array and style != "google":
        return
    options = {"array": array}
    writer = styles.get(style).stream_writer(model="m", request_id="r", now=0.0, options=options)
    stream = writer.write([TextDelta("small "), TextDelta("fish")])
    stream += writer.write(
        [ToolStart(index=0, id="c", name="f"), ToolArgs(0, '{"a"'), ToolArgs(0, ":1}")]
    )
    stream += writer.write([Finish(FinishReason.LENGTH)]) + writer.end()
    reply = reply_in(styles.get(style), stream, array=array)
    assert [part.text for part in reply.parts if isinstance(part, Text)] == ["small fish"]
    [call] = [part for part in reply.parts if isinstance(part, ToolCall)]
    assert orjson.loads(call.arguments) == {"a": 1}
    assert reply.finish is FinishReason.LENGTH
