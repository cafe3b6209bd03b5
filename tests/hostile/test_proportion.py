"""The work for an input grows in proportion to its size: twice the input takes about twice the
steps, whatever it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from hostile.steps import steps
from pilotfish import styles
from pilotfish.core.exchange.stream_resume import OverlapTrimmer, Transcript
from pilotfish.core.formats import deltas as d
from pilotfish.core.formats.bodies import members_of, replaced
from pilotfish.core.formats.eventstream import EventStreamDecoder, write
from pilotfish.core.formats.json_array import JsonArrayDecoder
from pilotfish.core.formats.neutral import (
    Cache,
    Chat,
    Citation,
    FinishReason,
    Image,
    Text,
    Thinking,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
    merged,
)
from pilotfish.core.formats.sse import SseDecoder, data_of
from pilotfish.core.formats.style import Target
from pilotfish.styles._call_order import CallOrder

pytestmark = pytest.mark.interpreted  # compiled lines are not counted
SIZE = 120
STYLES = styles.names()


def proportional(make: Callable[[int], Callable[[], Any]], size: int = SIZE) -> None:
    """Whether twice the size takes no more than two and a half times the steps."""
    make(4)()  # what is imported and cached with the first call
    small, large = steps(make(size)), steps(make(2 * size))
    assert large <= 2.5 * small + 500, f"{small} steps for {size}, {large} for twice as much"


USER = Turn("user", (Text("x"),))


def turns_of(n: int, *roles: str) -> tuple[Turn, ...]:
    return tuple(Turn(roles[i % len(roles)], (Text("x"),)) for i in range(n))


def calls(n: int, ids: str = "c{}") -> tuple[Turn, ...]:
    call = tuple(ToolCall(id=ids.format(i), name="f", arguments="{}") for i in range(n))
    results = (ToolResult(call_id=ids.format(i), name="f", parts=(Text("r"),)) for i in range(n))
    return (USER, Turn("assistant", call), *(Turn("user", (result,)) for result in results))


def said(parts: Iterable[Any]) -> Chat:
    return Chat(model="m", turns=(USER, Turn("assistant", tuple(parts)), USER))


CHATS: dict[str, Callable[[int], Chat]] = {
    "turns of one role": lambda n: Chat(model="m", turns=turns_of(n, "user")),
    "turns": lambda n: Chat(model="m", turns=turns_of(n, "user", "assistant")),
    "system turns between": lambda n: Chat(model="m", turns=turns_of(n, "user", "system")),
    "parts": lambda n: Chat(model="m", turns=(Turn("user", (Text("x"),) * n),)),
    "cached parts": lambda n: Chat(model="m", turns=(Turn("user", (Text("x", Cache()),) * n),)),
    "images": lambda n: Chat(
        model="m", turns=(Turn("user", (Image(url="https://x.example/y"),) * n),)
    ),
    "system blocks": lambda n: Chat(model="m", turns=(USER,), system=(Text("x"),) * n),
    "calls": lambda n: Chat(model="m", turns=calls(n)),
    "calls of one id": lambda n: Chat(model="m", turns=calls(n, "same")),
    "calls one by one": lambda n: Chat(
        model="m", turns=tuple(turn for i in range(n // 3) for turn in calls(1, f"c{i}"))
    ),
    "result parts": lambda n: Chat(
        model="m",
        turns=(
            USER,
            Turn("assistant", (ToolCall(id="c", name="f", arguments="{}"),)),
            Turn("user", (ToolResult(call_id="c", name="f", parts=(Text("r"),) * n),)),
        ),
    ),
    "tools": lambda n: Chat(
        model="m", turns=(USER,), tools=tuple(Tool(name=f"f{i}", schema={}) for i in range(n))
    ),
    "thinking": lambda n: said([Thinking(text="x")] * n),
    "citations": lambda n: said(
        [Text("é", None, tuple(Citation(url=f"u{i}", start=0, end=1) for i in range(n)))]
    ),
    "metadata": lambda n: Chat(model="m", turns=(USER,), metadata={f"k{i}": "v" for i in range(n)}),
}


@pytest.mark.parametrize("name", CHATS)
@pytest.mark.parametrize("style", STYLES)
def test_a_request_is_written_and_read(style: str, name: str) -> None:
    spoken, target = styles.get(style), Target(model="m", stream=False)

    def both(n: int) -> Callable[[], Any]:
        chat = CHATS[name](n)

        def call() -> Any:
            written = spoken.write_request(chat, target)
            return spoken.read_request(written.body, model="m", stream=False)

        return call

    proportional(both)


def words(n: int) -> list[d.Delta]:
    return [d.TextDelta("é") for _ in range(n)]


def alternating(n: int) -> list[d.Delta]:
    """Two calls whose arguments come in turns."""
    begun = [d.ToolStart(index=i, id=f"c{i}", name="f") for i in (0, 1)]
    return [*begun, *(d.ToolArgs(i % 2, '{"a": "' if i < 2 else "x" * 99) for i in range(n))]


def open_calls(n: int) -> list[d.Delta]:
    """Many calls at once, the last of them complete first."""
    begun = [d.ToolStart(index=i, id=f"c{i}", name="f") for i in range(n)]
    return [*begun, *(d.ToolArgs(n - 1 - i, '{"a": 1}') for i in range(n))]


def words_in_a_call(n: int) -> list[d.Delta]:
    begun = [d.ToolStart(index=0, id="c", name="f"), d.ToolArgs(0, '{"a": "')]
    return [*begun, *(delta for _ in range(n) for delta in (d.TextDelta("x"), d.ToolArgs(0, "y")))]


def cited(n: int) -> list[d.Delta]:
    return [
        delta
        for i in range(n)
        for delta in (d.TextDelta("é"), d.CitationDelta(Citation(url=f"u{i}", start=0, end=1)))
    ]


STREAMS: dict[str, Callable[[int], list[d.Delta]]] = {
    "words": words,
    "thinking": lambda n: [d.ThinkingDelta("x") for _ in range(n)],
    "two calls in turns": alternating,
    "many calls at once": open_calls,
    "words while a call is open": words_in_a_call,
    "citations": cited,
    "logprobs": lambda n: [d.LogprobsDelta((TokenLogprob("x", -1.0),)) for _ in range(n)],
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("style", STYLES)
def test_a_stream_is_written_and_read(style: str, name: str) -> None:
    spoken = styles.get(style)

    def both(n: int) -> Callable[[], Any]:
        made = [d.MessageStart("i", "m"), *STREAMS[name](n), d.Finish(FinishReason.STOP)]

        def call() -> Any:
            writer = spoken.stream_writer(model="m", request_id="r", now=0.0, options={})
            out = [writer.write([delta]) for delta in made]
            data = b"".join([*out, writer.end()])
            reader, inspector = spoken.stream_reader(), spoken.inspector()
            for event in spoken.event_decoder().feed(data):
                reader.feed(event)
                inspector.event(event)

        return call

    proportional(both, 60)


def test_neighbours_of_one_role_are_joined() -> None:
    def joined(n: int) -> Callable[[], Any]:
        turns = turns_of(n, "user")
        return lambda: merged(turns)

    proportional(joined, 1000)


def test_calls_wait_for_one_another() -> None:
    def ordered(n: int) -> Callable[[], Any]:
        def call() -> None:
            order = CallOrder()
            for delta in alternating(n):
                order.feed(delta)

        return call

    proportional(ordered, 1000)


def fed(decoder: Callable[[], Any], data: bytes, size: int) -> Callable[[], Any]:
    def call() -> None:
        cut = decoder()
        for at in range(0, len(data), size):
            for event in cut.feed(data[at : at + size]):
                data_of(event)

    return call


@pytest.mark.parametrize("size", [7, 100_000], ids=["in pieces", "at once"])
@pytest.mark.parametrize(
    ("decoder", "one"),
    [
        (SseDecoder, b"\n"),
        (SseDecoder, b":\n\n"),
        (SseDecoder, b"data:\n"),
        (SseDecoder, b"data: x\r"),
        (JsonArrayDecoder, b'{"a": [1]},'),
        (JsonArrayDecoder, b"["),
        (EventStreamDecoder, write({"a": "b"}, b"{}")),
    ],
    ids=str,
)
def test_a_stream_is_cut(decoder: Callable[[], Any], one: bytes, size: int) -> None:
    proportional(lambda n: fed(decoder, b"[" + one * n if one[:1] == b"{" else one * n, size), 300)


def test_a_body_has_a_member_replaced() -> None:
    def body(n: int) -> Callable[[], Any]:
        text = b'{"model": "a", %b"b": 1}' % b"".join(b'"k%d": [1], ' % i for i in range(n))
        return lambda: replaced(text, members_of(text), {"model": b'"b"', "b": b"2"})

    proportional(body)


def test_a_stream_is_taken_note_of_and_its_seam_trimmed() -> None:
    def resumed(n: int) -> Callable[[], Any]:
        def call() -> None:
            transcript = Transcript()
            for delta in words(n):
                transcript.note(delta)
            seam = OverlapTrimmer(transcript.text)
            for delta in words(n):
                seam.feed(delta.text)

        return call

    proportional(resumed)


def test_what_is_not_in_proportion_would_be_noticed() -> None:
    def joined_each_time(n: int) -> Callable[[], Any]:
        def call() -> None:
            parts: tuple[int, ...] = ()
            for i in range(n):
                parts = (*parts, i)

        return call

    with pytest.raises(AssertionError, match="for twice as much"):
        proportional(joined_each_time)
