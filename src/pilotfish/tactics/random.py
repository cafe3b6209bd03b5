"""A random service, in proportion to the weights; if all are 0, evenly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pilotfish.core.model import tactic
from pilotfish.core.model.tactic import Memory, NoParams, Random
from pilotfish.core.routing.sampling import shuffled
from pilotfish.core.state.candidate import Candidate


class RandomTactic:
    """Services of weight 0 come after all others; if all weights are 0, all are equally likely."""

    name: ClassVar[str] = "random"
    Params: ClassVar[type[tactic.Params]] = NoParams

    def __init__(self, params: Any) -> None: ...

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        return shuffled(usable, rng)

    def on_picked(
        self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float
    ) -> None:
        return

    def explain_score(self, candidate: Candidate, memory: Memory, now: float) -> str:
        return f"weight {candidate.weight:g}"


TACTIC = RandomTactic
