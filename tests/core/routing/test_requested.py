"""A service for whatever model is asked for: one for each, made when it is asked."""

from __future__ import annotations

import pytest

from core.routing.test_router import adopted, inbound
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.routing.explain import explained
from pilotfish.core.routing.last_words import last_words
from pilotfish.core.routing.router import DIRECT_RULES, Router
from pilotfish.core.state.persistence import dump, restore
from pilotfish.core.state.race_history import RaceHistory

ANY = """{name: any, request_model: "*", services: [{provider: a, model: "@requested"}, {provider: b, tier: 1}],
  smart_routing: [{ops: [{position: user, operation: contains, value: picture}], services: [{provider: b}, {provider: a, model: big}]}]}"""
ALLOWS = "  c: {kind: openai_compatible, api_base: 'http://127.0.0.1:9/v1', no_key_required: true, models: [x, y]}"
LISTED = "{name: listed, request_model: '*', services: [{provider: c}]}"


def served_by(one: Router, model: str) -> list[str]:
    return [s.id for s in one.take(inbound(model)).rule_state.rule.services]


def test_each_model_has_services_of_its_own() -> None:
    one = adopted(ANY)
    assert served_by(one, "gpt-4o") == ["a/gpt-4o", "b/gpt-4o"]
    assert served_by(one, "o3") == ["a/o3", "b/o3"]
    taken = one.take(inbound("o3")).rule_state
    assert (taken.rule.name, taken.rule.services[1].tier) == ("any", 1)
    assert [s.id for s in taken.rule.smart[0].services] == ["b/o3", "a/big"]
    assert taken.rule.services[0].model_json == b'"o3"'
    assert one.take(inbound("o3")).rule_state is taken, "found again, not made again"


def test_a_service_that_names_the_very_model_stands_for_it() -> None:
    rule = "{name: r, request_model: '*', services: [{provider: a}, {provider: a, model: big, weight: 5}]}"
    one = adopted(rule)
    (service,) = one.take(inbound("big")).rule_state.rule.services
    assert (service.id, service.weight) == ("a/big", 5)
    assert served_by(one, "small") == ["a/small", "a/big"]


def test_a_model_that_its_provider_does_not_allow_is_left_out_and_said_so() -> None:
    one = adopted(LISTED, more=ALLOWS)
    request = inbound("z")
    taken = one.take(request)
    plan = one.plan(taken.rule_state, request, 0.0, 0.0)
    assert plan.next(0.0) is None
    answer = explained(plan, taken.why, [], None, 0.0, 0.0)
    assert answer["left_out"] == [
        {
            "service": "c/z",
            "why": "not allowed: its provider does not have model 'z' in its models",
        }
    ]
    failure = Failure(outcome=Outcome.OVERLOADED, status=503, code="x", message="no service")
    said = last_words(failure, plan, 0.0, 0.0)
    assert (said.status, said.code) == (404, "model_not_found")
    assert "c/z is not allowed" in said.message


def test_health_is_of_the_provider_and_model_and_stays_over_a_change_of_rules() -> None:
    one = adopted(ANY)
    state = one.take(inbound("o3")).rule_state.own.all[0].state
    adopted(ANY, into=one)
    assert one.take(inbound("o3")).rule_state.own.all[0].state is state
    assert one.take(inbound("o4")).rule_state.own.all[0].state is not state
    adopted(LISTED, more=ALLOWS, into=one)
    assert ("a", "o3") not in one.ledger.services


def test_a_provider_with_other_keys_has_other_state() -> None:
    two = "  d: {kind: openai, tokens: [{env: A}, {env: B}]}"
    rule = "{name: r, request_model: '*', services: [{provider: d}]}"
    one = adopted(rule, more=two)
    assert len(one.take(inbound("o3")).rule_state.own.all[0].state.keys) == 2
    adopted(rule, more="  d: {kind: openai, tokens: [{env: A}]}", into=one)
    assert one.take(inbound("o3")).rule_state.own.all[0].state.keys == []


def test_tactics_remember_each_model_apart_and_budgets_are_the_rules() -> None:
    one = adopted(ANY)
    first, second = (one.take(inbound(m)).rule_state for m in ("x", "y"))
    assert first.own.key != second.own.key
    assert first.retries is second.retries


def test_made_up_models_do_not_fill_the_memory() -> None:
    one = adopted(ANY)
    busy = one.take(inbound("busy")).rule_state.own.all[0]
    one.ledger.begin(busy, 0, 1, 0.0)
    for i in range(3 * DIRECT_RULES):
        taken = one.take(inbound(f"made-up-{i}")).rule_state
        one.ledger.memory("any", taken.own.key)["turn"] = "x"
    assert len(one.made_rules()) <= DIRECT_RULES
    assert len(one.ledger.services) <= 2 * DIRECT_RULES + 4
    assert len(one.ledger.memories) <= DIRECT_RULES + 1
    assert one.take(inbound("busy")).rule_state.own.all[0].state is busy.state


def test_the_name_in_metrics_is_a_configured_one() -> None:
    one = adopted(ANY, LISTED.replace("'*'", "'x*'"), more=ALLOWS)
    assert one.take(inbound("o3")).rule_state.rule.services[0].label == "other"
    assert one.take(inbound("x")).rule_state.rule.services[0].label == "x"


def test_what_is_saved_of_such_a_model_does_no_harm_when_it_is_read_again() -> None:
    one, other = adopted(ANY), adopted(ANY)
    one.take(inbound("o3"))
    saved = dump(one.ledger, RaceHistory(), 1.0, 1.0)
    assert restore(saved, other.ledger, RaceHistory(), 1.0, 1.0) >= 1


@pytest.mark.parametrize("model", ["", "gpt"])
def test_only_moderations_go_without_a_model(model: str) -> None:
    one = adopted(ANY)
    request = inbound(model)
    plan = one.plan(one.take(request).rule_state, request, 0.0, 0.0)
    assert bool(plan.candidates()) is bool(model)
