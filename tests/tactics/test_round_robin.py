"""round_robin: a number of requests to one service, then the next."""

from __future__ import annotations

import random

from fleet import fleet, names
from pilotfish.core.model.tactic import Memory
from pilotfish.core.state.candidate import Candidate
from pilotfish.tactics.round_robin import RoundRobin, RoundRobinParams

RNG = random.Random(1)


def turns(tactic: RoundRobin, memory: Memory, usable: list[Candidate], times: int) -> str:
    """Who was taken, in order."""
    found = []
    for _ in range(times):
        c = tactic.order(usable, memory, 0.0, RNG)[0]
        tactic.on_picked(c, usable, memory, 0.0)
        found.append(c)
    return names(found)


def made(threshold: int) -> tuple[RoundRobin, Memory]:
    return RoundRobin(RoundRobinParams(request_threshold=threshold)), Memory()


def test_ten_requests_each_by_default() -> None:
    tactic, memory = RoundRobin(RoundRobinParams()), Memory()
    assert turns(tactic, memory, fleet("a b"), 30).split() == ["a"] * 10 + ["b"] * 10 + ["a"] * 10


def test_every_service_has_its_turn_in_the_order_of_the_file() -> None:
    tactic, memory = made(2)
    assert turns(tactic, memory, fleet("a b c"), 8) == "a a b b c c a a"


def test_a_service_that_leaves_shifts_no_others_turn() -> None:
    tactic, memory = made(2)
    [a, b, c, d] = fleet("a b c d")
    assert turns(tactic, memory, [a, b, c, d], 3) == "a a b"
    assert turns(tactic, memory, [a, b, d], 5) == "b d d a a", (
        "c left during b's turn: b ends it, and d is next"
    )


def test_a_service_that_returns_waits_for_the_end_of_the_turn_and_then_has_its_own() -> None:
    tactic, memory = made(2)
    [a, b, c] = fleet("a b c")
    assert turns(tactic, memory, [a, b, c], 2) == "a a"
    assert turns(tactic, memory, [a, c], 3) == "c c a"
    assert turns(tactic, memory, [a, b, c], 7) == "a b b c c a a"


def test_the_service_whose_turn_it_is_may_leave_in_the_middle_of_it() -> None:
    tactic, memory = made(3)
    [a, b, c] = fleet("a b c")
    assert turns(tactic, memory, [a, b, c], 1) == "a"
    assert turns(tactic, memory, [b, c], 4) == "b b b c"


def test_a_request_that_affinity_sends_elsewhere_uses_up_nobodys_turn() -> None:
    tactic, memory = made(2)
    [_, _, c] = usable = fleet("a b c")
    assert turns(tactic, memory, usable, 1) == "a"
    for _ in range(5):
        tactic.on_picked(c, usable, memory, 0.0)
    assert turns(tactic, memory, usable, 3) == "a b b"


def test_what_another_tactic_left_in_the_memory_does_not_matter() -> None:
    tactic, memory = made(1)
    memory["turn"] = "acme/b"
    assert turns(tactic, memory, fleet("a b"), 2) == "a b"


def test_explain_tells_whose_turn_it_is() -> None:
    tactic, memory = made(3)
    [a, b, c] = usable = fleet("a b c")
    assert tactic.explain_score(a, memory, 0.0) == "had no turn yet"
    turns(tactic, memory, usable, 4)
    assert [tactic.explain_score(x, memory, 0.0) for x in (a, b, c)] == [
        "awaits its turn",
        "has its turn: 1 of 3 requests",
        "had no turn yet",
    ]
