"""A number of requests to one service, then as many to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from pilotfish.core.model import tactic
from pilotfish.core.model.tactic import Memory, Random
from pilotfish.core.routing.sampling import first
from pilotfish.core.state.candidate import Candidate


class RoundRobinParams(tactic.Params):
    request_threshold: int = Field(
        10, ge=1, description="how many requests in a row go to one service"
    )


class RoundRobin:
    """The next turn goes to the service whose last turn is longest ago. So a service that goes away
    or returns does not change the order of the others.

    Memory: `turn`, the id of the service whose turn it is; `served`, its requests in this turn;
    `turns`, ids in the order of their last turns.
    """

    name: ClassVar[str] = "round_robin"
    Params: ClassVar[type[tactic.Params]] = RoundRobinParams

    def __init__(self, params: RoundRobinParams) -> None:
        self._threshold = params.request_threshold

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        if "turns" not in memory:  # new, or from another tactic that the rule had before
            return usable
        if memory["served"] < self._threshold:
            turn = memory["turn"]
            for c in usable:
                if c.service.id == turn:
                    return first(usable, c)
        return self._by_turn(usable, memory["turns"])

    def _by_turn(self, usable: Sequence[Candidate], turns: dict[str, None]) -> Sequence[Candidate]:
        places = {service: i for i, service in enumerate(turns)}
        return sorted(usable, key=lambda c: places.get(c.service.id, -1))

    def on_picked(
        self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float
    ) -> None:
        picked = candidate.service.id
        if "turns" not in memory:
            memory.update(turn=picked, served=1, turns={picked: None})
            return
        if picked == memory["turn"] and memory["served"] < self._threshold:
            memory["served"] += 1
            return
        if memory["served"] < self._threshold and any(
            c.service.id == memory["turn"] for c in usable
        ):
            return  # affinity preferred this one; the turn stays
        turns: dict[str, None] = memory["turns"]
        turns.pop(picked, None)
        turns[picked] = None
        memory.update(turn=picked, served=1)
        while len(turns) > 4 * len(usable) + 16:  # drops services that the rules no longer name
            del turns[next(iter(turns))]

    def explain_score(self, candidate: Candidate, memory: Memory, now: float) -> str:
        if "turns" not in memory:
            return "had no turn yet"
        if memory["turn"] == candidate.service.id:
            return f"has its turn: {memory['served']} of {self._threshold} requests"
        return "awaits its turn" if candidate.service.id in memory["turns"] else "had no turn yet"


TACTIC = RoundRobin
