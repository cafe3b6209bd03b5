"""Random choice among candidates: by weight, power of two choices, and the small share of requests
that measures services without recent samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, log

from pilotfish.core.model.tactic import Random
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.statistics import Samples

# A service without a sample for this long is stale. One request per service in this time keeps its
# measurements current, and costs little where a service has become slow.
STALE_S = 10.0
# A service that was n times slower than the best becomes stale after n x STALE_S, n being at most
# this.
MAX_STALE_FACTOR = 6.0
# An unknown service takes `explore` of the requests. If it is this many times slower than the
# others, it still does: it then holds so many times its share of the requests in flight.
HOLDS = 3.0
# Measurements that differ by less than this share are treated as equal.
NEAR = 0.1


def first(order: Sequence[Candidate], best: Candidate) -> Sequence[Candidate]:
    """`order` with `best` moved to the front."""
    if order[0] is best:
        return order
    return [best, *(c for c in order if c is not best)]


def by_weight(usable: Sequence[Candidate], rng: Random) -> Candidate:
    """One of the candidates, drawn by weight. Weight 0 is never drawn, unless all weights are 0:
    then each is equally likely.
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
    return last  # reached by rounding only


def power_of_two(
    weight: Callable[[Candidate], float], usable: Sequence[Candidate], rng: Random
) -> tuple[Candidate, Candidate | None]:
    """Two different candidates drawn by weight, in the order drawn; the second is None if only one
    has a weight.

    They are different so that of two services the worse one is never the only one drawn. On a tie
    the caller should take the first: so equal services are used in proportion to their weights.
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
    """The index at which the running sum of the weights exceeds `at`."""
    last = 0
    for i, w in enumerate(weights):
        if w > 0.0:
            last = i
            at -= w
            if at < 0.0:
                return i
    return last


def shuffled(usable: Sequence[Candidate], rng: Random) -> list[Candidate]:
    """All candidates in a random order: each place is drawn by weight among those left. Weight 0
    comes last.
    """
    # Of independent exponential times, the smallest belongs to each with a probability in
    # proportion to its rate; so sorting by them draws without replacement.
    keyed = [
        (-log(1.0 - rng.random()) / c.weight if c.weight > 0.0 else 1e300 * (1.0 + rng.random()), i)
        for i, c in enumerate(usable)
    ]
    keyed.sort()
    return [usable[i] for _, i in keyed]


def lowest_first(
    usable: Sequence[Candidate], scores: Sequence[float], rng: Random
) -> list[Candidate]:
    """The candidates by score, the lowest first. The first place among equally low ones is drawn by
    weight, so that many proxies do not all choose the same.
    """
    order = sorted(range(len(scores)), key=scores.__getitem__)
    best = scores[order[0]]
    if len(order) > 1 and scores[order[1]] == best:
        chosen = by_weight([usable[i] for i in order if scores[i] == best], rng)
        return [chosen, *(usable[i] for i in order if usable[i] is not chosen)]
    return [usable[i] for i in order]


def near_ties(scores: Sequence[float | None], best: float) -> list[float]:
    """The scores with those near `best`, the lowest, made equal to it; None becomes infinity."""
    bound = best * (1.0 + NEAR)
    return [inf if s is None else best if s <= bound else s for s in scores]


def is_near(one: float, other: float) -> bool:
    """Whether two measurements differ by less than `NEAR`."""
    return one <= other * (1.0 + NEAR) and other <= one * (1.0 + NEAR)


def due_for_measurement(
    usable: Sequence[Candidate],
    samples_of: Callable[[Candidate], Samples],
    share: float,
    now: float,
    rng: Random,
    *,
    needed: int = 1,
) -> Candidate | None:
    """In `share` (0..1) of the calls one of the services that are not known well enough, drawn
    evenly, so that a tactic measures it; else None.

    Unknown is a service with fewer than `needed` samples: it gets requests until it has them,
    whatever the traffic, and holds at most `HOLDS` times its share of the requests in flight, so
    that one that hangs costs no more than that. A stale one, whose last sample is old, is measured
    by one request at a time; a slow one becomes stale later.
    """
    if share <= 0.0 or rng.random() >= share:
        return None
    best = min((s.recent for s in map(samples_of, usable) if s.recent is not None), default=0.0)
    in_flight = sum([c.state.in_flight for c in usable])
    due = [
        c
        for c in usable
        if c.weight > 0.0
        and (
            c.state.in_flight < 1.0 + HOLDS * share * (in_flight - c.state.in_flight)
            if samples_of(c).count(now) < needed
            else c.state.in_flight == 0 and _is_stale(samples_of(c), best, now)
        )
    ]
    return due[int(rng.random() * len(due))] if due else None


def _is_stale(samples: Samples, best: float, now: float) -> bool:
    """`best`: the lowest of all services' figures."""
    stale_s = STALE_S
    if samples.recent is not None and samples.recent > best:
        slower = samples.recent / best if best > 0.0 else MAX_STALE_FACTOR
        stale_s *= min(MAX_STALE_FACTOR, slower)
    return samples.last_at < now - stale_s
