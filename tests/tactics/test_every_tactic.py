"""What holds for every tactic, whatever its way of choosing: found by discovery, so a new one is
tested by existing.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fleet import candidate, fleet, measured
from pilotfish.core.model.service import Price
from pilotfish.core.model.tactic import Memory, Tactic
from pilotfish.core.state.candidate import Candidate
from pilotfish.tactics import all_tactics, get

TACTICS = sorted(all_tactics())
COMPARES = ["adaptive", "cost_based", "latency_based", "speed_based"]
DRAWS_BY_WEIGHT = ["adaptive", "least_busy", "random"]


def made(name: str, **params: Any) -> Tactic:
    tactic = get(name)
    return tactic(tactic.Params(**params))


def send(
    tactic: Tactic, usable: list[Candidate], memory: Memory, now: float, rng: random.Random
) -> Candidate:
    """As the engine does it: ask, take the first, tell."""
    chosen = tactic.order(usable, memory, now, rng)[0]
    tactic.on_picked(chosen, usable, memory, now)
    return chosen


def serve(
    c: Candidate,
    now: float,
    *,
    latency: float = 1.0,
    ttft: float = 0.2,
    speed: float = 80.0,
    tokens: int = 500,
) -> None:
    """A request that was answered at once, as far as the ledger is concerned."""
    measured(c, now, latency=latency, ttft=ttft, speed=speed)
    window = c.state.window(c.service.time_window_s, now)
    window.requests += 1
    window.input_tokens += tokens // 2
    window.output_tokens += tokens - tokens // 2


@st.composite
def states(draw: st.DrawFn) -> tuple[list[Candidate], int]:
    """Up to eight services in any state, and a seed."""
    found = []
    for i in range(draw(st.integers(1, 8))):
        price = draw(
            st.none() | st.builds(Price, input=st.floats(0, 100), output=st.floats(0, 100))
        )
        c = candidate(
            f"m{i}",
            weight=draw(st.floats(0, 100)),
            price=price,
            model_capacity=draw(st.none() | st.integers(1, 500)),
        )
        c.state.in_flight = draw(st.integers(0, 300))
        c.state.tokens_in_flight = draw(st.integers(0, 100_000))
        c.state.health.consecutive = draw(st.integers(0, 5))
        for _ in range(draw(st.integers(0, 6))):
            serve(
                c,
                draw(st.floats(0, 1000)),
                latency=draw(st.floats(0, 1e4)),
                ttft=draw(st.floats(0, 1e4)),
                speed=draw(st.floats(0, 1e5)),
            )
        found.append(c)
    return found, draw(st.integers(0, 2**32))


def test_the_ten_documented_tactics_are_found_by_their_names() -> None:
    assert {
        "round_robin",
        "random",
        "token_based",
        "hybrid",
        "latency_based",
        "speed_based",
        "adaptive",
        "capacity_based",
        "least_busy",
        "cost_based",
    } <= set(TACTICS)


def test_an_unknown_tactic_is_refused_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"unknown tactic 'fastest'; known: adaptive, .*token_based"):
        get("fastest")


@pytest.mark.parametrize("name", TACTICS)
def test_an_unknown_parameter_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        get(name).Params(no_such_thing=1)


@pytest.mark.parametrize("name", TACTICS)
def test_no_number_is_taken_from_a_text_or_a_truth_nor_may_it_be_infinite(name: str) -> None:
    params = get(name).Params
    for field in params.model_fields:
        for wrong in ("7", True, float("inf"), float("nan"), -1):
            with pytest.raises(ValidationError):
                params(**{field: wrong})


@pytest.mark.parametrize("name", TACTICS)
@settings(max_examples=40)
@given(given_states=states())
def test_it_orders_all_that_it_was_given_and_nothing_else(
    name: str, given_states: tuple[list[Candidate], int]
) -> None:
    usable, seed = given_states
    tactic, memory, rng = made(name), Memory(), random.Random(seed)
    for step in range(5):
        order = tactic.order(usable, memory, 1000.0 + step, rng)
        assert sorted(map(id, order)) == sorted(map(id, usable))
        tactic.on_picked(order[0], usable, memory, 1000.0 + step)


@pytest.mark.parametrize("name", TACTICS)
@settings(max_examples=40)
@given(given_states=states())
def test_asking_changes_nothing_and_the_same_chance_gives_the_same_choice(
    name: str, given_states: tuple[list[Candidate], int]
) -> None:
    usable, seed = given_states
    tactic, memory = made(name), Memory()
    send(tactic, usable, memory, 1000.0, random.Random(seed))
    before = dict(memory)
    orders = [list(tactic.order(usable, memory, 1001.0, random.Random(seed))) for _ in range(3)]
    assert orders[0] == orders[1] == orders[2]
    assert dict(memory) == before
    for c in usable:
        assert tactic.explain_score(c, memory, 1001.0)


@pytest.mark.parametrize("name", TACTICS)
@settings(max_examples=20)
@given(given_states=states(), leaves=st.lists(st.integers(0, 7), max_size=6))
def test_services_may_leave_and_return_at_any_time(
    name: str, given_states: tuple[list[Candidate], int], leaves: list[int]
) -> None:
    usable, seed = given_states
    tactic, memory, rng = made(name), Memory(), random.Random(seed)
    for i, gone in enumerate(leaves):
        left = [c for n, c in enumerate(usable) if n != gone] or usable
        assert send(tactic, left, memory, 1000.0 + i, rng) in left


@pytest.mark.parametrize("name", TACTICS)
def test_a_single_service_is_simply_taken(name: str) -> None:
    [only] = fleet("only")
    assert send(made(name), [only], Memory(), 0.0, random.Random(1)) is only


@pytest.mark.parametrize("name", DRAWS_BY_WEIGHT)
def test_weights_are_kept_in_the_long_run_among_equals(name: str) -> None:
    usable = fleet("a b c", weights=[1, 3, 6])
    tactic, rng = made(name), random.Random(7)
    for c in usable:
        serve(c, 0.0)
    taken = Counter(send(tactic, usable, Memory(), 1.0, rng).service.model for _ in range(8000))
    expected = {"a": 0.1, "b": 0.3, "c": 0.6}
    for model, share in expected.items():
        assert taken[model] / 8000 == pytest.approx(share, abs=0.03)


def test_capacities_are_kept_in_the_long_run_among_equals() -> None:
    small, large = candidate("small", model_capacity=10), candidate("large", model_capacity=90)
    rng = random.Random(7)
    taken = Counter(
        send(made("capacity_based"), [small, large], Memory(), 0.0, rng).service.model
        for _ in range(8000)
    )
    assert taken["large"] / 8000 == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("name", COMPARES)
def test_a_service_that_was_never_tried_gets_its_share_beside_a_good_one(name: str) -> None:
    good, untried = fleet("good untried", price=Price(1.0, 1.0))
    tactic, memory, rng = made(name), Memory(), random.Random(3)
    for _ in range(10):
        serve(good, 100.0, latency=0.1, ttft=0.01, speed=500.0)
    taken = Counter(
        send(tactic, [good, untried], memory, 100.0, rng).service.model for _ in range(2000)
    )
    assert 0.03 < taken["untried"] / 2000 < 0.5


@pytest.mark.parametrize("per_second", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("name", COMPARES)
def test_explore_is_a_share_of_the_requests_whatever_the_traffic(
    name: str, per_second: float
) -> None:
    """An untried service that is asked and never measured, since its answers are long: the share
    is of requests, not of time.
    """
    good, untried = fleet("good untried", price=Price(1.0, 1.0))
    tactic, memory, rng = made(name), Memory(), random.Random(3)
    answered: list[tuple[float, Candidate]] = []
    asked, now = 0, 1000.0
    for n in range(4000):
        now += 1.0 / per_second
        while answered and answered[0][0] <= now:
            answered.pop(0)[1].state.in_flight -= 1
        for _ in range(10 if not n else 1):
            serve(good, now, latency=0.1, ttft=0.01, speed=500.0, tokens=0)
        c = send(tactic, [good, untried], memory, now, rng)
        c.state.in_flight += 1
        answered.append((now + 2.0, c))
        asked += c is untried
    assert asked / 4000 > 0.035
    # `adaptive` looks at the load besides, and spares a service that many requests wait at.
    assert asked / 4000 < 0.065 or name == "adaptive"


def test_speed_is_known_after_as_many_requests_as_it_takes_and_not_after_a_minute() -> None:
    good, untried = fleet("good untried")
    tactic, memory, rng = made("speed_based"), Memory(), random.Random(3)
    for _ in range(5):
        serve(good, 100.0, speed=80.0)
    taken: Counter[str] = Counter()
    for _ in range(400):
        c = send(tactic, [good, untried], memory, 100.0, rng)
        taken[c.service.model] += 1
        serve(c, 100.0, speed=80.0 if c is good else 400.0)
    assert taken["untried"] > 200, "five samples are found among a hundred requests"


@pytest.mark.parametrize("name", COMPARES)
def test_a_service_that_was_slow_is_looked_at_again_but_by_one_request_at_a_time(name: str) -> None:
    good, slow = fleet("good slow", price=Price(1.0, 1.0))
    tactic, memory, rng = made(name), Memory(), random.Random(3)
    serve(slow, 0.0, latency=30.0, ttft=20.0, speed=1.0)
    for _ in range(10):
        serve(good, 100.0, latency=0.1, ttft=0.01, speed=500.0)
    asked = [send(tactic, [good, slow], memory, 100.0, rng) for _ in range(500)]
    assert slow in asked
    slow.state.in_flight = 1
    asked = [send(tactic, [good, slow], memory, 100.0, rng) for _ in range(500)]
    assert slow not in asked


@pytest.mark.parametrize("name", COMPARES)
def test_explore_0_measures_nothing(name: str) -> None:
    good, untried = fleet("good untried", price=Price(1.0, 1.0))
    tactic, memory, rng = made(name, explore=0), Memory(), random.Random(3)
    for _ in range(10):
        serve(good, 100.0, latency=0.1, ttft=0.01, speed=500.0, tokens=0)
    assert {send(tactic, [good, untried], memory, 100.0, rng) for _ in range(500)} == {good}


@pytest.mark.parametrize("name", TACTICS)
def test_no_service_starves(name: str) -> None:
    """Four services, one of them far better: within ten minutes of traffic everyone was asked."""
    usable = fleet("best b c d", price=Price(1.0, 1.0))
    tactic, memory, rng = made(name), Memory(), random.Random(5)
    taken: Counter[str] = Counter()
    for step in range(6000):
        now = step / 10
        c = send(tactic, usable, memory, now, rng)
        taken[c.service.model] += 1
        fast = c is usable[0]
        serve(
            c,
            now,
            latency=0.1 if fast else 5.0,
            ttft=0.05 if fast else 2.0,
            speed=200.0 if fast else 30.0,
        )
    assert min(taken[c.service.model] for c in usable) >= 10


@pytest.mark.parametrize("name", TACTICS)
def test_two_proxies_with_the_same_figures_do_not_both_send_everything_to_one_service(
    name: str,
) -> None:
    """The same figures for both, which each sees only the sum of: what one did, the other knows
    when it is answered.
    """
    usable = fleet("a b c", price=Price(1.0, 1.0))
    replicas = [(made(name), Memory(), random.Random(seed)) for seed in (1, 2)]
    taken: Counter[str] = Counter()
    for step in range(600):
        now = step / 10
        for tactic, memory, rng in replicas:
            c = send(tactic, usable, memory, now, rng)
            taken[c.service.model] += 1
            serve(c, now, latency=1.0 + 0.01 * (step % 7), ttft=0.2, speed=80.0)
    assert max(taken.values()) < 0.95 * sum(taken.values())
    assert len(taken) == 3


@pytest.mark.parametrize("name", TACTICS)
def test_the_docs_name_every_parameter_with_its_default(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "tactics.md").read_text()
    [line] = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
    said = dict(re.findall(r"`(\w+)` ([^,|]+?)(?=,| \|)", line.split("|")[2] + "|"))
    for parameter, field in get(name).Params.model_fields.items():
        default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
        assert said.pop(parameter, None) == default, parameter
    assert said == {}


@pytest.mark.parametrize("name", TACTICS)
def test_memory_stays_small_whatever_rules_come_and_go(name: str) -> None:
    tactic, memory, rng = made(name), Memory(), random.Random(1)
    for i in range(300):
        send(tactic, fleet(f"x{i} y{i}"), memory, float(i), rng)
    assert sum(len(v) if isinstance(v, dict) else 1 for v in memory.values()) < 40
