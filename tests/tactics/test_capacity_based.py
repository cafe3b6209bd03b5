"""capacity_based: of two drawn by capacity the one whose capacity is less in use."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fleet import candidate, provider
from pilotfish.core.model.tactic import Memory, NoParams
from pilotfish.tactics.capacity_based import CapacityBased

TACTIC = CapacityBased(NoParams())


def test_capacity_is_the_models_else_the_providers_else_the_weight_else_100() -> None:
    large = provider(default_model_capacity=40)
    assert candidate("m", large, model_capacity=7).capacity == 7
    assert candidate("m", large).capacity == 40
    assert candidate("m", weight=3.0).capacity == 3
    assert candidate("m", weight=0.0).capacity == 100


def test_the_one_that_is_less_in_use_is_taken_though_it_has_more_in_flight() -> None:
    small, large = candidate("small", model_capacity=10), candidate("large", model_capacity=100)
    small.state.in_flight, large.state.in_flight = 5, 20
    assert {
        TACTIC.order([small, large], Memory(), 0.0, random.Random(s))[0] for s in range(30)
    } == {large}
    large.state.in_flight = 60
    assert {
        TACTIC.order([small, large], Memory(), 0.0, random.Random(s))[0] for s in range(30)
    } == {small}
    assert TACTIC.explain_score(large, Memory(), 0.0) == "60 of 100 in flight (60%)"


def test_with_requests_that_stay_all_capacities_fill_evenly() -> None:
    usable = [
        candidate("a", model_capacity=10),
        candidate("b", model_capacity=30),
        candidate("c", model_capacity=60),
    ]
    rng, taken = random.Random(3), Counter[str]()
    for _ in range(80):
        c = TACTIC.order(usable, Memory(), 0.0, rng)[0]
        c.state.in_flight += 1
        taken[c.service.model] += 1
    for c in usable:
        assert c.state.in_flight / c.capacity == pytest.approx(0.8, abs=0.15)
