"""Blocks: all operations must hold, the first block that matches decides."""

from __future__ import annotations

from typing import Any

from pilotfish.core.model.smart_rules import Block, Op, first_match
from small_world import rule

LONG = Op(
    "token ge '60000'",
    lambda view, now: view.tokens >= 60000,
    lambda view, now: f"about {view.tokens} tokens",
)
STREAM = Op(
    "stream equals 'true'",
    lambda view, now: view.stream,
    lambda view, now: f"stream is {str(view.stream).lower()}",
)


class Seen:
    def __init__(self, tokens: int = 0, stream: bool = False) -> None:
        self.tokens, self.stream = tokens, stream


def seen(**known: Any) -> Any:
    return Seen(**known)


def test_all_operations_must_hold() -> None:
    block = Block(0, (LONG, STREAM), ())
    assert block.matches(seen(tokens=70000, stream=True), 0)
    assert not block.matches(seen(tokens=70000), 0)
    assert not block.matches(seen(stream=True), 0)


def test_the_check_names_the_first_operation_that_does_not_hold() -> None:
    assert Block(0, (LONG, STREAM), ()).check(seen(tokens=70000), 0) == (
        False,
        "stream equals 'true' does not hold: stream is false",
    )


def test_the_check_names_all_operations_where_they_hold() -> None:
    matched, why = Block(0, (LONG, STREAM), ()).check(seen(tokens=70000, stream=True), 0)
    assert matched
    assert (
        why
        == "token ge '60000' holds: about 70000 tokens; stream equals 'true' holds: stream is true"
    )


def test_the_first_block_that_matches_decides() -> None:
    blocks = (Block(0, (LONG,), ()), Block(1, (STREAM,), ()))
    assert first_match(blocks, seen(tokens=70000, stream=True), 0) is blocks[0]
    assert first_match(blocks, seen(stream=True), 0) is blocks[1]
    assert first_match(blocks, seen(), 0) is None


def test_an_operation_that_does_not_hold_spares_the_later_ones() -> None:
    """Text positions come dear; a cheap one before them keeps them from being worked out."""

    def never(view: Any, now: float) -> bool:
        raise AssertionError("asked in vain")

    assert not Block(0, (LONG, Op("x", never, lambda view, now: "")), ()).matches(seen(), 0)


def test_blocks_come_compiled_with_their_rule() -> None:
    text = "services: [{provider: openai, model: a}], smart_routing: [{description: long, ops: [{position: token, operation: ge, value: '9'}], services: [{provider: claude, model: b}]}]"
    (block,) = rule(text).smart
    assert (block.index, block.description, [s.id for s in block.services]) == (
        0,
        "long",
        ["claude/b"],
    )
    assert block.matches(seen(tokens=9), 0)
