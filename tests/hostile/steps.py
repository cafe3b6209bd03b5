"""Work counted, not timed: lines of Python that ran, and memory that was asked for. A machine with
other work gives the same figures."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

BYTES_PER_STEP = 16


def steps(call: Callable[[], Any]) -> int:
    """Lines run by this call, and a step for every so many bytes allocated meanwhile: what a line
    of C does at once (joining, copying, parsing) shows in these.
    """
    lines = allocated = before = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal lines, allocated, before
        if event != "line":
            return trace
        lines += 1
        now, peak = tracemalloc.get_traced_memory()
        allocated += max(0, peak - before)
        before = now
        tracemalloc.reset_peak()
        return trace

    previous = sys.gettrace()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(previous)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return lines + (allocated + max(0, peak - before)) // BYTES_PER_STEP
