"""Whatever the order in which a vendor sends the blocks of an answer, every client's stream is
well-formed and loses nothing that its style has a place for."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from answers_wire import answer_of, facts, next_turn
from pilotfish import styles
from pilotfish.core.formats import deltas
from pilotfish.core.formats.neutral import (
    Chat,
    Citation,
    FinishReason,
    Image,
    Opaque,
    Signature,
    Text,
    TokenLogprob,
    ToolCall,
    ToolResult,
    Turn,
)
from pilotfish.core.formats.style import Target
from pilotfish.core.formats.usage import Usage
from style_wire import WRITTEN

PROOF = Signature("anthropic", "EqQB")
SOURCE = Citation(url="https://example.com/a", title="A")
# Each block with the deltas that it consists of, as readers give them.
BLOCKS: dict[str, list[deltas.Delta]] = {
    "text": [deltas.TextDelta("Sunny, "), deltas.TextDelta("18 degrees.")],
    "thinking": [
        deltas.ThinkingDelta("Let me "),
        deltas.ThinkingDelta("see."),
        deltas.ThinkingEnd(PROOF),
    ],
    "call": [
        deltas.ToolStart(index=0, id="call_a", name="f"),
        deltas.ToolArgs(0, '{"a"'),
        deltas.ToolArgs(0, ":1}"),
    ],
    "citation": [deltas.CitationDelta(SOURCE)],
    "logprobs": [deltas.LogprobsDelta((TokenLogprob("Sunny", -0.5),))],
    "image": [
        deltas.PartDelta(Image(media_type="image/png", data="iVBORw0K")),
        deltas.PartDelta(Opaque("cohere", {"type": "search"})),  # nobody else's
    ],
}
ENDINGS = ([], [deltas.BlockEnd()])
KEEPS_IMAGES = ("openai", "openai_responses", "google", "bedrock")


def stream(style: str, order: tuple[str, ...], ending: list[deltas.Delta]) -> dict[str, Any]:
    return facts(style, whole(style, order, ending))


def whole(style: str, order: tuple[str, ...], ending: list[deltas.Delta]) -> dict[str, Any]:
    """The answer that a client of the style puts together."""
    writer = styles.get(style).stream_writer(**WRITTEN, options={"include_usage": True})
    out = writer.write([deltas.MessageStart("r", "m")])
    for name in order:
        for delta in (*BLOCKS[name], *ending):
            out += writer.write([delta])
    finish = deltas.Finish(FinishReason.TOOL_CALLS if "call" in order else FinishReason.STOP)
    out += writer.write([finish, deltas.UsageDelta(Usage(input=3, output=2))])
    return answer_of(style, out + writer.end())


@pytest.mark.parametrize("ending", ENDINGS, ids=["without ends", "with ends"])
@pytest.mark.parametrize("style", styles.names())
def test_no_order_of_blocks_loses_anything(style, ending):
    for order in permutations(BLOCKS):
        found = stream(style, order, ending)
        assert found["text"] == "Sunny, 18 degrees.", order
        assert found["thinking"] == "Let me see.", order
        assert [(name, given) for name, given, _ in found["calls"]] == [("f", {"a": 1})], order
        assert found["cited"] == ["https://example.com/a"], order
        assert found["images"] == (1 if style in KEEPS_IMAGES else 0), order
        assert found["tokens"] == (3, 2), order


@pytest.mark.parametrize("style", styles.names())
def test_a_citation_alone_is_still_one(style):
    """OpenRouter sends the pages of a search before the text, and sometimes there is no text."""
    assert stream(style, ("citation",), [])["cited"] == ["https://example.com/a"]


@pytest.mark.parametrize("style", styles.names())
def test_blocks_that_come_in_turns_are_whole(style):
    order = ("text", "citation", "thinking", "text", "citation", "text", "call", "citation")
    found = stream(style, order, [])
    assert found["text"] == "Sunny, 18 degrees." * 3
    assert len(found["cited"]) == (1 if style == "google" else 3)  # Google names a source once


FIRST = Chat(model="m", turns=(Turn("user", (Text("How is the weather?"),)),), max_tokens=2000)
MODELS = {"bedrock": "us.anthropic.claude-sonnet-4-5", "google": "gemini-3-flash-preview"}


def held(chat: Chat) -> tuple[str, list[str], list[str]]:
    """What the turns after the first hold: the assistant's text, its calls, and the results."""
    parts = [part for turn in chat.turns[1:] for part in turn.parts]
    texts = [part.text for t in chat.turns[1:] if t.role == "assistant" for part in t.parts
             if isinstance(part, Text)]  # fmt: skip
    calls = [part.name for part in parts if isinstance(part, ToolCall)]
    answered = [part.call_id for part in parts if isinstance(part, ToolResult)]
    return "".join(texts), calls, answered


@pytest.mark.parametrize("upstream", styles.names())
@pytest.mark.parametrize("client", styles.names())
def test_the_next_turn_brings_any_order_of_blocks_to_every_upstream(client, upstream):
    ours, theirs = styles.get(client), styles.get(upstream)
    target = Target(model=MODELS.get(upstream, "m"), stream=False)
    own = Target(model=MODELS.get(client, "m"), stream=False)
    first = json.loads(ours.write_request(FIRST, own).body)
    for order in permutations(("text", "thinking", "call", "citation", "image")):
        answer = whole(client, order, [])
        chat = ours.read_request(next_turn(client, first, answer), model="m", stream=False)
        body = theirs.write_request(chat, target).body
        text, calls, answered = held(theirs.read_request(body, model="m", stream=False))
        assert text == "Sunny, 18 degrees.", order
        assert calls == ["f"], order
        assert len(answered) == 1, order
