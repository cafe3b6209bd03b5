"""Whose turn it is: a request takes a turn by its first choice. What it does because of a fault, or
because somebody is late, moves no other request.
"""

from __future__ import annotations

import pytest

from core.routing.playbook import House
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.routing.plan import Home, Plan
from pilotfish.core.state.affinity import AffinityTable

EACH_ONE = "{type: round_robin, params: {request_threshold: 1}}"
NO_RETRIES = "retries: {max_retries: 0}"
HEDGED = "hedge: {after: 1000, min_ms: 0, budget_percent: 100}"


def first_choices(house: House, requests: int) -> str:
    """Where the first attempts of so many requests go, each served at once."""
    chosen = []
    for n in range(requests):
        story = house.request(now=float(n))
        story.begins(float(n))
        chosen.append(story.starts[0])
        story.speaks(0, n + 0.1)
        story.completes(0, n + 0.2)
    return " ".join(chosen)


def test_a_service_that_refuses_every_request_does_not_begin_them_all() -> None:
    """`a` has too small a context: each request goes on to `b`, whose turn it still is next."""
    house = House(
        "a/small b/large", f"{NO_RETRIES}, fallback_on: [context_length]", tactic=EACH_ONE
    )
    begun = []
    for n in range(12):
        story = house.request(now=float(n))
        story.begins(float(n))
        begun.append(story.starts[0])
        if story.starts[0] == "a/small":
            story.fails(0, Outcome.BAD_REQUEST, n + 0.1, reason="context_length")
    assert begun == ["a/small", "b/large"] * 6


def test_a_service_that_fails_uses_up_nobody_elses_turn() -> None:
    house = House("a b c", NO_RETRIES, tactic=EACH_ONE)
    begun = []
    for n in range(6):
        story = house.request(now=float(n))
        story.begins(float(n))
        begun.append(story.starts[0])
        if story.starts[0] == "a":
            assert story.fails(0, Outcome.NOT_FOUND, n + 0.1).startswith("start 1")
            house.state("a").health.consecutive = 0
    assert begun == ["a", "b", "c", "a", "b", "c"]


@pytest.mark.parametrize("name", ["round_robin", "token_based", "hybrid"])
def test_one_hedge_moves_nobody_elses_traffic(name: str) -> None:
    house = House("a b", HEDGED, tactic=f"{{type: {name}}}")
    story = house.request()
    begun = story.begins()
    first, other = ("a", "b") if "start 0 a" in begun else ("b", "a")
    assert f"start 1 {other} hedge" in story.wakes(1.0)
    story.speaks(1, 1.1)
    story.completes(1, 1.2)
    assert first_choices(house, 5) == " ".join([first] * 5)


def test_a_race_takes_one_turn_however_many_take_part() -> None:
    house = House("a b c", "race: {max_parallel: 2, timeout_ms: 5000}", tactic=EACH_ONE)
    begun = []
    for n in range(3):
        story = house.request(now=float(n))
        story.begins(float(n))
        begun.append(story.starts[0])
        story.speaks(0, n + 0.1)
        story.completes(0, n + 0.2)
    assert begun == ["a", "b", "c"]


def test_a_trial_takes_no_turn() -> None:
    """It is `a`'s turn, but `a` is on trial: what one request finds out is not a turn of it."""
    house = House("a b", tactic="{type: round_robin, params: {request_threshold: 3}}")
    assert first_choices(house, 1) == "a"
    house.happened("a", Outcome.SERVER_ERROR, 1, times=3)
    due = house.state("a").health.until
    story = house.request(now=due)
    assert story.begins(due).startswith("start 0 a")
    story.speaks(0, due + 0.1)
    story.completes(0, due + 0.2)
    assert first_choices(house, 3) == "a a b", "two of its three requests are still to come"


def test_a_rival_moves_no_session_to_another_home() -> None:
    house = House("a b c")
    home = Home(AffinityTable(), b"a session's key, as long as one", 1800.0)

    def plan() -> Plan:
        return Plan(
            house.rule_states["chat"],
            house.ledger,
            op="chat",
            tokens=100,
            rng=house.rng,
            home=home,
        )

    one = plan()
    first = one.next(0.0)
    assert first is not None
    one.tried.append(first.state)
    assert one.next(10.0, serving=True) is not None
    again = plan().next(20.0)
    assert again is first
    fallback = one.next(21.0)
    assert fallback is not None
    assert plan().next(22.0) is fallback, "who is asked since the first one failed is the new home"
