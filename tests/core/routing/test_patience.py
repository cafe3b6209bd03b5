"""How long a service may be silent."""

from __future__ import annotations

import pytest

from core.routing.playbook import House
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.routing import patience


@pytest.fixture
def house() -> House:
    return House("a b")


@pytest.mark.parametrize(
    ("streams", "thinking", "expected"),
    [(True, False, 10.0), (True, True, 20.0), (False, False, 30.0), (False, True, 60.0)],
)
def test_an_unknown_service_has_the_rules_patience(
    house: House, streams: bool, thinking: bool, expected: float
) -> None:
    rule, c = house.plan().rule, house.candidate("a")
    assert patience.least_patience_of(rule, streams=streams, thinking=thinking) == expected
    found = patience.patience_of(c, rule, 0.0, streams=streams, thinking=thinking)
    assert found == expected


def test_a_service_known_to_be_slow_has_half_as_much_again_as_its_p99(house: House) -> None:
    house.happened("a", Outcome.SERVED, 0, times=10, ttft=20.0)
    rule, c = house.plan().rule, house.candidate("a")
    assert patience.patience_of(c, rule, 0.0, streams=True, thinking=False) == 30.0
    assert patience.patience_of(c, rule, 0.0, streams=False, thinking=False) == 60.0


def test_a_quick_service_has_no_less_than_the_rules_patience(house: House) -> None:
    house.happened("a", Outcome.SERVED, 0, times=10, ttft=0.1)
    rule, c = house.plan().rule, house.candidate("a")
    assert patience.patience_of(c, rule, 0.0, streams=True, thinking=False) == 10.0


def test_a_trial_has_its_own_p95_and_at_most_two_seconds(house: House) -> None:
    c = house.candidate("a")
    assert patience.trial_patience_of(c, 0.0, streams=True) == 2.0
    house.happened("a", Outcome.SERVED, 0, times=10, ttft=0.4)
    assert patience.trial_patience_of(c, 0.0, streams=True) == pytest.approx(0.4)
    house.happened("a", Outcome.SERVED, 0, times=90, ttft=9.0)
    assert patience.trial_patience_of(c, 0.0, streams=True) == 2.0


def test_a_hedge_needs_samples_unless_the_rule_says_when() -> None:
    unknown = House("a b", "hedge: {after: p95, min_ms: 100}")
    c, rule = unknown.candidate("a"), unknown.plan().rule
    assert patience.hedge_after(c, rule, 0.0, streams=True) is None
    unknown.happened("a", Outcome.SERVED, 0, times=10, ttft=0.7)
    assert patience.hedge_after(c, rule, 0.0, streams=True) == pytest.approx(0.7)
    fixed = House("a b", "hedge: {after: 300, min_ms: 500}")
    after = patience.hedge_after(fixed.candidate("a"), fixed.plan().rule, 0.0, streams=True)
    assert after == 0.5
