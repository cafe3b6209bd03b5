"""Ids for requests whose clients give none: unique over restarts and replicas, in the order in
which requests came.
"""

from __future__ import annotations

from os import urandom

# To look digits up takes a tenth of what it takes to write a number in another base.
_HEX = [f"{n:02x}" for n in range(256)]


class RequestIds:
    """Each call gives another: twelve random digits, the same for one process, and a counter."""

    def __init__(self) -> None:
        self._prefix = urandom(6).hex()
        self._count = 0
        self._high = f"{self._prefix}{0:06x}"  # all but the last two digits

    def next(self) -> str:
        self._count += 1
        low = self._count & 0xFF
        if low == 0:
            self._high = f"{self._prefix}{self._count >> 8:06x}"
        return self._high + _HEX[low]
