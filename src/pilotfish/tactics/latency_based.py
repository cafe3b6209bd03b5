"""One service as long as its latency is below a threshold, then the one with the lowest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from pilotfish.core.model import tactic
from pilotfish.core.model.tactic import Memory, Random
from pilotfish.core.routing.sampling import (
    by_weight,
    due_for_measurement,
    first,
    is_near,
    lowest_first,
    near_ties,
)
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.statistics import SAMPLES, Samples

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


class LatencyBasedParams(tactic.Params):
    latency_threshold_ms: float = Field(
        2000.0, gt=0, description="a service stays chosen while its figure is below this"
    )
    sample_window_size: int = Field(
        SAMPLES, ge=1, le=SAMPLES, description="how many of the last samples the figure is of"
    )
    comparison_mode: Literal["avg", "p50", "p95", "p99"] = Field(
        "avg", description="which figure of the samples is compared"
    )
    percentile: float = Field(
        0.95,
        gt=0,
        le=1,
        description="the percentile to compare (0.95 = p95) where no comparison_mode is given",
    )
    measure: Literal["latency", "ttft"] = Field(
        "latency", description="the whole answer's time, or the time to its first token"
    )
    explore: float = Field(
        0.05, ge=0, le=1, description="share of requests for untried or stale services"
    )


class LatencyBased:
    """Untried services get the share `explore` of the requests; if all are untried, they are drawn
    by weight. Services nearly as fast as the one in use share its requests, so that many proxies
    with the same measurements do not all use the same one.

    Memory: `turn`, the id of the service in use.
    """

    name: ClassVar[str] = "latency_based"
    Params: ClassVar[type[tactic.Params]] = LatencyBasedParams

    def __init__(self, params: LatencyBasedParams) -> None:
        self._threshold_s = params.latency_threshold_ms / 1000
        self._last = params.sample_window_size
        self._quantile = QUANTILES.get(params.comparison_mode)
        if (
            "percentile" in params.model_fields_set
            and "comparison_mode" not in params.model_fields_set
        ):
            self._quantile = params.percentile
        self._measure = params.measure
        self._explore = params.explore

    def _samples(self, c: Candidate) -> Samples:
        return c.state.ttft if self._measure == "ttft" else c.state.latency

    def _figure(self, c: Candidate, now: float) -> float | None:
        """The statistic that is compared, in seconds; None without samples."""
        samples = self._samples(c)
        if self._quantile is None:
            return samples.average(now, self._last)
        return samples.percentile(self._quantile, now, self._last)

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        measure = due_for_measurement(usable, self._samples, self._explore, now, rng)
        if measure is not None:
            return first(usable, measure)
        figures = [self._figure(c, now) for c in usable]
        turn = memory.get("turn")
        for c, stays in zip(usable, figures, strict=True):
            if c.service.id == turn and stays is not None and stays < self._threshold_s:
                return first(
                    usable,
                    by_weight(
                        [
                            o
                            for o, f in zip(usable, figures, strict=True)
                            if f is not None and is_near(f, stays)
                        ],
                        rng,
                    ),
                )
        known = [f for f in figures if f is not None]
        if not known:
            return first(usable, by_weight(usable, rng))
        return lowest_first(usable, near_ties(figures, min(known)), rng)

    def _stays(self, c: Candidate, now: float) -> bool:
        figure = self._figure(c, now)
        return figure is not None and figure < self._threshold_s

    def on_picked(
        self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float
    ) -> None:
        turn = memory.get("turn")
        if candidate.service.id == turn or self._figure(candidate, now) is None:
            return
        if any(c.service.id == turn and self._stays(c, now) for c in usable):
            return  # a measurement, or affinity's choice; the turn stays
        memory["turn"] = candidate.service.id

    def explain_score(self, candidate: Candidate, memory: Memory, now: float) -> str:
        of = "average" if self._quantile is None else f"p{self._quantile * 100:g}"
        found = self._figure(candidate, now)
        if found is None:
            return f"no {self._measure} measured yet"
        turn = "has its turn, " if memory.get("turn") == candidate.service.id else ""
        limit = f"stays below {self._threshold_s * 1000:g}"
        return f"{turn}{self._measure} {of} {found * 1000:.0f} ms ({limit})"


TACTIC = LatencyBased
