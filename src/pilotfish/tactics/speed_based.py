"""The service with the highest output speed, in tokens per second; untried ones are tried more
often while none is above the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import ClassVar

from pydantic import Field

from pilotfish.core.model import tactic
from pilotfish.core.model.tactic import Memory, Random
from pilotfish.core.routing.sampling import (
    by_weight,
    due_for_measurement,
    first,
    lowest_first,
    near_ties,
)
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.statistics import SAMPLES

WHILE_SLOW = 4.0  # factor on `explore` while no service is above the threshold


class SpeedBasedParams(tactic.Params):
    min_samples_required: int = Field(
        5, ge=1, le=SAMPLES, description="with fewer samples a service's speed is not known"
    )
    speed_threshold_tps: float = Field(
        50.0, ge=0, description="while no service is above this, untried ones are tried more often"
    )
    sample_window_size: int = Field(
        SAMPLES, ge=1, le=SAMPLES, description="how many of the last samples the speed is of"
    )
    explore: float = Field(
        0.05, ge=0, le=1, description="share of requests for untried or stale services"
    )


class SpeedBased:
    """Services whose speed is not known get the share `explore` of the requests, and more while no
    service is above the threshold.
    """

    name: ClassVar[str] = "speed_based"
    Params: ClassVar[type[tactic.Params]] = SpeedBasedParams

    def __init__(self, params: SpeedBasedParams) -> None:
        self._required = min(params.min_samples_required, params.sample_window_size)
        self._threshold = params.speed_threshold_tps
        self._last = params.sample_window_size
        self._explore = params.explore

    def _speed(self, c: Candidate, now: float) -> float | None:
        """Tokens per second; None with too few samples."""
        samples = c.state.speed
        return samples.average(now, self._last) if samples.count(now) >= self._required else None

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        speeds = [self._speed(c, now) for c in usable]
        best = max((s for s in speeds if s is not None), default=None)
        if best is None:
            return first(usable, by_weight(usable, rng))
        share = self._explore if best >= self._threshold else min(1.0, self._explore * WHILE_SLOW)
        measure = due_for_measurement(
            usable, attrgetter("state.speed"), share, now, rng, needed=self._required
        )
        if measure is not None:
            return first(usable, measure)
        # Seconds per token, of which the lowest is the best.
        return lowest_first(
            usable,
            near_ties(
                [None if s is None else 1.0 / max(s, 1e-9) for s in speeds], 1.0 / max(best, 1e-9)
            ),
            rng,
        )

    def on_picked(
        self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float
    ) -> None:
        return

    def explain_score(self, candidate: Candidate, memory: Memory, now: float) -> str:
        speed = self._speed(candidate, now)
        if speed is None:
            return (
                f"speed not known: {candidate.state.speed.count(now)} of {self._required} samples"
            )
        side = "above" if speed >= self._threshold else "below"
        return f"{speed:.1f} tokens/s ({side} {self._threshold:g})"


TACTIC = SpeedBased
