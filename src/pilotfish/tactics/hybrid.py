"""One service until it reaches a threshold of requests or tokens, then the one with the least of
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from pilotfish.core.model import tactic
from pilotfish.core.model.tactic import Memory, Random
from pilotfish.core.routing.sampling import first, lowest_first
from pilotfish.core.state.candidate import Candidate

TOKENS_PER_REQUEST = 10  # how many tokens a request counts for


class HybridParams(tactic.Params):
    request_threshold: int = Field(
        10, ge=1, description="requests of a service's window after which another one follows"
    )
    token_threshold: int = Field(
        10000, ge=1, description="tokens of a service's window after which another one follows"
    )


class Hybrid:
    """Requests in flight count too, with their estimated tokens. Memory: `turn`, the id of the
    service that is used until it reaches a threshold.
    """

    name: ClassVar[str] = "hybrid"
    Params: ClassVar[type[tactic.Params]] = HybridParams

    def __init__(self, params: HybridParams) -> None:
        self._requests, self._tokens = params.request_threshold, params.token_threshold

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        turn = memory.get("turn")
        for c in usable:
            if c.service.id == turn and self._stays(c, now):
                return first(usable, c)
        scores = [
            requests * TOKENS_PER_REQUEST + tokens
            for requests, tokens in (so_far(c, now) for c in usable)
        ]
        return lowest_first(usable, scores, rng)

    def _stays(self, c: Candidate, now: float) -> bool:
        requests, tokens = so_far(c, now)
        return requests < self._requests and tokens < self._tokens

    def on_picked(
        self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float
    ) -> None:
        turn = memory.get("turn")
        if candidate.service.id == turn:
            return
        if any(c.service.id == turn and self._stays(c, now) for c in usable):
            return  # affinity preferred this one; the turn stays
        memory["turn"] = candidate.service.id

    def explain_score(self, candidate: Candidate, memory: Memory, now: float) -> str:
        requests, tokens = so_far(candidate, now)
        turn = "has its turn, " if memory.get("turn") == candidate.service.id else ""
        total = requests * TOKENS_PER_REQUEST + tokens
        return (
            f"{turn}{requests} requests x {TOKENS_PER_REQUEST} + {tokens:.0f} tokens = {total:.0f}"
        )


def so_far(c: Candidate, now: float) -> tuple[int, float]:
    """(requests, tokens) of the window, with those in flight."""
    window = c.state.window(c.service.time_window_s, now)
    return window.requests + c.state.in_flight, window.tokens() + c.state.tokens_in_flight


TACTIC = Hybrid
