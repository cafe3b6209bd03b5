"""A bad day of one vendor, met with a rules file that nobody has tuned: how long clients feel each
incident, how soon the vendor is used again, and what it costs to find out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

from bench.simulate.baselines import Oracle
from bench.simulate.proxies import Result, simulate
from bench.simulate.vendors import Vendor, World
from bench.simulate.workloads import Workload

from pilotfish.tactics import DEFAULT, get

HOUR, MINUTE = 3600.0, 60.0
FELT_S = 1.0  # a client feels it that waits so much longer than with nothing wrong


class Incident(NamedTuple):
    """What the first vendor does from `start` to `end`, in seconds of the day. `slower`: a factor
    on its time to first token; `down`: the times in which it answers 503; `both`: and the other
    vendor too.
    """

    title: str
    start: float
    end: float
    slower: float = 1.0
    hangs: bool = False
    down: tuple[tuple[float, float], ...] = ()
    both: bool = False


def times(
    start: float, end: float, well_s: float, down_s: float
) -> tuple[tuple[float, float], ...]:
    """When a vendor is down that is well and down in turns."""
    found, at = [], start
    while at < end:
        found.append((at, min(end, at + down_s)))
        at += well_s + down_s
    return tuple(found)


def down(title: str, start: float, seconds: float, *, both: bool = False) -> Incident:
    end = start + seconds
    return Incident(title, start, end, down=((start, end),), both=both)


INCIDENTS = (
    Incident("20 times slower for 10 min", 2 * HOUR, 2 * HOUR + 10 * MINUTE, slower=20.0),
    Incident("hangs for 5 min", 5 * HOUR, 5 * HOUR + 5 * MINUTE, hangs=True),
    down("errors for 6 s, of the other one too", 8 * HOUR, 6.0, both=True),
    Incident(
        "flaps for 30 min: 15 s down, 30 s well",
        11 * HOUR,
        11 * HOUR + 30 * MINUTE,
        down=times(11 * HOUR, 11 * HOUR + 30 * MINUTE, 30.0, 15.0),
    ),
    down("down for 30 s, the other one too", 13 * HOUR, 30.0, both=True),
    Incident("hangs for 30 s", 14 * HOUR, 14 * HOUR + 30.0, hangs=True),
    Incident("5 times slower for 1 h", 15 * HOUR, 16 * HOUR, slower=5.0),
    down("down for 20 min", 18 * HOUR, 20 * MINUTE),
    Incident("first token after 20 s for 10 min", 21 * HOUR, 21 * HOUR + 10 * MINUTE, slower=65.0),
)

BAD_DAY = Workload(
    "a bad day",
    (
        Vendor(
            "first",
            0.30,
            brownouts=tuple((i.start, i.end, i.slower) for i in INCIDENTS if i.slower > 1.0),
            hangs=tuple((i.start, i.end) for i in INCIDENTS if i.hangs),
            outages=tuple(span for i in INCIDENTS for span in i.down),
        ),
        Vendor(
            "second", 0.40, outages=tuple(s for i in INCIDENTS if i.both for s in i.down), tier=1
        ),
    ),
    rate=1.0,
    seconds=24 * HOUR,
    proxies=1,
)


class Felt(NamedTuple):
    """What clients felt of an incident. `seconds`: those in which somebody came who waited `FELT_S`
    longer than usual, or got an error; `worst_s`: the longest such wait; `errors`: how many got
    one; `back_s`: from its end until the vendor served again.
    """

    seconds: int
    worst_s: float
    errors: int
    back_s: float

    def __str__(self) -> str:
        errors = f", {self.errors} errors" if self.errors else ""
        if not self.seconds:
            return f"nothing; {self.back_s:.0f} s"
        return f"{self.seconds} s, {self.worst_s:.0f} s{errors}; {self.back_s:.0f} s"


class Day(NamedTuple):
    """`felt`: by incident, in their order. `extra`: attempts beyond the requests; `in_vain`: those
    sent to a vendor that was not well.
    """

    felt: list[Felt]
    requests: int
    extra: int
    in_vain: int


def day_of(result: Result) -> Day:
    ends = [i.start for i in INCIDENTS[1:]] + [BAD_DAY.seconds]
    served = sorted(result.served["first"])
    found = []
    for incident, until in zip(INCIDENTS, ends, strict=True):
        here = [
            (at, wait)
            for at, wait in result.waits
            if incident.start - MINUTE <= at < until - MINUTE
        ]
        late = [(at, wait) for at, wait in here if wait is None or wait > FELT_S]
        back = next((at for at in served if at >= incident.end), until)
        found.append(
            Felt(
                len({int(at) for at, _ in late}),
                max((wait for _, wait in late if wait is not None), default=0.0),
                sum(wait is None for _, wait in late),
                min(back, until) - incident.end,
            )
        )
    extra = sum(result.attempts.values()) - result.requests
    return Day(found, result.requests, extra, result.in_vain)


# The same day as it was simulated with the health of before, whose code is gone: a minute out, then
# five times as long each time; every attempt was evidence; nobody was asked beside a silent service.
BEFORE = Day(
    [
        Felt(366, 12.1, 0, 0.5),
        Felt(19, 30.2, 0, 96.1),
        Felt(5, 0.0, 8, 2.1),
        Felt(6, 1.8, 0, 34.5),
        Felt(22, 0.0, 40, 3570.0),
        Felt(0, 0.0, 0, 2.3),
        Felt(1925, 2.9, 0, 0.0),
        Felt(1, 1.5, 0, 665.7),
        Felt(335, 30.2, 0, 1.5),
    ],
    86046,
    195,
    4831,
)


def untuned(world: World) -> Any:
    tactic = get(DEFAULT)
    return tactic(tactic.Params())


@cache
def days(seed: int = 1) -> dict[str, Day]:
    """By name: the oracle, who may choose between both at any time, and the proxy as it is."""
    one_tier = tuple(replace(v, tier=0) for v in BAD_DAY.vendors)
    oracle: Callable[[World], Any] = partial(Oracle)
    return {
        "(oracle)": day_of(simulate(replace(BAD_DAY, vendors=one_tier), oracle, seed)),
        "before": BEFORE,
        "now": day_of(simulate(BAD_DAY, untuned, seed)),
    }


def table(seed: int = 1) -> str:
    found = days(seed)
    names = list(found)
    lines = [
        "### A bad day",
        "",
        "| the first vendor | " + " | ".join(names) + " |",
        "| --- |" + " --- |" * len(names),
    ]
    for n, incident in enumerate(INCIDENTS):
        cells = [str(found[name].felt[n]) for name in names]
        lines.append(f"| {incident.title} | " + " | ".join(cells) + " |")
    for title, of in (
        ("requests beside the clients' own", lambda d: d.extra),
        ("sent to a vendor that was not well", lambda d: d.in_vain),
    ):
        cells = [f"{100 * of(found[name]) / found[name].requests:.2f} %" for name in names]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
