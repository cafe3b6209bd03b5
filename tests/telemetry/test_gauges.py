"""Gauges that are set when somebody looks."""

import pytest

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.state.ledger import Ledger
from pilotfish.telemetry import series as s
from pilotfish.telemetry.children import Children
from pilotfish.telemetry.gauges import STATES, LedgerGauges
from pilotfish.telemetry.registry import Registry
from telemetry.rules import rule, snapshot


class World:
    def __init__(self):
        self.registry, self.ledger, self.now = Registry(), Ledger(), 5000.0
        self.flying = {}
        children = Children(self.registry)
        rules = snapshot(rule("chat", "p/m", "q/m"))
        children.adopt(rules)
        self.ledger.adopt(rules)
        self.gauges = LedgerGauges(children, self.ledger, lambda: self.flying)

    def seen(self, series):
        self.gauges.refresh()
        return {at: child.value for at, child in self.registry[series].children.items()}


@pytest.fixture
def world(monkeypatch):
    made = World()
    monkeypatch.setattr("pilotfish.telemetry.gauges.monotonic", lambda: made.now)
    return made


def test_a_service_is_in_one_state_at_a_time(world):
    assert world.seen(s.SERVICE_STATE)["p", "m", "serving"] == 1.0
    health = world.ledger.services["p", "m"].health
    for state, out, until in (
        ("serving", False, 0.0),
        ("cooling", True, world.now + 1),
        ("probing", True, world.now - 1),
    ):
        assert state in STATES
        health.out, health.until = out, until
        found = world.seen(s.SERVICE_STATE)
        assert {at[2] for at, value in found.items() if at[0] == "p" and value} == {state}
        assert found["q", "m", "serving"] == 1.0


def test_the_time_left_of_a_cooldown_falls_to_nothing_and_not_below(world):
    health = world.ledger.services["p", "m"].health
    health.out, health.until = True, world.now + 30.0
    assert world.seen(s.SERVICE_COOLDOWN)["p", "m"] == 30.0
    world.now += 31.0
    assert world.seen(s.SERVICE_COOLDOWN) == {("p", "m"): 0.0, ("q", "m"): 0.0}


def test_limits_are_those_that_a_vendor_told(world):
    assert world.seen(s.LIMIT) == {}
    headroom = world.ledger.services["p", "m"].headroom
    headroom.remaining["requests"], headroom.limit["requests"] = 3.0, 60.0
    assert world.seen(s.LIMIT_REMAINING) == {("p", "m", "requests"): 3.0}
    assert world.seen(s.LIMIT) == {("p", "m", "requests"): 60.0}


def test_requests_in_flight_are_those_of_now(world):
    world.flying = {"chat": 2, "another": 9}
    assert world.seen(s.IN_FLIGHT) == {("chat",): 2.0}
    world.flying = {}
    assert world.seen(s.IN_FLIGHT) == {("chat",): 0.0}


def test_a_service_that_a_client_made_up_has_no_gauges(world):
    chat = snapshot(rule("chat", "p/made-up")).rules[0]
    world.ledger.candidate(chat.services[0])
    assert ("p", "made-up") in world.ledger.services
    assert {at[:2] for at in world.seen(s.SERVICE_STATE)} == {("p", "m"), ("q", "m")}


def test_where_little_is_told_a_service_has_gauges_once_it_was_asked_or_is_out(world):
    world.registry.detail = "used"
    assert world.seen(s.SERVICE_STATE) == {}
    world.ledger.services["p", "m"].requests_total = 1
    health = world.ledger.services["q", "m"].health
    health.out, health.until = True, world.now + 1
    assert {at[0] for at in world.seen(s.SERVICE_STATE)} == {"p", "q"}


def test_a_rule_has_its_gauge_of_requests_in_flight_from_the_first_on(world):
    world.registry[s.IN_FLIGHT].keep(lambda at: False)
    world.flying = {"chat": 2, "gone": 1}
    assert world.seen(s.IN_FLIGHT) == {("chat",): 2.0}
    world.flying = {}
    assert world.seen(s.IN_FLIGHT) == {("chat",): 0.0}


def test_refused_keys_are_counted_until_they_serve_or_are_replaced(world):
    assert world.seen(s.CREDENTIALS_REFUSED) == {("p",): 0.0, ("q",): 0.0}
    chat = snapshot(rule("chat", "p/m", "q/m")).rules[0]
    (credential,) = world.ledger.credentials["p"]
    credential.failed(
        Outcome.AUTH_FAILED,
        wait_s=None,
        reason="auth_failed (status 401)",
        began=world.now,
        now=world.now,
        trial=False,
        health=chat.health,
        cooldown=chat.credential_cooldown,
    )
    assert world.seen(s.CREDENTIALS_REFUSED) == {("p",): 1.0, ("q",): 0.0}
    world.ledger.renewed("p", 0, world.now)
    assert world.seen(s.CREDENTIALS_REFUSED) == {("p",): 0.0, ("q",): 0.0}
