"""Work counted, not timed: lines of Python that ran, and memory that was asked for. A machine with
other work gives the same figures."""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

BYTES_PER_STEP = 16
# The longest that one input may hold the event loop.
LOOP_S = 0.05


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


def cpu_s(call: Callable[[], Any], times: int = 3) -> float:
    """Seconds of this thread's CPU that the quickest of some calls took: what other processes do
    meanwhile is not among them.
    """
    took = []
    for _ in range(times):
        began = time.thread_time()
        call()
        took.append(time.thread_time() - began)
        if took[-1] < LOOP_S:
            break
    return min(took)
