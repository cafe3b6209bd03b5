"""Chance among candidates: drawn by weight, two drawn to be compared, and the small share that
measures what nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, log

from pilotfish.core.model.tactic import Random
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.statistics import Samples

# A service not measured for this long is stale. One request per service and this many seconds keeps
# figures true, and costs next to nothing where a service has become slow.
STALE_S = 10.0
# one that was n times slower than the best is left alone n times as long, but no more than this
STALE_MOST = 6.0
NEAR = 0.1  # measurements closer than this part of each other are the same


def first(order: Sequence[Candidate], best: Candidate) -> Sequence[Candidate]:
    """`order` with `best` moved to the front."""
    if order[0] is best:
        return order
    return [best, *(c for c in order if c is not best)]


def by_weight(usable: Sequence[Candidate], rng: Random) -> Candidate:
    """One of them, drawn by weight. Those of weight 0 are drawn only where all are, and then
    evenly.
    """
    total = 0.0
    for c in usable:
        total += c.weight
    if total <= 0.0:
        return usable[int(rng.random() * len(usable))]
    at = rng.random() * total
    last = usable[0]
    for c in usable:
        if c.weight > 0.0:
            last = c
            at -= c.weight
            if at < 0.0:
                return c
    return last  # rounding


def power_of_two(
    weight: Callable[[Candidate], float], usable: Sequence[Candidate], rng: Random
) -> tuple[Candidate, Candidate | None]:
    """Two different ones drawn by weight, in the order drawn; the second is None where only one has
    a weight.

    Different ones, so that of two services the worse is not drawn twice. The first drawn is the one
    to take on a tie: among equals weights are kept.
    """
    weights = [weight(c) for c in usable]
    total = sum(weights)
    if total <= 0.0:
        weights = [1.0] * len(weights)
        total = float(len(weights))
    one = _at(weights, rng.random() * total)
    left = total - weights[one]
    weights[one] = 0.0
    if left <= total * 1e-12:
        return usable[one], None
    return usable[one], usable[_at(weights, rng.random() * left)]


def _at(weights: list[float], at: float) -> int:
    last = 0
    for i, w in enumerate(weights):
        if w > 0.0:
            last = i
            at -= w
            if at < 0.0:
                return i
    return last


def shuffled(usable: Sequence[Candidate], rng: Random) -> list[Candidate]:
    """All of them in an order drawn by weight: each place goes to one of those left, by their
    weights. Weight 0 comes last.
    """
    # The first of independent exponential waiting times comes from each with a probability in
    # proportion to its rate.
    keyed = [
        (-log(1.0 - rng.random()) / c.weight if c.weight > 0.0 else 1e300 * (1.0 + rng.random()), i)
        for i, c in enumerate(usable)
    ]
    keyed.sort()
    return [usable[i] for _, i in keyed]


def lowest_first(
    usable: Sequence[Candidate], figures: Sequence[float], rng: Random
) -> list[Candidate]:
    """The lowest figure first. Of several equally low ones the first place is drawn by weight, so
    that many proxies do not agree.
    """
    order = sorted(range(len(figures)), key=figures.__getitem__)
    best = figures[order[0]]
    if len(order) > 1 and figures[order[1]] == best:
        chosen = by_weight([usable[i] for i in order if figures[i] == best], rng)
        return [chosen, *(usable[i] for i in order if usable[i] is not chosen)]
    return [usable[i] for i in order]


def near_ties(figures: Sequence[float | None], best: float) -> list[float]:
    """Figures that differ from the best by less than a tenth become equal to it; unknown ones come
    last.
    """
    bound = best * (1.0 + NEAR)
    return [inf if f is None else best if f <= bound else f for f in figures]


def is_near(one: float, other: float) -> bool:
    return one <= other * (1.0 + NEAR) and other <= one * (1.0 + NEAR)


def due_for_measurement(
    usable: Sequence[Candidate],
    figures: Callable[[Candidate], Samples],
    share: float,
    now: float,
    rng: Random,
) -> Candidate | None:
    """In `share` of the calls: one of the untried or stale services, drawn evenly; else None.

    Only one that nothing is on its way to, and the slower it was the more rarely: a service that
    hangs costs few requests, however small its share of the traffic.
    """
    if share <= 0.0 or rng.random() >= share:
        return None
    best = min((f.recent for f in map(figures, usable) if f.recent is not None), default=0.0)
    due = []
    for c in usable:
        measured = figures(c)
        stale_s = STALE_S
        if measured.recent is not None and measured.recent > best:
            stale_s *= min(STALE_MOST, measured.recent / best) if best > 0.0 else STALE_MOST
        if c.state.in_flight == 0 and c.weight > 0.0 and measured.last_at < now - stale_s:
            due.append(c)
    return due[int(rng.random() * len(due))] if due else None
