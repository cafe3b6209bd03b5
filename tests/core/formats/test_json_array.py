"""A JSON array off the wire: any cutting, brackets in strings, nothing lost."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.formats.json_array import JsonArrayDecoder, value_of
from pilotfish.core.formats.sse import EventTooLong


def events_of(pieces: list[bytes], limit: int = 1000) -> tuple[list[bytes], bytes]:
    decoder = JsonArrayDecoder(limit)
    return [event for piece in pieces for event in decoder.feed(piece)], decoder.rest


class TestAnElementOverTheLimit:
    def test_is_refused_while_it_still_grows(self):
        decoder = JsonArrayDecoder(10)
        assert decoder.feed(b'[{"a":"12') == []
        with pytest.raises(EventTooLong):
            decoder.feed(b"345")

    def test_is_refused_when_it_comes_whole_and_leaves_those_before_it(self):
        with pytest.raises(EventTooLong) as caught:
            JsonArrayDecoder(12).feed(b'[{"a":1},{"a":"12345678"}]')
        assert caught.value.events == [b'[{"a":1}']


def test_what_is_no_array_stays_until_the_limit():
    assert events_of([b"<html>no</html>"]) == ([], b"<html>no</html>")


def test_an_error_object_without_brackets_comes_out_as_it_is():
    """Google answers so where nothing was to be streamed."""
    assert events_of([b'{"error":{"code":400}}']) == ([b'{"error":{"code":400}}'], b"")


def test_the_closing_bracket_is_an_event_of_its_own():
    events, rest = events_of([b'[{"a":1},\r\n{"b":[{}]}\n]\n'])
    assert events == [b'[{"a":1}', b',\r\n{"b":[{}]}', b"\n]"]
    assert [value_of(event) for event in events] == [b'{"a":1}', b'{"b":[{}]}', b""]
    assert rest == b"\n"


def test_an_empty_array_is_its_end_alone():
    assert events_of([b"[]"]) == ([b"[]"], b"")
    assert value_of(b"[]") == b""


def test_brackets_and_quotes_inside_strings_are_text():
    element = json.dumps({'}]"\\': 'x"]}', "\\": '\\"', "é": "世"}, ensure_ascii=False).encode()
    stream = b"[" + element + b"," + element + b"]"
    for size in (1, 2, 3, len(stream)):
        events, _ = events_of([stream[i : i + size] for i in range(0, len(stream), size)])
        assert [value_of(event) for event in events] == [element, element, b""]


VALUES = st.recursive(
    st.text('a"\\{}[],é', max_size=6) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('"}', max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.lists(st.dictionaries(st.text('"{', max_size=3), VALUES, max_size=3), max_size=4),
    st.lists(st.integers(0, 300), max_size=8),
    st.sampled_from([0, 2, None]),
)
def test_every_cutting_gives_the_elements_and_loses_no_byte(elements, places, indent):
    stream = json.dumps(elements, indent=indent, ensure_ascii=False).encode() + b"\n"
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    events, rest = events_of([stream[a:b] for a, b in pairwise(edges)], limit=10_000)
    assert b"".join(events) + rest == stream
    assert [json.loads(value) for event in events if (value := value_of(event))] == elements
    assert events[-1].endswith(b"]")


@given(st.binary(max_size=60))
def test_no_bytes_make_it_raise_anything_unforeseen(data):
    events, rest = events_of([data])
    assert b"".join(events) + rest == data
