"""Whatever the order in which a vendor sends the blocks of an answer, every client's stream is
well-formed and loses nothing that its style has a place for."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from answers_wire import answer_of, facts
from pilotfish import styles
from pilotfish.core.formats import deltas
from pilotfish.core.formats.neutral import (
    Citation,
    FinishReason,
    Image,
    Opaque,
    Signature,
    TokenLogprob,
)
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
    writer = styles.get(style).stream_writer(**WRITTEN, options={"include_usage": True})
    out = writer.write([deltas.MessageStart("r", "m")])
    for name in order:
        for delta in (*BLOCKS[name], *ending):
            out += writer.write([delta])
    finish = deltas.Finish(FinishReason.TOOL_CALLS if "call" in order else FinishReason.STOP)
    out += writer.write([finish, deltas.UsageDelta(Usage(input=3, output=2))])
    return facts(style, answer_of(style, out + writer.end()))


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
