"""Of two services drawn by capacity, the one whose capacity is used less. Capacity:
`model_capacity`, else the provider's `default_model_capacity`, else the weight, else 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, ClassVar

from pilotfish.core.model import tactic
from pilotfish.core.model.tactic import Memory, NoParams, Random
from pilotfish.core.routing.sampling import first, power_of_two
from pilotfish.core.state.candidate import Candidate


class CapacityBased:
    """Of two equally used services (mostly both idle) the first drawn is taken, so that requests
    are also distributed by capacity in the long run.
    """

    name: ClassVar[str] = "capacity_based"
    Params: ClassVar[type[tactic.Params]] = NoParams

    def __init__(self, params: Any) -> None: ...

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        if len(usable) == 1:
            return usable
        one, two = power_of_two(attrgetter("capacity"), usable, rng)
        if (
            two is not None
            and two.state.in_flight * one.capacity < one.state.in_flight * two.capacity
        ):
            one = two
        return first(usable, one)

    def on_picked(
        self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float
    ) -> None:
        return

    def explain_score(self, candidate: Candidate, memory: Memory, now: float) -> str:
        in_use = candidate.state.in_flight / candidate.capacity
        return f"{candidate.state.in_flight} of {candidate.capacity:g} in flight ({in_use:.0%})"


TACTIC = CapacityBased
