"""What a tactic is: a preference among services that may be used, and nothing else. One class per file in `tactics/`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pilotfish.core.ledger import ServiceState
    from pilotfish.core.snapshot import Service


class Params(BaseModel):
    """Base of every tactic's parameters: unknown ones, and a text where a number is expected, are problems at load."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Random(Protocol):
    """The part of `random.Random` that decisions may use; handed in, so that a test's seed decides."""

    def random(self) -> float: ...
    def uniform(self, a: float, b: float) -> float: ...


class Candidate:
    """A service of a rule, bound to what the ledger knows of it. Made once per snapshot, never per request.

    `kept` is for what the shell works out once per candidate and wants at hand for each request; decisions never look at it.
    """

    __slots__ = ("capacity", "kept", "service", "state", "weight")

    def __init__(self, service: Service, state: ServiceState) -> None:
        self.service, self.state = service, state
        self.kept: dict[str, Any] = {}
        self.weight = service.weight
        capacity = service.model_capacity or service.provider.default_model_capacity or service.weight or 100
        self.capacity = float(capacity)

    def __repr__(self) -> str:
        return f"<{self.service.id}>"


class Memory(dict[str, Any]):
    """What a tactic remembers for one group of candidates (whose turn it is): owned by the ledger, written by `taken` only."""


class Tactic(Protocol):
    """`order` and `figure` are questions: they change nothing, so `explain` may ask them. `taken` tells which one the engine took."""

    name: ClassVar[str]
    Params: ClassVar[type[Params]]

    def __init__(self, params: Any) -> None: ...

    def order(self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random) -> Sequence[Candidate]:
        """All of `usable` (never empty), the best first."""
        ...

    def taken(self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float) -> None:
        """The engine sends a request to `candidate`, which it found first in `order(usable, ...)`."""
        ...

    def figure(self, candidate: Candidate, memory: Memory, now: float) -> str:
        """The numbers that ordered this candidate, in words for `explain`."""
        ...
