"""Sees how long one turn of the event loop takes, in CPU of its thread: what other processes do
meanwhile does not count.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hostile.steps import LOOP_S


class Watchdog:
    """`longest_s`: of all callbacks so far; `what` ran then."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.what = ""

    def report(self) -> str:
        return (
            f"the longest turn of the event loop took {self.longest_s * 1000:.1f} ms: {self.what}"
        )

    def check(self) -> None:
        print(self.report())
        assert self.longest_s < LOOP_S, self.report()


@contextmanager
def watched() -> Iterator[Watchdog]:
    """Watches all callbacks of asyncio's loops. The collector of garbage is off meanwhile: its
    pauses are the test suite's, whose heap is a hundred times a proxy's.
    """
    dog = Watchdog()
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> Any:
        began = time.thread_time()
        try:
            return run(handle)
        finally:
            took = time.thread_time() - began
            if took > dog.longest_s:
                dog.longest_s, dog.what = took, repr(handle)[:300]

    asyncio.Handle._run = timed  # type: ignore[method-assign]
    gc.disable()
    try:
        yield dog
    finally:
        gc.enable()
        asyncio.Handle._run = run  # type: ignore[method-assign]
