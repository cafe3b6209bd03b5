"""What a tactic is: a preference among services that may be used, and nothing else. One class per
file in `tactics/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

# What a tactic chooses among: `core.state.candidate.Candidate`.
C = TypeVar("C")


class Params(BaseModel):
    """Base of every tactic's parameters: unknown ones, and a text where a number is expected, are
    problems at load.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Random(Protocol):
    """The part of `random.Random` that decisions may use; handed in, so that a test's seed
    decides.
    """

    def random(self) -> float: ...
    def uniform(self, a: float, b: float) -> float: ...


class Memory(dict[str, Any]):
    """What a tactic remembers for one group of candidates (whose turn it is): owned by the ledger,
    written by `on_picked` only.
    """


class Tactic(Protocol[C]):
    """`order` and `explain_score` are questions: they change nothing, so `explain` may ask them.
    `on_picked` tells which one the engine took.
    """

    name: ClassVar[str]
    Params: ClassVar[type[Params]]

    def __init__(self, params: Any) -> None: ...

    def order(self, usable: Sequence[C], memory: Memory, now: float, rng: Random) -> Sequence[C]:
        """All of `usable` (never empty), the best first."""
        ...

    def on_picked(self, candidate: C, usable: Sequence[C], memory: Memory, now: float) -> None:
        """The engine sends a request to `candidate`, which it found first in `order(usable,
        ...)`.
        """
        ...

    def explain_score(self, candidate: C, memory: Memory, now: float) -> str:
        """The numbers that ordered this candidate, in words for `explain`."""
        ...
