"""What is kept of a stream that passes through: enough to go on with it, and no more.

That it passes byte for byte is in `test_response_stream.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from pilotfish import styles
from pilotfish.core.exchange.pass_through import KEPT_BYTES, KEPT_EVENTS, PassThrough
from pilotfish.styles._inspector import MOST_SAID
from style_wire import payloads, sse


def chunk(content: str = "", **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content, **delta}, "finish_reason": None}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


ROLE = chunk(role="assistant")


def passed(*events: Any) -> PassThrough:
    style = styles.get("openai")
    stream = PassThrough(
        style.event_decoder(), style.inspector(), hide_usage=False, rename=None, close=b""
    )
    for event in sse(*events):
        assert stream.feed(event) == event
    return stream


def contents(stream: PassThrough) -> list[str]:
    return [p["choices"][0]["delta"]["content"] for p in payloads(b"".join(stream.form))]


def test_of_a_run_of_content_only_the_last_event_is_kept_and_all_the_text() -> None:
    stream = passed(ROLE, chunk("one "), chunk("two "), ROLE, chunk("three "), chunk("four"))
    assert contents(stream) == ["", "two ", "", "four"]
    assert stream.said == "one two three four"


def test_pings_are_no_part_of_a_streams_form() -> None:
    assert contents(passed(ROLE, *[b": ping\n\n"] * 2000, chunk("one"))) == ["", "one"]


def test_asking_changes_nothing() -> None:
    stream = passed(ROLE, chunk("one "))
    assert (stream.said, stream.said) == ("one ", "one ")
    stream.feed(sse(chunk("two"))[0])
    assert (stream.said, contents(stream)) == ("one two", ["", "two"])


@pytest.mark.parametrize(
    "delta",
    [
        {"tool_calls": [{"index": 0, "function": {"name": "f"}}]},
        {"refusal": "no"},
        {"audio": {"data": "AAAA"}},
        {"images": [{"image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"extra_content": {"google": {"thought_signature": "s"}}, "content": "signed"},
    ],
)
def test_where_there_is_more_than_text_nobody_can_go_on(delta: dict[str, Any]) -> None:
    event = chunk(**delta) if "content" not in delta else chunk(delta.pop("content"), **delta)
    assert passed(chunk("one"), event).said is None


def test_a_form_of_too_many_events_or_bytes_is_not_kept() -> None:
    many = passed(*[chunk("a"), ROLE] * KEPT_EVENTS)
    assert many.said is None
    assert len(many.form) <= KEPT_EVENTS + 3
    odd = {**ROLE, "padding": "x" * 100_000}
    large = passed(*[chunk("a"), odd] * 20)
    assert large.said is None
    assert sum(map(len, large.form)) < KEPT_BYTES + 300_000


def test_a_text_without_end_is_counted_and_not_kept() -> None:
    stream = passed(*[chunk("x" * 10_000)] * 600)
    assert stream.said is None
    assert stream.chars == 6_000_000
    assert sum(map(len, stream._inspector.said)) < MOST_SAID


def test_thoughts_are_no_part_of_the_text() -> None:
    stream = passed(ROLE, chunk(reasoning_content="let me see"), chunk("one"))
    assert stream.said == "one"
    assert stream.chars == len("let me seeone")
