"""The default tactic: combines all measurements of a service into one score and compares the scores
of two services drawn by weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from pilotfish.core.model import tactic
from pilotfish.core.model.tactic import Memory, Random
from pilotfish.core.routing.sampling import due_for_measurement, first, power_of_two
from pilotfish.core.state.candidate import Candidate

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Bound = Annotated[float, Field(gt=0, allow_inf_nan=False)]
TERMS = ("latency", "ttft", "cache", "speed", "token", "health")
UNKNOWN = 0.5  # the value of a term without samples: neither good nor bad
NEAR = 0.05  # scores that differ by less than this share are a tie
# A service that is this many times slower than the fastest, and slower than the configured bound,
# gets only the requests that measure it.
OUTLIER_FACTOR = 3.0
# Slow start: a service that tripped gets its full weight back over this time.
WARM_UP_S = 30.0
MIN_WARM_UP_SHARE = 0.02
Terms = tuple[float, float, float, float, float, float]


class AdaptiveParams(tactic.Params):
    latency_weight: Weight = 0.25
    ttft_weight: Weight = 0.20
    cache_weight: Weight = 0.15
    speed_weight: Weight = 0.15
    token_weight: Weight = 0.15
    health_weight: Weight = 0.10
    max_latency_ms: Bound = 2000.0
    max_ttft_ms: Bound = 500.0
    min_speed_tps: Bound = 50.0
    max_token_usage: Bound = 10000.0
    min_cache_hit_rate: Annotated[float, Field(gt=0, le=1)] = 0.3
    scoring_mode: Literal["weighted_sum", "multiplicative", "rank_based"] = "weighted_sum"
    explore: Annotated[float, Field(ge=0, le=1)] = 0.05

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if not any(getattr(self, f"{term}_weight") for term in TERMS):
            raise ValueError("all six weights are 0; at least one must be above 0")
        return self


class Adaptive:
    """Of two candidates drawn by weight, the one with the higher score x free capacity. No service
    gets all requests, since its free capacity falls as it is used.

    The score combines six terms, each in 0..1. A term is 0.5 at its configured bound
    (`max_latency_ms`, ...) and changes smoothly on both sides, so that services beyond a bound
    still differ.
    """

    name: ClassVar[str] = "adaptive"
    Params: ClassVar[type[tactic.Params]] = AdaptiveParams

    def __init__(self, params: AdaptiveParams) -> None:
        self._max_latency_s = params.max_latency_ms / 1000
        self._max_ttft_s = params.max_ttft_ms / 1000
        self._min_speed = params.min_speed_tps
        self._max_tokens = params.max_token_usage
        self._min_hit_rate = params.min_cache_hit_rate
        self._explore = params.explore
        p = params
        given = (
            p.latency_weight,
            p.ttft_weight,
            p.cache_weight,
            p.speed_weight,
            p.token_weight,
            p.health_weight,
        )
        total = sum(given)
        # `given` has six values.
        self._weights: Terms = tuple(w / total for w in given)  # type: ignore[assignment]
        self._mode = params.scoring_mode

    # ---- the score

    def _terms(self, c: Candidate, now: float) -> Terms:
        state = c.state
        latency, speed = state.latency.recent, state.speed.recent
        ttft = ttft_now(c, now)
        window = state.window(c.service.time_window_s, now)
        hit_rate = window.cache_hit_rate()
        return (
            UNKNOWN if latency is None else self._max_latency_s / (self._max_latency_s + latency),
            UNKNOWN if ttft is None else self._max_ttft_s / (self._max_ttft_s + ttft),
            UNKNOWN if hit_rate is None else hit_rate / (hit_rate + self._min_hit_rate),
            UNKNOWN if speed is None else speed / (speed + self._min_speed),
            self._max_tokens / (self._max_tokens + window.tokens() + state.tokens_in_flight),
            1.0 / (1.0 + state.health.consecutive),
        )

    def _scores(self, one: Candidate, two: Candidate, now: float) -> tuple[float, float]:
        a, b = self._terms(one, now), self._terms(two, now)
        if self._mode == "rank_based":
            return self._ranked(a, b), self._ranked(b, a)
        combine: Callable[[Terms], float] = (
            self._sum if self._mode == "weighted_sum" else self._product
        )
        return combine(a), combine(b)

    def _sum(self, t: Terms) -> float:
        w = self._weights
        return w[0] * t[0] + w[1] * t[1] + w[2] * t[2] + w[3] * t[3] + w[4] * t[4] + w[5] * t[5]

    def _product(self, t: Terms) -> float:
        """The weighted geometric mean, where good terms cannot make up for a very bad one."""
        w = self._weights
        product: float = (
            t[0] ** w[0] * t[1] ** w[1] * t[2] ** w[2] * t[3] ** w[3] * t[4] ** w[4] * t[5] ** w[5]
        )
        return product

    def _ranked(self, mine: Terms, other: Terms) -> float:
        """The score by ranks: a term counts with its whole weight for the better of the two
        services and with half of it for the worse, however large the difference.
        """
        return sum(
            w if m >= o * (1 - NEAR) else w / 2
            for w, m, o in zip(self._weights, mine, other, strict=True)
        )

    def _free(self, c: Candidate, now: float) -> float:
        """The free capacity of a service: 1 when idle, about 0.5 with as many requests in flight as
        its capacity, and never 0.

        Requests in flight are throughput x time (Little's law). So a service whose time to first
        token is n times `max_ttft_ms` counts as full with 1/n of the requests.
        """
        capacity, ttft = c.capacity, ttft_now(c, now)
        idle = (capacity + 1) / capacity  # scales the result to 1 for every idle service
        if ttft is not None and ttft > self._max_ttft_s:
            capacity *= self._max_ttft_s / ttft
        return idle * capacity / (capacity + c.state.in_flight + 1)

    # ---- the choice

    def _without_outliers(self, usable: Sequence[Candidate], now: float) -> Sequence[Candidate]:
        """The candidates without those that are much slower than the fastest. Otherwise one of them
        would win whenever two of them are drawn together.
        """
        paces = [ttft_now(c, now) for c in usable]
        bound = self._max_ttft_s
        known = [p for p in paces if p is not None]
        if not known:  # no streams so far: compare whole answers
            paces, bound = [c.state.latency.recent for c in usable], self._max_latency_s
            known = [p for p in paces if p is not None]
            if not known:
                return usable
        bound = max(bound, OUTLIER_FACTOR * min(known))
        if max(known) <= bound:
            return usable
        return [c for c, pace in zip(usable, paces, strict=True) if pace is None or pace <= bound]

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        if len(usable) == 1:
            return usable
        measure = due_for_measurement(usable, attrgetter("state.latency"), self._explore, now, rng)
        if measure is not None:
            return first(usable, measure)
        in_step = self._without_outliers(usable, now)
        one, two = power_of_two(lambda c: warm_up_weight(c, now), in_step, rng)
        if two is None:
            return first(usable, one)
        score_one, score_two = self._scores(one, two, now)
        if score_two * self._free(two, now) > score_one * self._free(one, now) * (1 + NEAR):
            one = two
        return first(usable, one)

    def on_picked(
        self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float
    ) -> None:
        return

    def explain_score(self, candidate: Candidate, memory: Memory, now: float) -> str:
        terms = self._terms(candidate, now)
        score = self._product(terms) if self._mode == "multiplicative" else self._sum(terms)
        parts = ", ".join(f"{name} {term:.2f}" for name, term in zip(TERMS, terms, strict=True))
        free = f"free capacity {self._free(candidate, now):.2f}"
        return f"score {score:.2f} ({parts}) x {free}, weight {candidate.weight:g}"


def warm_up_weight(c: Candidate, now: float) -> float:
    """The weight, reduced for a service that is on trial, or has come back lately: many proxies
    come back to it at the same time.
    """
    health = c.state.health
    since = now - (health.since if health.out else health.back_at)
    return c.weight if since >= WARM_UP_S else c.weight * max(MIN_WARM_UP_SHARE, since / WARM_UP_S)


def ttft_now(c: Candidate, now: float) -> float | None:
    """The time to first token in seconds as of now, with requests that still wait for theirs taken
    into account; None if nothing is known.
    """
    expected = c.state.waiting.expected(now)
    return c.state.ttft.recent if expected is None else expected


TACTIC = Adaptive
