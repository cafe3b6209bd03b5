"""`python -m bench.simulate [workload ...] [--seeds N]` prints a table for each workload, and one of
a bad day (`incidents.py`).
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.simulate.baselines import (
    LowestLatency,
    Oracle,
    PlainLeastBusy,
    PlainRoundRobin,
    PowerOfTwo,
)
from bench.simulate.incidents import BAD_DAY
from bench.simulate.incidents import table as bad_day
from bench.simulate.proxies import Result, simulate
from bench.simulate.vendors import World
from bench.simulate.workloads import WORKLOADS, Workload

from pilotfish.tactics import all_tactics

HEAD = (
    "tactic",
    "errors %",
    "TTFT p50 ms",
    "p95",
    "p99",
    "p99 / oracle",
    "429s in vain %",
    "fairness",
    "$ / 1000",
)


def choices() -> dict[str, Callable[[World], Any]]:
    """By name: the oracle, every tactic with its defaults, the policies of other proxies."""
    found: dict[str, Callable[[World], Any]] = {Oracle.name: Oracle}
    for name, tactic in all_tactics().items():
        found[name] = partial(made, tactic)
    for baseline in (PlainRoundRobin, PlainLeastBusy, LowestLatency, PowerOfTwo):
        found[baseline.name] = partial(made_baseline, baseline)
    return found


def made(tactic: Any, world: World) -> Any:
    return tactic(tactic.Params())


def made_baseline(baseline: Any, world: World) -> Any:
    return baseline()


def percentile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else float("nan")


def fairness(result: Result, workload: Workload) -> float:
    """Jain's index of the services' shares: 1 when all got as much, 1/n when one got everything."""
    shares = [result.attempts[v.name] for v in workload.vendors]
    squares = sum(x * x for x in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


def row(name: str, workload: Workload, runs: list[Result], oracle_p99: float) -> tuple[str, ...]:
    requests = sum(r.requests for r in runs)
    ttfts = [t for r in runs for t in r.ttfts]
    p99 = percentile(ttfts, 0.99)
    return (
        name,
        f"{100 * sum(r.errors for r in runs) / requests:.2f}",
        *(f"{1000 * percentile(ttfts, q):.0f}" for q in (0.50, 0.95, 0.99)),
        f"{p99 / oracle_p99:.2f}",
        f"{100 * sum(r.limited_in_vain for r in runs) / requests:.2f}",
        f"{statistics.fmean(fairness(r, workload) for r in runs):.2f}",
        f"{1000 * sum(r.cost_usd for r in runs) / requests:.2f}",
    )


def table(workload: Workload, seeds: int) -> str:
    lines = [
        f"### {workload.name}",
        "",
        "| " + " | ".join(HEAD) + " |",
        "| --- |" + " ---: |" * (len(HEAD) - 1),
    ]
    oracle_p99 = float("nan")
    for name, tactic_of in choices().items():
        runs = [simulate(workload, tactic_of, seed) for seed in range(1, seeds + 1)]
        if name == Oracle.name:
            oracle_p99 = percentile([t for r in runs for t in r.ttfts], 0.99)
        lines.append("| " + " | ".join(row(name, workload, runs, oracle_p99)) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    named = ", ".join([*(w.name for w in WORKLOADS), BAD_DAY.name])
    parser.add_argument("workloads", nargs="*", help=f"of {named}; default all")
    parser.add_argument(
        "--seeds", type=int, default=1, help="runs of each, over which the figures are taken"
    )
    args = parser.parse_args()
    for workload in WORKLOADS:
        if not args.workloads or workload.name in args.workloads:
            print(table(workload, args.seeds), flush=True)
    if not args.workloads or BAD_DAY.name in args.workloads:
        print(bad_day(), flush=True)


if __name__ == "__main__":
    main()
