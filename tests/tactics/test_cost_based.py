"""cost_based: the cheapest of those that begin to answer soon enough."""

from __future__ import annotations

import random

from fleet import candidate, measured, names
from pilotfish.core.model.service import Price
from pilotfish.core.model.tactic import Memory
from pilotfish.core.state.candidate import Candidate
from pilotfish.tactics.cost_based import CostBased, CostBasedParams

TACTIC = CostBased(CostBasedParams(explore=0.0, max_ttft_ms=1000))


def priced(model: str, price: Price | None, ttft: float | None = 0.2) -> Candidate:
    c = candidate(model, price=price)
    measured(c, 0.0, ttft=ttft)
    return c


def order(*usable: Candidate, seed: int = 1) -> str:
    return names(TACTIC.order(usable, Memory(), 1.0, random.Random(seed)))


def test_the_cheapest_comes_first_and_one_without_a_price_after_those_with_one() -> None:
    assert order(
        priced("unknown", None),
        priced("dear", Price(3, 15)),
        priced("free", Price()),
        priced("cheap", Price(0.2, 0.8)),
    ) == ("free cheap dear unknown")


def test_a_cheap_service_that_speaks_too_late_comes_last() -> None:
    assert (
        order(priced("late", Price(0.1, 0.1), ttft=1.5), priced("dear", Price(3, 15)))
        == "dear late"
    )


def test_an_untried_cheap_service_is_not_sent_everybody_at_once() -> None:
    assert (
        order(priced("untried", Price(0.1, 0.1), ttft=None), priced("dear", Price(3, 15)))
        == "dear untried"
    )


def test_at_the_start_the_cheapest_is_taken() -> None:
    assert (
        order(priced("dear", Price(3, 15), ttft=None), priced("cheap", Price(0.1, 0.1), ttft=None))
        == "cheap dear"
    )


def test_prices_are_compared_at_the_mix_that_these_services_have_had() -> None:
    """Long prompts make the one with cheap input cheaper, long answers the one with cheap
    output.
    """
    reads, writes = (
        priced("reads", Price(input=1, output=10)),
        priced("writes", Price(input=2, output=4)),
    )
    reads.state.window(300, 0.0).input_tokens = 100_000
    assert order(reads, writes) == "reads writes"
    reads.state.window(300, 0.0).output_tokens = 900_000
    assert order(reads, writes) == "writes reads"


def test_equally_cheap_ones_share() -> None:
    one, two = priced("one", Price(1, 1)), priced("two", Price(1, 1))
    assert {order(one, two, seed=s) for s in range(20)} == {"one two", "two one"}


def test_explain_shows_price_and_pace() -> None:
    assert TACTIC.explain_score(priced("m", Price(3, 15)), Memory(), 1.0) == (
        "$3 input, $15 output per million tokens, p95 time to first token 200 ms (limit 1000)"
    )
    assert (
        TACTIC.explain_score(priced("m", None, ttft=None), Memory(), 1.0)
        == "no price, no time to first token measured yet (limit 1000)"
    )
