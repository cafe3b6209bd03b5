"""What kind of answer a head promises, and its body: unpacked, kept, bounded."""

from __future__ import annotations

import gzip

import pytest

from pilotfish.core.exchange import answer

SSE = (b"content-type", b"text/event-stream; charset=utf-8")
JSON = (b"content-type", b"application/json")
GZIP = (b"content-encoding", b"gzip")


def head(
    status: int, *headers: tuple[bytes, bytes], op: str = "chat", streams: bool = True
) -> answer.Answer:
    found = answer.Answer()
    found.head(status, list(headers), op, streams=streams)
    return found


@pytest.mark.parametrize("status", [300, 400, 429, 503])
def test_an_error_status_is_an_error_whatever_its_type(status: int) -> None:
    assert head(status, SSE).mode == answer.ERROR


@pytest.mark.parametrize(
    ("headers", "op", "streams", "mode"),
    [
        ([SSE], "chat", True, answer.STREAM),
        (
            [(b"content-type", b"application/vnd.amazon.eventstream")],
            "converse",
            True,
            answer.STREAM,
        ),
        ([JSON], "chat", True, answer.WHOLE),  # the vendor does not stream
        ([SSE], "chat", False, answer.WHOLE),  # nobody asked for a stream
        ([], "chat", True, answer.WHOLE),
        ([JSON], "embeddings", False, answer.WHOLE),
        ([(b"content-type", b"audio/mpeg")], "audio", False, answer.RAW),
        ([SSE], "images", True, answer.RAW),
    ],
)
def test_the_head_says_what_kind_of_answer_it_is(
    headers: list[tuple[bytes, bytes]], op: str, streams: bool, mode: str
) -> None:
    assert head(200, *headers, op=op, streams=streams).mode == mode


def test_before_the_head_nothing_is_known() -> None:
    assert (answer.Answer().mode, answer.Answer().status) == (answer.UNKNOWN, 0)


def test_an_encoding_that_cannot_be_undone_is_refused_with_its_name() -> None:
    with pytest.raises(ValueError, match="'br'"):
        head(200, JSON, (b"content-encoding", b"br"))


def test_damaged_compression_is_refused() -> None:
    with pytest.raises(ValueError, match="damaged"):
        head(200, JSON, GZIP).unpack(b"not gzip at all")


def test_a_compressed_body_is_unpacked_however_it_is_cut() -> None:
    packed = gzip.compress(b'{"ok":true}')
    for cut in range(len(packed) + 1):
        found = head(200, JSON, GZIP)
        pieces = [*found.unpack(packed[:cut]), *found.unpack(packed[cut:])]
        assert b"".join(pieces) == b'{"ok":true}'
        assert not found.is_cut_short


def test_a_compressed_body_that_ends_too_early_is_cut_short() -> None:
    found = head(200, JSON, GZIP)
    found.unpack(gzip.compress(b'{"ok":true}')[:-4])
    assert found.is_cut_short


def test_a_plain_body_is_passed_on_as_it_is_and_never_cut_short() -> None:
    found = head(200, JSON, (b"content-encoding", b"identity"))
    assert list(found.unpack(b"{}")) == [b"{}"]
    assert not found.is_cut_short


def test_what_was_kept_is_taken_once() -> None:
    found = head(200, JSON)
    found.keep(b'{"a"')
    found.keep(b":1}")
    assert (found.take_body(), found.take_body()) == (b'{"a":1}', b"")


@pytest.mark.parametrize(
    ("status", "limit"), [(400, answer.ERROR_BYTES), (200, answer.WHOLE_BYTES)]
)
def test_a_body_is_too_large_one_byte_beyond_its_limit(status: int, limit: int) -> None:
    found = head(status, JSON)
    found.size = limit - 1
    assert found.keep(b"x")
    assert not found.keep(b"x")
