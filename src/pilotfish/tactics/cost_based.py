"""The cheapest service by `prices` among those whose p95 time to first token is below
`max_ttft_ms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import ClassVar

from pydantic import Field

from pilotfish.core.model import tactic
from pilotfish.core.model.price import Price
from pilotfish.core.model.tactic import Memory, Random
from pilotfish.core.routing.sampling import due_for_measurement, first, lowest_first
from pilotfish.core.state.candidate import Candidate

# The share of input among a request's tokens, used until ENOUGH_TOKENS tokens were counted.
INPUT_SHARE = 0.75
ENOUGH_TOKENS = 1000
# Added to the cost or used instead of it, to rank services: above every real price and above each
# other.
UNPRICED, UNTRIED, LATE = 1e12, 1e15, 1e18


class CostBasedParams(tactic.Params):
    max_ttft_ms: float = Field(
        500.0, gt=0, description="services whose p95 time to first token is above this come last"
    )
    explore: float = Field(
        0.05, ge=0, le=1, description="share of requests for untried or stale services"
    )


class CostBased:
    """Services with a p95 time to first token below the bound come first, then untried ones, then
    late ones; within each group the cheapest, and among equally cheap ones by weight. A service
    without a price counts as dearer than every other.

    Prices are compared at the mix of input and output tokens in the services' windows.
    """

    name: ClassVar[str] = "cost_based"
    Params: ClassVar[type[tactic.Params]] = CostBasedParams

    def __init__(self, params: CostBasedParams) -> None:
        self._max_ttft_s = params.max_ttft_ms / 1000
        self._explore = params.explore

    def order(
        self, usable: Sequence[Candidate], memory: Memory, now: float, rng: Random
    ) -> Sequence[Candidate]:
        if len(usable) == 1:
            return usable
        measure = due_for_measurement(usable, attrgetter("state.ttft"), self._explore, now, rng)
        if measure is not None:
            return first(usable, measure)
        share = input_share(usable, now)
        return lowest_first(usable, [self._rank(c, share, now) for c in usable], rng)

    def _rank(self, c: Candidate, share: float, now: float) -> float:
        """The lower, the sooner the service is chosen."""
        cost = per_million(c.service.price, share)
        ttft = c.state.ttft.percentile(0.95, now)
        if ttft is None:
            return UNTRIED + cost
        return cost if ttft < self._max_ttft_s else LATE + cost

    def on_picked(
        self, candidate: Candidate, usable: Sequence[Candidate], memory: Memory, now: float
    ) -> None:
        return

    def explain_score(self, candidate: Candidate, memory: Memory, now: float) -> str:
        ttft = candidate.state.ttft.percentile(0.95, now)
        speed = (
            "no time to first token measured yet"
            if ttft is None
            else f"p95 time to first token {ttft * 1000:.0f} ms"
        )
        price = candidate.service.price
        costs = (
            "no price"
            if price is None
            else f"${price.input:g} input, ${price.output:g} output per million tokens"
        )
        return f"{costs}, {speed} (limit {self._max_ttft_s * 1000:g})"


def input_share(usable: Sequence[Candidate], now: float) -> float:
    """The share of input among all tokens in the services' windows, 0..1. It is the same for all of
    them, so that they are compared at the same work.
    """
    into = out = 0
    for c in usable:
        window = c.state.window(c.service.time_window_s, now)
        into += window.input_tokens
        out += window.output_tokens
    return into / (into + out) if into + out >= ENOUGH_TOKENS else INPUT_SHARE


def per_million(price: Price | None, share: float) -> float:
    """US dollars per million tokens, of which `share` is input; `UNPRICED` without a price."""
    if price is None:
        return UNPRICED
    return price.input * share + price.output * (1.0 - share)


TACTIC = CostBased
