"""The stream as it comes off the wire: any cutting, any line end, nothing lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.formats.sse import EventTooLong, SseDecoder, data_of, event_from, name_of


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


def events_of(pieces: list[bytes], limit: int = 1000) -> tuple[list[bytes], bytes]:
    decoder = SseDecoder(limit)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events, decoder.rest


class TestAnEventOverTheLimit:
    def test_is_refused_while_it_still_grows(self):
        decoder = SseDecoder(10)
        assert decoder.feed(b"data: 1234") == []
        with pytest.raises(EventTooLong, match="at least 11 bytes, expected at most 10"):
            decoder.feed(b"5")

    def test_is_refused_when_it_comes_whole(self):
        with pytest.raises(EventTooLong):
            SseDecoder(10).feed(b"data: 12345678\n\n")

    def test_does_not_take_the_events_before_it_along(self):
        with pytest.raises(EventTooLong) as caught:
            SseDecoder(10).feed(b"data: 1\n\ndata: 12345678\n\n")
        assert caught.value.events == [b"data: 1\n\n"]

    def test_a_long_read_of_short_events_is_not_an_event_too_long(self):
        events, rest = events_of([b"data: 1\n\n" * 500], limit=20)
        assert (len(events), rest) == (500, b"")


@pytest.mark.parametrize(
    "stream",
    [
        b"data: a\n\ndata: b\n\n",
        b"data: a\r\n\r\ndata: b\r\n\r\n",
        b"data: a\r\rdata: b\r\r",
        b"data: a\n\r\ndata: b\r\n\n",
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_every_line_end_in_every_cutting_gives_the_two_events(stream, size):
    events, rest = events_of([stream[i : i + size] for i in range(0, len(stream), size)])
    assert [data_of(event) for event in events] == [b"a", b"b"]
    assert b"".join(events) + rest == stream


def test_a_carriage_return_at_the_end_of_a_read_waits_for_its_newline():
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\r\n\r") == []
    assert decoder.feed(b"\ndata: b") == [b"data: a\r\n\r\n"]
    assert decoder.rest == b"data: b"


def test_mixed_line_feed_then_carriage_return_is_a_blank_line_once_the_next_byte_is_known():
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n\r") == []
    assert decoder.feed(b"d") == [b"data: a\n\r"]


def test_comments_come_out_so_that_they_can_be_passed_on():
    assert SseDecoder().feed(b": ping\n\n") == [b": ping\n\n"]
    assert data_of(b": ping\n\n") == b""


def test_a_byte_order_mark_stays_in_the_event_and_out_of_its_data():
    (event,) = SseDecoder().feed(b"\xef\xbb\xbfdata: a\n\n")
    assert event == b"\xef\xbb\xbfdata: a\n\n"
    assert data_of(event) == b"a"


@pytest.mark.parametrize(
    ("event", "name", "data"),
    [
        (b"data: a\n\n", b"", b"a"),
        (b"data:a\n\n", b"", b"a"),
        (b"data:  a\n\n", b"", b" a"),
        (b"data\n\n", b"", b""),
        (b"data: a\ndata: b\n\n", b"", b"a\nb"),
        (b"event: x\ndata: a\n\n", b"x", b"a"),
        (b"event: x\ndata: a\ndata: b\n\n", b"x", b"a\nb"),
        (b"data: a\nevent: x\n\n", b"x", b"a"),
        (b"event: x\nid: 7\nretry: 10\n: note\ndata: a\n\n", b"x", b"a"),
        (b"event: x\r\ndata: a\r\n\r\n", b"x", b"a"),
        (b"\n\ndata: a\n\n", b"", b"a"),
        (b"database: a\n\n", b"", b""),
        (b"\n\n", b"", b""),
    ],
)
def test_the_fields_of_an_event(event, name, data):
    assert (name_of(event), data_of(event)) == (name, data)


def test_what_is_written_is_read_back():
    assert data_of(event_from(b'{"a":1}')) == b'{"a":1}'
    named = event_from(b"{}", b"ping")
    assert (name_of(named), data_of(named)) == (b"ping", b"{}")


STREAMS = st.lists(
    st.sampled_from(
        [b"\n", b"\r", b"\r\n", b"\n\n", b"data: ", b"event: ", b"a", "ü€".encode(), b": x"]
    )
).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 200)))
def test_no_cutting_changes_the_events(stream, places):
    assert events_of(cut(stream, places)) == events_of([stream])


@given(st.binary(), st.lists(st.integers(0, 200)))
def test_no_byte_is_lost_or_made_up(stream, places):
    events, rest = events_of(cut(stream, places))
    assert b"".join(events) + rest == stream


@given(st.binary())
def test_taking_an_event_apart_never_fails(event):
    assert isinstance(data_of(event), bytes)
    assert isinstance(name_of(event), bytes)
