"""A whole answer as a stream: everything that it holds is told, in order."""

from __future__ import annotations

import pytest

from pilotfish import styles
from pilotfish.core.exchange.reply_stream import deltas_of
from pilotfish.core.formats.deltas import Finish, LogprobsDelta, PartDelta, UsageDelta
from pilotfish.core.formats.neutral import (
    Citation,
    FinishReason,
    Image,
    Refusal,
    Reply,
    Text,
    Thinking,
    TokenLogprob,
    ToolCall,
)
from pilotfish.core.formats.usage import Usage

REPLY = Reply(
    id="a1",
    model="m",
    parts=(
        Thinking(text="let me see"),
        Text("small fish", citations=(Citation(url="https://sea.test", title="sea"),)),
        ToolCall(id="c1", name="weather", arguments='{"city":"Oslo"}'),
        ToolCall(id="c2", name="clock", arguments="{}"),
    ),
    finish=FinishReason.TOOL_CALLS,
    usage=Usage(input=7, output=2),
)


def told_in(style: str, reply: Reply) -> str:
    """The stream as a style writes it."""
    writer = styles.get(style).stream_writer(model="m", request_id="r", now=0.0, options={})
    return (writer.write(deltas_of(reply)) + writer.end()).decode("utf-8", "replace")


@pytest.mark.parametrize("style", ["openai", "anthropic", "openai_responses", "google", "bedrock"])
def test_thoughts_words_sources_and_calls_reach_clients_of_every_style(style):
    told = told_in(style, REPLY)
    for words in ("let me see", "small fish", "weather", "Oslo", "clock", "sea.test"):
        assert words in told, words


def test_calls_are_told_apart_by_their_numbers():
    told = told_in("openai", REPLY)
    assert '"index":0,"id":"c1"' in told
    assert '"index":1,"id":"c2"' in told


def test_why_it_ended_and_what_it_took_come_last():
    *_, finish, usage = deltas_of(REPLY)
    assert finish == Finish(FinishReason.TOOL_CALLS)
    assert usage == UsageDelta(Usage(input=7, output=2))


def test_a_refusal_a_picture_and_likelihoods_are_no_text():
    token = TokenLogprob("small", -0.1)
    picture = Image(media_type="image/png", data="AAAA")
    told = deltas_of(Reply(parts=(Refusal("no"), picture), logprobs=(token,)))
    assert PartDelta(picture) in told
    assert LogprobsDelta((token,)) in told
    assert '"refusal":"no"' in told_in("openai", Reply(parts=(Refusal("no"),)))
