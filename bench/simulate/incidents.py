"""A day in which one vendor browns out, hangs, fails and flaps, over a rules file without tuning: how
long clients feel what the vendor does, and what it costs to find out that it is well again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.simulate.proxies import Result, simulate
from bench.simulate.vendors import Vendor, World
from bench.simulate.workloads import Workload

HOUR, MINUTE = 3600.0, 60.0
FELT_S = 1.0  # so much later than with nothing wrong, a client feels it


def flapping(
    start: float, end: float, up_s: float, down_s: float
) -> tuple[tuple[float, float], ...]:
    """The times in which a vendor is down that flaps from `start` to `end`."""
    times, at = [], start + up_s
    while at < end:
        times.append((at, min(end, at + down_s)))
        at += up_s + down_s
    return tuple(times)


BROWN_OUTS = ((2 * HOUR, 2 * HOUR + 10 * MINUTE, 20.0), (15 * HOUR, 16 * HOUR, 5.0))
SLOW = ((21 * HOUR, 21 * HOUR + 10 * MINUTE, 65.0),)  # the first token takes 20 s
HANGS = (
    (5 * HOUR, 5 * HOUR + 5 * MINUTE),
    (14 * HOUR, 14 * HOUR + 30.0),
)
# As when the network between them and us is gone: both at once.
BOTH = (
    (8 * HOUR, 8 * HOUR + 6.0),
    (13 * HOUR, 13 * HOUR + 30.0),
)
OUTAGES = (*BOTH, (18 * HOUR, 18 * HOUR + 20 * MINUTE))
FLAPS = flapping(11 * HOUR, 11 * HOUR + 30 * MINUTE, 30.0, 15.0)

BAD_DAY = Workload(
    "a bad day",
    (
        Vendor(
            "first",
            0.30,
            brownouts=(*BROWN_OUTS, *SLOW),
            hangs=HANGS,
            outages=tuple(sorted((*OUTAGES, *FLAPS))),
        ),
        Vendor("second", 0.40, outages=BOTH, tier=1),
    ),
    rate=1.0,
    seconds=24 * HOUR,
    proxies=1,
)
RARE = replace(BAD_DAY, name="a bad day, a request a minute", rate=1 / 60)
DAYS = (BAD_DAY, RARE)


def side_by_side(day: Workload) -> Workload:
    """The same day with both services in one tier, so that the tactic chooses."""
    return replace(day, vendors=tuple(replace(v, tier=0) for v in day.vendors))


@dataclass(frozen=True)
class Felt:
    """What clients felt of a day. `seconds`: those of the day in which somebody who asked then
    waited `FELT_S` longer than usual, or got an error. `back_s`: from the end of a fault until the
    vendor served again, at most."""

    requests: int
    errors: int
    felt: int
    seconds: int
    worst_s: float
    extra: int
    in_vain: int
    back_s: float


def faults_of(vendor: Vendor) -> list[tuple[float, float]]:
    """From when to when a vendor is not well, in order."""
    slow = [(start, end) for start, end, _ in vendor.brownouts]
    return sorted([*slow, *vendor.hangs, *vendor.outages])


def felt(day: Workload, result: Result, vendor: Vendor) -> Felt:
    waits = [(at, wait) for at, wait in result.waits if wait is None or wait > FELT_S]
    ends = [end for _, end in faults_of(vendor)]
    starts = [start for start, _ in faults_of(vendor)[1:]] + [day.seconds]
    backs = []
    served = iter(sorted(result.served[vendor.name]))
    at = next(served, None)
    for end, until in zip(ends, starts, strict=True):
        while at is not None and at < end:
            at = next(served, None)
        backs.append((until if at is None else min(at, until)) - end)
    return Felt(
        result.requests,
        result.errors,
        len(waits),
        len({int(at) for at, _ in waits}),
        max((wait for _, wait in waits if wait is not None), default=0.0),
        sum(result.attempts.values()) - result.requests,
        result.in_vain,
        max(backs),
    )


HEAD = (
    "",
    "errors %",
    "requests that felt it %",
    "seconds in which it was felt",
    "longest wait, s",
    "extra requests %",
    "asked in vain %",
    "back after at most, s",
)


def row(name: str, told: Felt) -> str:
    n = told.requests
    cells = (
        name,
        f"{100 * told.errors / n:.2f}",
        f"{100 * told.felt / n:.2f}",
        f"{told.seconds}",
        f"{told.worst_s:.0f}",
        f"{100 * told.extra / n:.2f}",
        f"{100 * told.in_vain / n:.2f}",
        f"{told.back_s:.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def run(day: Workload, tactic_of, seed: int = 1) -> Felt:  # type: ignore[no-untyped-def]
    return felt(day, simulate(day, tactic_of, seed), day.vendors[0])


def faulty_seconds(day: Workload) -> int:
    return int(sum(end - start for start, end in faults_of(day.vendors[0])))


__all__ = ["DAYS", "HEAD", "World", "faulty_seconds", "row", "run"]
