"""Parallel tool calls come out one after the other, whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.formats.deltas import BlockEnd, Finish, Ping, TextDelta, ToolArgs, ToolStart
from pilotfish.core.formats.neutral import FinishReason
from pilotfish.styles._call_order import CallOrder


def start(index):
    return ToolStart(index=index, id=f"c{index}", name="f")


def ordered(*deltas):
    order = CallOrder()
    return [ready for delta in deltas for ready in order.feed(delta)] + order.rest()


def test_arguments_that_come_in_alternation_are_sorted():
    a, b = [ToolArgs(0, '{"a"'), ToolArgs(0, ":1}")], [ToolArgs(1, "{"), ToolArgs(1, "}")]
    assert ordered(start(0), a[0], start(1), b[0], a[1], b[1]) == [start(0), *a, start(1), *b]


def test_a_call_that_never_becomes_complete_does_not_swallow_the_next():
    assert ordered(
        start(0), ToolArgs(0, '{"a'), start(1), ToolArgs(1, "{}"), Finish(FinishReason.LENGTH)
    ) == [
        start(0),
        ToolArgs(0, '{"a'),
        start(1),
        ToolArgs(1, "{}"),
        Finish(FinishReason.LENGTH),
    ]


def test_text_after_an_open_call_waits_and_is_not_lost():
    assert ordered(start(0), TextDelta("so"), ToolArgs(0, "{}")) == [
        start(0),
        ToolArgs(0, "{}"),
        TextDelta("so"),
    ]


def test_an_upstream_that_says_so_has_ended_a_call_without_arguments():
    order = CallOrder()
    assert order.feed(start(0)) + order.feed(BlockEnd()) + order.feed(start(1)) == [
        start(0),
        BlockEnd(),
        start(1),
    ]


def test_a_ping_waits_for_nobody():
    order = CallOrder()
    order.feed(start(0))
    order.feed(start(1))
    assert order.feed(Ping()) == [Ping()]


def test_arguments_that_come_after_their_call_was_closed_are_left_out():
    assert ordered(
        start(0), ToolArgs(0, "{}"), start(1), ToolArgs(0, "more"), ToolArgs(1, "{}")
    ) == [
        start(0),
        ToolArgs(0, "{}"),
        start(1),
        ToolArgs(1, "{}"),
    ]


def test_arguments_that_come_after_a_text_has_closed_their_call_are_left_out():
    assert ordered(start(0), ToolArgs(0, "{}"), TextDelta("so"), ToolArgs(0, "{")) == [
        start(0),
        ToolArgs(0, "{}"),
        TextDelta("so"),
    ]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["{", "}", '"a":', "1", "text"])), max_size=20
    )
)
def test_whatever_comes_every_call_is_whole_and_in_one_piece(moves):
    deltas, begun = [], set()
    for index, text in moves:
        if index not in begun:
            begun.add(index)
            deltas.append(start(index))
        deltas.append(TextDelta(text) if text == "text" else ToolArgs(index, text))
    out = ordered(*deltas)
    assert [delta.index for delta in out if isinstance(delta, ToolStart)] == [
        delta.index for delta in deltas if isinstance(delta, ToolStart)
    ]
    assert sum(isinstance(delta, TextDelta) for delta in out) == sum(
        isinstance(delta, TextDelta) for delta in deltas
    )
    current = None
    for delta in out:
        if isinstance(delta, ToolStart):
            current = delta.index
        elif isinstance(delta, ToolArgs):
            assert delta.index == current
        else:
            current = None
