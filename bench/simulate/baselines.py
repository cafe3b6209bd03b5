"""What the tactics are compared with: an oracle, and policies that other proxies have."""

from __future__ import annotations

from collections.abc import Sequence

from bench.simulate.vendors import World

from pilotfish.core.model.tactic import Memory, Random
from pilotfish.core.routing.sampling import first
from pilotfish.core.state.candidate import Candidate


class Baseline:
    """A policy without parameters, memory and explanation."""

    def on_picked(
        self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float
    ) -> None:
        return

    def explain_score(self, candidate: Candidate, memory: Memory, now: float) -> str:
        return ""


class Oracle(Baseline):
    """Knows every brown-out, outage, limit, cold start and queue, with the load of all proxies. It
    does not know the random part of a request's time.
    """

    name = "(oracle)"

    def __init__(self, world: World) -> None:
        self._world = world

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        return sorted(usable, key=lambda c: self._wait(c.service.model, now))

    def _wait(self, name: str, now: float) -> float:
        left = self._world.left(name, now)
        is_away = self._world.is_down(name, now) or self._world.hangs_until(name, now) is not None
        if is_away or (left is not None and left <= 0):
            return 1e9
        return self._world.expected_ttft(name, now)


class PlainRoundRobin(Baseline):
    name = "(round robin)"

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        at = memory.get("n", 0) % len(usable)
        return [*usable[at:], *usable[:at]]

    def on_picked(
        self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float
    ) -> None:
        memory["n"] = memory.get("n", 0) + 1


class PlainLeastBusy(Baseline):
    """The service with the fewest requests in flight; of equals the first in the file."""

    name = "(least busy)"

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        return first(usable, min(usable, key=lambda c: c.state.in_flight))


class LowestLatency(Baseline):
    """The lowest average latency of the last 100 samples, without exploration. All proxies choose
    the same service, and none notices that another one has recovered.
    """

    name = "(lowest latency)"

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        return first(usable, min(usable, key=lambda c: c.state.latency.average(now) or 0.0))


class PowerOfTwo(Baseline):
    """Of two drawn evenly, the one with fewer requests in flight."""

    name = "(power of two)"

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        one, two = (usable[int(rng.random() * len(usable))] for _ in range(2))
        return first(usable, one if one.state.in_flight <= two.state.in_flight else two)
