"""Undoes the compression of an answer, within bounds."""

from __future__ import annotations

import zlib

INFLATE_STEP = 1 << 20  # bytes that a compressed answer is unpacked to at a time
# How much larger one read may grow than it is, above the first pieces. JSON shrinks to a tenth.
MAX_GROWTH = 32
FREE_PIECES = 4
MAX_REST_BYTES = 64 * 1024  # that follow the end of the compression, and are not read


class Inflate:
    """A content-encoding that the request did not ask for, undone piece by piece: what a small
    body could grow to never stands in memory at once.
    """

    __slots__ = ("_engine", "_rest")

    def __init__(self, encoding: bytes) -> None:
        """Raises ValueError for an encoding other than gzip and deflate."""
        if encoding not in (b"gzip", b"x-gzip", b"deflate"):
            raise ValueError(
                f"content-encoding {encoding.decode('latin-1')!r}, expected none, gzip or deflate"
            )
        self._engine = zlib.decompressobj(wbits=47)
        self._rest = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces, each of at most a mebibyte. Raises ValueError for what is not compressed so,
        or grows out of bounds. What follows the end of the compression is left out.
        """
        most = FREE_PIECES + MAX_GROWTH * len(data) // INFLATE_STEP
        pieces = []
        try:
            while data and not self._engine.eof:
                pieces.append(self._engine.decompress(data, INFLATE_STEP))
                data = self._engine.unconsumed_tail
                if len(pieces) > most:
                    raise ValueError(
                        f"a compressed answer that grows to more than {MAX_GROWTH} times its size"
                    )
        except zlib.error as e:
            raise ValueError(f"damaged {e}") from None
        if self._engine.eof:
            self._leave_out(len(data))
        return pieces

    def _leave_out(self, size: int) -> None:
        # Given to the engine once more, every byte of it would be copied with each read.
        self._rest += size
        if self._rest > MAX_REST_BYTES:
            raise ValueError("a compressed answer that goes on after its end")

    @property
    def is_complete(self) -> bool:
        return self._engine.eof
