"""A service's state, and a service bound to it."""

from __future__ import annotations

import pytest

from fleet import candidate, provider, service
from pilotfish.core.state.candidate import Candidate, ServiceState


@pytest.mark.parametrize(("keys", "expected"), [(0, 0), (1, 0), (2, 2), (3, 3)])
def test_only_a_provider_with_several_keys_has_a_health_for_each(keys: int, expected: int) -> None:
    state = ServiceState("acme", "m", keys)
    assert len(state.keys) == expected
    assert len({id(h) for h in state.keys} | {id(state.health)}) == expected + 1


@pytest.mark.parametrize(
    ("model_capacity", "default", "weight", "capacity"),
    [(64, 32, 3.0, 64), (None, 32, 3.0, 32), (None, None, 3.0, 3), (None, None, 0.0, 100)],
)
def test_capacity_is_the_models_else_the_providers_else_the_weight_else_100(
    model_capacity: int | None, default: int | None, weight: float, capacity: float
) -> None:
    at = provider(default_model_capacity=default)
    assert candidate("m", at, model_capacity=model_capacity, weight=weight).capacity == capacity


def test_two_rules_that_name_a_service_share_its_state_and_not_its_weight() -> None:
    state = ServiceState("acme", "m", 1)
    one = Candidate(service("m", weight=1.0), state)
    two = Candidate(service("m", weight=5.0), state)
    one.state.in_flight += 1
    assert (two.state.in_flight, one.weight, two.weight) == (1, 1.0, 5.0)


def test_windows_of_two_lengths_count_apart_and_begin_anew_when_their_time_has_passed() -> None:
    state = ServiceState("acme", "m", 1)
    state.window(60.0, 0.0).requests += 1
    state.window(300.0, 0.0).requests += 2
    assert (state.window(60.0, 59.9).requests, state.window(300.0, 59.9).requests) == (1, 2)
    assert (state.window(60.0, 60.0).requests, state.window(300.0, 60.0).requests) == (0, 2)


def test_a_candidate_is_named_by_its_service() -> None:
    assert repr(candidate("m")) == "<acme/m>"
