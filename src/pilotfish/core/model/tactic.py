"""The protocol of a tactic (load-balancing policy): a preference among services that may be used.
Each file of `tactics/` holds one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

# `core.state.candidate.Candidate`, which lies in a layer above this one.
C = TypeVar("C")


class Params(BaseModel):
    """Base of every tactic's parameters. Unknown parameters, and text where a number is expected,
    are problems when rules are loaded.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class NoParams(Params):
    """This tactic has no parameters."""


class Random(Protocol):
    """The part of `random.Random` that decisions use. It is passed in, so that a test can seed
    it.
    """

    def random(self) -> float: ...
    def uniform(self, a: float, b: float) -> float: ...


class Memory(dict[str, Any]):
    """What a tactic remembers for one set of candidates, such as whose turn it is. The ledger owns
    it; only `on_picked` writes it.
    """


class Tactic(Protocol[C]):
    """`order` and `explain_score` change nothing, so `explain` may call them. `on_picked` records
    which candidate a request was sent to.
    """

    name: ClassVar[str]
    Params: ClassVar[type[Params]]

    def __init__(self, params: Any) -> None: ...

    def order(self, usable: Sequence[C], memory: Memory, now: float, rng: Random) -> Sequence[C]:
        """All of `usable` (never empty), the best first."""
        ...

    def on_picked(self, candidate: C, usable: Sequence[C], memory: Memory, now: float) -> None:
        """A request is sent to `candidate`, one of `usable`: as a rule the first of `order(...)`,
        unless affinity preferred another.
        """
        ...

    def explain_score(self, candidate: C, memory: Memory, now: float) -> str:
        """The numbers that `order` looks at for this candidate, in words for `explain`."""
        ...
