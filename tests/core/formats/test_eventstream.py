"""Frames as Bedrock sends them: any cutting, every header type, and no damage passes for a
frame.
"""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.formats.eventstream import EventStreamDecoder, FrameError, read, write
from pilotfish.core.formats.sse import EventTooLong

FRAME = write({":event-type": "messageStart", ":message-type": "event"}, b'{"role":"assistant"}')


def raw(headers: bytes, payload: bytes = b"{}") -> bytes:
    """A frame around headers that `write` would not write, its checksums right."""
    from struct import pack
    from zlib import crc32

    prelude = pack("!II", len(headers) + len(payload) + 16, len(headers))
    body = prelude + pack("!I", crc32(prelude)) + headers + payload
    return body + pack("!I", crc32(body))


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


class TestADamagedFrame:
    def test_is_refused_whichever_byte_is_wrong(self):
        for place in range(len(FRAME)):
            damaged = bytearray(FRAME)
            damaged[place] ^= 0x01
            with pytest.raises(FrameError):
                read(bytes(damaged))

    @pytest.mark.parametrize("length", [0, 4, 15, len(FRAME) - 1])
    def test_is_refused_when_it_is_cut_short(self, length):
        with pytest.raises(FrameError):
            read(FRAME[:length])

    def test_says_what_was_found_and_expected(self):
        with pytest.raises(FrameError, match="frame of 3 bytes, expected at least 16"):
            read(b"abc")

    @pytest.mark.parametrize(
        "headers",
        [
            b"\x05ab",  # the name is longer than the block
            b"\x01a",  # no type
            b"\x01a\x0a",  # no such type
            b"\x01a\x04\x00",  # half an integer
            b"\x01a\x07\x00\x05ab",  # text shorter than it says
            b"\x01a\x07\x00\x01\xff",  # text that is no UTF-8
            b"\x01a\x09\x00",  # half a UUID
        ],
    )
    def test_is_refused_when_its_headers_are_none(self, headers):
        with pytest.raises(FrameError, match="header"):
            read(raw(headers))

    def test_loses_the_stream_and_nothing_before_it(self):
        """Without a length that can be trusted nobody knows where the next frame begins."""
        decoder = EventStreamDecoder()
        damaged = b"\x00\x00\x00\x10\x00\x00\x00\x00oops"
        events = decoder.feed(FRAME + damaged + FRAME)
        assert events == [FRAME, damaged]
        assert decoder.lost
        assert decoder.feed(FRAME) == []
        with pytest.raises(FrameError):
            read(events[1])

    def test_that_says_it_is_shorter_than_its_own_headers_loses_the_stream(self):
        from struct import pack
        from zlib import crc32

        prelude = pack("!II", 20, 100)
        decoder = EventStreamDecoder()
        assert len(decoder.feed(prelude + pack("!I", crc32(prelude)) + b"x" * 50)) == 1
        assert decoder.lost


class TestAFrameOverTheLimit:
    def test_is_refused_from_its_length_alone(self):
        with pytest.raises(EventTooLong, match=f"at least {len(FRAME)} bytes, expected at most 20"):
            EventStreamDecoder(20).feed(FRAME[:12])

    def test_does_not_take_the_frames_before_it_along(self):
        large = write({}, b"x" * 200)
        with pytest.raises(EventTooLong) as caught:
            EventStreamDecoder(100).feed(FRAME + large)
        assert caught.value.events == [FRAME]


@given(st.lists(st.binary(max_size=40), max_size=5), st.lists(st.integers(0, 400), max_size=8))
def test_every_cutting_gives_the_same_frames_and_loses_no_byte(payloads, places):
    frames = [write({":event-type": "x"}, payload) for payload in payloads]
    stream = b"".join(frames) + FRAME[:7]
    decoder = EventStreamDecoder()
    found = [frame for piece in cut(stream, places) for frame in decoder.feed(piece)]
    assert found == frames
    assert decoder.rest == FRAME[:7]


