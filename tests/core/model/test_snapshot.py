"""The records of compiled rules: frozen, and with the documented defaults."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from pilotfish.core.model.snapshot import Rule, Snapshot


def test_the_rules_in_force_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Snapshot().version = "x"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Rule("chat").active = False  # type: ignore[misc]


def test_rules_are_told_apart_by_identity() -> None:
    """Two rules may be written alike, and each has a state of its own."""
    assert Rule("chat") != Rule("chat")
    assert Rule("chat").timeouts == Rule("other").timeouts


def test_before_the_first_rules_there_is_nothing_to_match() -> None:
    empty = Snapshot()
    assert (empty.rules, empty.exact, empty.globs, empty.virtual_models) == ((), {}, (), {})


def test_a_rule_takes_any_scenario_and_model_one_attempt_at_a_time() -> None:
    rule = Rule("chat")
    assert (rule.scenario, rule.request_model, rule.active) == (None, "*", True)
    assert (rule.race, rule.hedge, rule.affinity) == (None, None, None)


def test_the_numbers_of_one_rule_add_up() -> None:
    rule = Rule("chat")
    t, r = rule.timeouts, rule.retries
    assert t.connect_s < t.first_token_s < t.total_s
    assert t.idle_s < t.total_s
    assert r.base_s <= r.max_s
    assert r.max_retries < r.max_attempts
    assert 0 < rule.health.error_ratio <= 1
