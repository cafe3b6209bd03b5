"""The cheapest by `prices` among the services whose p95 time to first token is below
`max_ttft_ms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import ClassVar

from pydantic import Field

from pilotfish.core.model import tactic
from pilotfish.core.model.service import Price
from pilotfish.core.model.tactic import Memory, Random
from pilotfish.core.routing.sampling import due_for_measurement, first, lowest_first
from pilotfish.core.state.candidate import Candidate

# What a request is made of before anything was measured: prompts are longer than answers.
INPUT_SHARE = 0.75
ENOUGH_TOKENS = 1000
UNPRICED = 1e12  # dearer than any price: nobody said that it is cheap
LATE, UNTRIED = 1e18, 1e15


class CostBasedParams(tactic.Params):
    max_ttft_ms: float = Field(
        500.0, gt=0, description="services whose p95 time to first token is above this come last"
    )
    explore: float = Field(
        0.05, ge=0, le=1, description="share of requests for untried or stale services"
    )


class CostBased:
    """Prices are compared at the mix of input and output that these services have had in their
    windows.

    In time before untried before late; equally cheap ones by weight. A service without a price
    comes after those with one.
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
        speaks = (
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
        return f"{costs}, {speaks} (limit {self._max_ttft_s * 1000:g})"


def input_share(usable: Sequence[Candidate], now: float) -> float:
    """Input tokens among all tokens of these services' windows: one mix for all, so that they are
    compared at the same work.
    """
    into = out = 0
    for c in usable:
        window = c.state.window(c.service.time_window_s, now)
        into += window.input_tokens
        out += window.output_tokens
    return into / (into + out) if into + out >= ENOUGH_TOKENS else INPUT_SHARE


def per_million(price: Price | None, share: float) -> float:
    """US dollars per million tokens at this share of input."""
    if price is None:
        return UNPRICED
    return price.input * share + price.output * (1.0 - share)


TACTIC = CostBased
