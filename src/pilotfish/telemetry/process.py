"""What Prometheus calls the `process_*` families: memory, CPU time and open files of this process,
as Linux tells them.

Elsewhere there are none. The client library has the same figures, but its import would be a tenth
of a sidecar's memory.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class Figure(NamedTuple):
    name: str
    kind: str
    text: str
    value: float


def figures(proc: Path = PROC) -> Iterator[Figure]:
    """In the names and units of the client libraries. Nothing where the system tells nothing."""
    try:
        # The second field is the program's name in brackets, and may hold anything.
        stat = (proc / "self" / "stat").read_text().rpartition(")")[2].split()
        booted = next(
            line for line in (proc / "stat").read_text().splitlines() if line.startswith("btime ")
        )
        open_files = len(os.listdir(proc / "self" / "fd"))
    except (OSError, StopIteration):
        return
    ticks = os.sysconf("SC_CLK_TCK")
    user, system, started, virtual, pages = (float(stat[i]) for i in (11, 12, 19, 20, 21))
    at_most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield Figure("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", virtual)
    yield Figure(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory size in bytes.",
        pages * resource.getpagesize(),
    )
    yield Figure(
        "process_start_time_seconds",
        "gauge",
        "When the process began, since the epoch.",
        float(booted.split()[1]) + started / ticks,
    )
    yield Figure(
        "process_cpu_seconds_total",
        "counter",
        "User and system CPU time spent.",
        (user + system) / ticks,
    )
    yield Figure("process_open_fds", "gauge", "Open file descriptors.", float(open_files))
    yield Figure(
        "process_max_fds", "gauge", "The most file descriptors that may be open.", float(at_most)
    )
