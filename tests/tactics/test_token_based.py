"""token_based: one service until it has had its tokens."""

from __future__ import annotations

import random

from fleet import fleet
from pilotfish.core.model.tactic import Memory
from pilotfish.core.state.candidate import Candidate
from pilotfish.tactics.token_based import TokenBased, TokenBasedParams


def take(
    tactic: TokenBased, usable: list[Candidate], memory: Memory, now: float = 0.0, seed: int = 1
) -> Candidate:
    c = tactic.order(usable, memory, now, random.Random(seed))[0]
    tactic.on_picked(c, usable, memory, now)
    return c


def used(c: Candidate, tokens: int, now: float = 0.0) -> None:
    c.state.window(300, now).input_tokens += tokens


def test_it_stays_until_the_windows_tokens_reach_the_threshold_and_then_takes_the_fewest() -> None:
    tactic, memory = TokenBased(TokenBasedParams(token_threshold=1000)), Memory()
    [a, b, c] = usable = fleet("a b c")
    used(b, 500)
    used(c, 100)
    assert take(tactic, usable, memory) is a
    used(a, 999)
    assert take(tactic, usable, memory) is a
    used(a, 1)
    assert take(tactic, usable, memory) is c


def test_an_estimate_for_requests_in_flight_counts() -> None:
    """Else a burst would all go to one service before the first answer tells what it cost."""
    tactic, memory = TokenBased(TokenBasedParams(token_threshold=1000)), Memory()
    usable = fleet("a b")
    first = take(tactic, usable, memory)
    first.state.tokens_in_flight = 1000
    assert take(tactic, usable, memory) is not first


def test_when_the_window_has_passed_everything_begins_anew() -> None:
    tactic, memory = TokenBased(TokenBasedParams(token_threshold=1000)), Memory()
    [a, b] = usable = fleet("a b")
    used(b, 5000)
    assert take(tactic, usable, memory) is a
    used(a, 2000)
    assert take(tactic, usable, memory, 299.0) is a, "all are above it: the fewest"
    assert take(tactic, usable, memory, 301.0) is a
    used(a, 1, 301.0)
    assert take(tactic, [b], memory, 301.0) is b
    assert "has its turn" in tactic.explain_score(b, memory, 301.0)


def test_equals_are_drawn_so_that_proxies_do_not_all_begin_with_the_same() -> None:
    tactic = TokenBased(TokenBasedParams())
    assert {take(tactic, fleet("a b c"), Memory(), seed=s).service.model for s in range(30)} == {
        "a",
        "b",
        "c",
    }
