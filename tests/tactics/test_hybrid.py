"""hybrid: one service until it has had its requests or its tokens."""

from __future__ import annotations

import random

from fleet import fleet
from pilotfish.core.model.tactic import Memory
from pilotfish.core.state.candidate import Candidate
from pilotfish.tactics.hybrid import Hybrid, HybridParams

PARAMS = HybridParams(request_threshold=5, token_threshold=1000)


def take(usable: list[Candidate], memory: Memory) -> Candidate:
    tactic = Hybrid(PARAMS)
    c = tactic.order(usable, memory, 0.0, random.Random(1))[0]
    tactic.on_picked(c, usable, memory, 0.0)
    return c


def had(c: Candidate, requests: int, tokens: int) -> None:
    window = c.state.window(300, 0.0)
    window.requests, window.output_tokens = requests, tokens


def test_it_stays_below_both_thresholds() -> None:
    [a, b], memory = fleet("a b"), Memory()
    had(b, 1, 1)
    assert take([a, b], memory) is a
    had(a, 4, 999)
    assert take([a, b], memory) is a


def test_either_threshold_ends_the_turn() -> None:
    for requests, tokens in ((5, 0), (0, 1000)):
        [a, b], memory = fleet("a b"), Memory(turn="acme/a")
        had(a, requests, tokens)
        assert take([a, b], memory) is b


def test_then_the_lowest_requests_times_ten_plus_tokens_is_next() -> None:
    [a, b, c], memory = fleet("a b c"), Memory(turn="acme/a")
    had(a, 9, 2000)
    had(b, 4, 500)  # 540
    had(c, 30, 100)  # 400
    assert take([a, b, c], memory) is c
    assert "30 requests x 10 + 100 tokens = 400" in Hybrid(PARAMS).explain_score(c, memory, 0.0)


def test_requests_in_flight_count() -> None:
    [a, b], memory = fleet("a b"), Memory(turn="acme/a")
    a.state.in_flight = 5
    assert take([a, b], memory) is b
