"""By chance, in proportion to the weights; all weights 0: evenly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pilotfish.core.model import tactic
from pilotfish.core.model.tactic import Memory, Random
from pilotfish.core.routing.sampling import shuffled
from pilotfish.core.state.candidate import Candidate


class NoParams(tactic.Params):
    """This tactic has no parameters."""


class RandomTactic:
    """All weights 0: evenly. A weight of 0 beside others: only where the others have failed."""

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