def test_byte_by_byte_gives_the_same_frames():
    decoder = EventStreamDecoder()
    assert [frame for byte in FRAME * 2 for frame in decoder.feed(bytes([byte]))] == [FRAME, FRAME]


@given(st.binary(max_size=80))
def test_no_bytes_make_the_splitter_or_the_reader_raise_anything_unforeseen(data):
    try:
        frames = EventStreamDecoder(1000).feed(data)
    except EventTooLong:
        return
    for frame in [*frames, data]:
        try:
            read(frame)
        except FrameError:
            continue


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20),
        st.text(max_size=30)
        | st.binary(max_size=30)
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.uuids(),
        max_size=4,
    ),
    st.binary(max_size=50),
)
def test_what_is_written_is_read_back(headers, payload):
    message = read(write(headers, payload))
    assert dict(message.headers) == headers
    assert message.payload == payload


def test_headers_of_all_types_are_read():
    number = b"\x00\x00\x00\x00\x00\x00\x00\x2a"
    block = b"".join(
        (
            b"\x01a\x00\x01b\x01",
            b"\x01c\x02\x2a\x01d\x03"
            + number[-2:]
            + b"\x01e\x04"
            + number[-4:]
            + b"\x01f\x05"
            + number,
            b"\x01g\x06\x00\x02hi\x01h\x07\x00\x02hi\x01i\x08" + number + b"\x01j\x09" + bytes(16),
        )
    )
    expected = {
        "a": True,
        "b": False,
        "c": 42,
        "d": 42,
        "e": 42,
        "f": 42,
        "g": b"hi",
        "h": "hi",
        "i": 42,
        "j": UUID(int=0),
    }
    assert dict(read(raw(block)).headers) == expected


def test_headers_shared_by_frames_cannot_be_changed_by_who_reads_one():
    with pytest.raises(TypeError):
        read(FRAME).headers[":event-type"] = "other"


@pytest.mark.parametrize(
    ("headers", "problem"),
    [({"": "x"}, "header name"), ({"n" * 256: "x"}, "header name"), ({"n": "x" * 65536}, "65536")],
)
def test_a_header_that_fits_into_no_frame_is_refused(headers, problem):
    with pytest.raises(ValueError, match=problem):
        write(headers, b"")


@given(
    st.lists(
        st.tuples(
            st.dictionaries(
                st.text(min_size=1, max_size=10),
                st.text(max_size=20) | st.booleans() | st.integers(-(2**63), 2**63 - 1),
                max_size=3,
            ),
            st.binary(max_size=40),
        ),
        max_size=4,
    ),
    st.lists(st.integers(0, 600), max_size=6),
    st.none() | st.integers(0, 600),
)
def test_awss_own_parser_finds_the_same_events_or_the_same_damage(events, places, damaged):
    stream = bytearray(b"".join(write(headers, payload) for headers, payload in events))
    if damaged is not None and stream:
        stream[damaged % len(stream)] ^= 0x04

    def ours():
        decoder = EventStreamDecoder()
        for piece in cut(bytes(stream), places):
            for frame in decoder.feed(piece):
                message = read(frame)
                yield dict(message.headers), message.payload

    def theirs():
        buffer = EventStreamBuffer()
        for piece in cut(bytes(stream), places):
            buffer.add_data(piece)
            for event in buffer:
                yield event.headers, event.payload

    assert told(ours(), FrameError) == told(theirs(), ParserError)


def told(events, error):
    """Events up to the end, or up to the first that cannot be read."""
    found = []
    try:
        found.extend(events)
    except error:
        found.append("damage")
    return found


def test_botocore_reads_what_is_written():
    buffer = EventStreamBuffer()
    buffer.add_data(FRAME)
    (event,) = list(buffer)
    assert event.headers == {":event-type": "messageStart", ":message-type": "event"}
    assert event.payload == b'{"role":"assistant"}'
