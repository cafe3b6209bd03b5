"""Undoes the compression of an answer, within bounds."""

from __future__ import annotations

import zlib

INFLATE_STEP = 1 << 20  # bytes that a compressed answer is unpacked to at a time
MAX_PIECES = 64  # of these that one read may grow to


class Inflate:
    """A content-encoding that the request did not ask for, undone piece by piece: what a small
    body could grow to never stands in memory at once.
    """

    __slots__ = ("_engine",)

    def __init__(self, encoding: bytes) -> None:
        """Raises ValueError for an encoding other than gzip and deflate."""
        if encoding not in (b"gzip", b"x-gzip", b"deflate"):
            raise ValueError(
                f"content-encoding {encoding.decode('latin-1')!r}, expected none, gzip or deflate"
            )
        self._engine = zlib.decompressobj(wbits=47)

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces, each of at most a mebibyte. Raises ValueError for what is not compressed
        so.
        """
        pieces = []
        try:
            while data:
                pieces.append(self._engine.decompress(data, INFLATE_STEP))
                data = self._engine.unconsumed_tail
                if len(pieces) > MAX_PIECES:
                    raise ValueError("a compressed answer that grows more than 64 MiB in one read")
        except zlib.error as e:
            raise ValueError(f"damaged {e}") from None
        return pieces

    @property
    def is_complete(self) -> bool:
        return self._engine.eof
