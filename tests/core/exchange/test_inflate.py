"""Compressed answers: unpacked whole in every cutting, and never larger in memory than is sound."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest

from pilotfish.core.exchange.inflate import INFLATE_STEP, MAX_REST_BYTES, Inflate

ANSWER = b'{"choices": [{"message": {"content": "swims ahead of great sharks"}}]}' * 9


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [(b"gzip", gzip.compress), (b"x-gzip", gzip.compress), (b"deflate", zlib.compress)],
)
def test_a_compressed_answer_is_unpacked_however_it_is_cut(
    encoding: bytes, compress: Callable[[bytes], bytes]
) -> None:
    packed = compress(ANSWER)
    inflate = Inflate(encoding)
    out = b"".join(piece for i in range(len(packed)) for piece in inflate.feed(packed[i : i + 1]))
    assert out == ANSWER
    assert inflate.is_complete


def test_a_compressed_answer_that_breaks_off_is_not_complete() -> None:
    inflate = Inflate(b"gzip")
    inflate.feed(gzip.compress(ANSWER)[:-9])
    assert not inflate.is_complete


def test_an_encoding_that_nobody_knows_and_bytes_that_are_damaged_are_named() -> None:
    with pytest.raises(ValueError, match="content-encoding 'br', expected none, gzip or deflate"):
        Inflate(b"br")
    with pytest.raises(ValueError, match="damaged"):
        Inflate(b"gzip").feed(b"no gzip at all")


def test_an_answer_that_shrank_well_is_unpacked_in_bounded_pieces() -> None:
    packed = gzip.compress(ANSWER * 5000, compresslevel=1)
    pieces = Inflate(b"gzip").feed(packed)
    assert b"".join(pieces) == ANSWER * 5000
    assert max(map(len, pieces)) <= INFLATE_STEP


def test_a_bomb_is_refused_before_it_is_big() -> None:
    with pytest.raises(ValueError, match="grows to more than 32 times its size"):
        Inflate(b"gzip").feed(gzip.compress(bytes(8 << 20), compresslevel=1))


def test_what_follows_the_end_is_left_out_and_never_copied_twice() -> None:
    inflate = Inflate(b"gzip")
    assert b"".join(inflate.feed(gzip.compress(ANSWER) + b"more")) == ANSWER
    assert inflate.feed(b"and more") == []
    assert inflate.is_complete
    with pytest.raises(ValueError, match="goes on after its end"):
        inflate.feed(bytes(MAX_REST_BYTES))
