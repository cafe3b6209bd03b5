"""The service with the fewest requests in flight for its weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pilotfish.core.model import tactic
from pilotfish.core.model.tactic import Memory, Random
from pilotfish.core.routing.sampling import lowest_first
from pilotfish.core.state.candidate import Candidate


class NoParams(tactic.Params):
    """This tactic has no parameters."""


class LeastBusy:
    """Equally busy ones are drawn by weight. A weight of 0 beside others: only where the others
    have failed.
    """

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
    # Weight 0 comes after every other, and among its like by what is in flight.
    return c.state.in_flight / c.weight if c.weight > 0.0 else 1e12 + c.state.in_flight


TACTIC = LeastBusy
