"""One service until it reaches a threshold of tokens, then the one with the fewest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from pilotfish.core.model import tactic
from pilotfish.core.model.tactic import Memory, Random
from pilotfish.core.routing.sampling import first, lowest_first
from pilotfish.core.state.candidate import Candidate


class TokenBasedParams(tactic.Params):
    token_threshold: int = Field(
        10000, ge=1, description="tokens of a service's window after which another one follows"
    )


class TokenBased:
    """Tokens of requests in flight count too, as estimated, so that a burst does not exceed the
    threshold. Memory: `turn`, the id of the service that is used until it reaches the threshold.
    """

    name: ClassVar[str] = "token_based"
    Params: ClassVar[type[tactic.Params]] = TokenBasedParams

    def __init__(self, params: TokenBasedParams) -> None:
        self._threshold = params.token_threshold

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        turn = memory.get("turn")
        for c in usable:
            if c.service.id == turn and tokens(c, now) < self._threshold:
                return first(usable, c)
        return lowest_first(usable, [tokens(c, now) for c in usable], rng)

    def on_picked(
        self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float
    ) -> None:
        turn = memory.get("turn")
        if candidate.service.id == turn:
            return
        if any(c.service.id == turn and tokens(c, now) < self._threshold for c in usable):
            return  # affinity preferred this one; the turn stays
        memory["turn"] = candidate.service.id

    def explain_score(self, candidate: Candidate, memory: Memory, now: float) -> str:
        turn = "has its turn, " if memory.get("turn") == candidate.service.id else ""
        found = f"{tokens(candidate, now):.0f} tokens in its window"
        return f"{turn}{found} (turns end at {self._threshold})"


def tokens(c: Candidate, now: float) -> float:
    """Tokens of the window, with the estimated ones in flight."""
    return c.state.window(c.service.time_window_s, now).tokens() + c.state.tokens_in_flight


TACTIC = TokenBased
