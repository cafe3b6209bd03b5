"""The service with the fewest requests in flight per weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pilotfish.core.model import tactic
from pilotfish.core.model.tactic import Memory, NoParams, Random
from pilotfish.core.routing.sampling import lowest_first
from pilotfish.core.state.candidate import Candidate


class LeastBusy:
    """Equally busy services are drawn by weight. A service of weight 0 comes after all others."""

    name: ClassVar[str] = "least_busy"
    Params: ClassVar[type[tactic.Params]] = NoParams

    def __init__(self, params: Any) -> None: ...

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        return lowest_first(usable, [busy(c) for c in usable], rng)

    def on_picked(
        self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float
    ) -> None:
        return

    def explain_score(self, candidate: Candidate, memory: Memory, now: float) -> str:
        return f"{candidate.state.in_flight} in flight, weight {candidate.weight:g}"


def busy(c: Candidate) -> float:
    """Requests in flight per weight. Services of weight 0 come after all others, by their requests
    in flight.
    """
    return c.state.in_flight / c.weight if c.weight > 0.0 else 1e12 + c.state.in_flight


TACTIC = LeastBusy
