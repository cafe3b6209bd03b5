"""The rules in force, bound to the state of their services."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from pilotfish import styles
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import Headers, Inbound
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.routing import router
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import documents_of_text
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.errors import ClientError
from pilotfish.providers import all_kinds
from pilotfish.tactics import all_tactics

PATH = "/v1/chat/completions"
PROVIDERS = """
providers:
  a: {kind: openai_compatible, api_base: "http://127.0.0.1:9/v1", no_key_required: true}
  b: {kind: openai_compatible, api_base: "http://127.0.0.1:9/v1", no_key_required: true}
"""
CHAT = "{name: chat, request_model: gpt, services: [{provider: a, model: m}]}"
SMART = """{name: chat, request_model: gpt, services: [{provider: a, model: m}], smart_routing: [
  {description: never, ops: [{position: user, operation: contains, value: xyzzy}],
   services: [{provider: a, model: m}]},
  {description: long, ops: [{position: token, operation: ge, value: "1"}],
   services: [{provider: b, model: m}]}]}"""


def adopted(*rules: str, more: str = "", into: router.Router | None = None) -> router.Router:
    text = f"{PROVIDERS}{more}\nrules: [{', '.join(rules)}]"
    one = into or router.Router(Ledger(), Budgets(), RaceHistory(), styles.get, random.Random(1))
    one.adopt(
        compile_documents(
            documents_of_text("rules.yaml", text), kinds=all_kinds(), tactics=all_tactics()
        )
    )
    return one


def inbound(model: str = "gpt", headers: Headers | None = None, **body: Any) -> Inbound:
    endpoint = endpoints.find(PATH)
    assert endpoint is not None
    given = {"model": model, "messages": [{"role": "user", "content": "hello"}], **body}
    text = json.dumps(given).encode()
    return Inbound(endpoint, PATH, "", headers or [], text, "r", "10.0.0.7")


def first(one: router.Router, request: Inbound, now: float = 0.0) -> str:
    """The service that a request is sent to."""
    chosen = one.plan(one.take(request).rule_state, request, now, 0.0).next(now)
    assert chosen is not None
    return chosen.service.id


# ---- which rule


def test_a_model_that_no_rule_takes_is_the_clients_error_and_named() -> None:
    with pytest.raises(ClientError, match="no rule for model 'gpt-9'") as caught:
        adopted(CHAT).take(inbound("gpt-9"))
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_a_request_without_a_model_is_told_so() -> None:
    with pytest.raises(ClientError, match="a request without a model"):
        adopted(CHAT).take(inbound(""))


def test_before_the_first_rules_nothing_is_taken() -> None:
    one = router.Router(Ledger(), Budgets(), RaceHistory(), styles.get, random.Random(1))
    with pytest.raises(ClientError):
        one.take(inbound())


def test_the_same_model_is_matched_once_until_rules_change() -> None:
    one = adopted(CHAT)
    taken = one.take(inbound())
    assert one.take(inbound()) is taken
    adopted(CHAT.replace("provider: a", "provider: b"), into=one)
    assert one.take(inbound()).rule_state.rule.services[0].provider.name == "b"


def test_a_rule_that_stays_keeps_its_retry_budget() -> None:
    one = adopted(CHAT)
    before = one.take(inbound()).rule_state.retries
    assert adopted(CHAT, into=one).take(inbound()).rule_state.retries is before


def test_matches_of_made_up_models_are_remembered_up_to_a_bound() -> None:
    one = adopted(CHAT.replace("request_model: gpt", "request_model: '*'"))
    for i in range(router.REMEMBERED + 10):
        one.take(inbound(f"made-up-{i}"))
    one.take(inbound("x" * (router.MODEL_CHARS + 1)))
    assert len(one._taken) == router.REMEMBERED


def test_provider_slash_model_is_served_without_a_rule_and_is_not_a_known_model() -> None:
    one = adopted(CHAT)
    taken = one.take(inbound("b/anything"))
    assert (taken.known, taken.rule_state.rule.services[0].id) == (False, "b/anything")
    assert one.take(inbound("b/anything")).rule_state is taken.rule_state


def test_state_of_made_up_models_is_forgotten_but_not_that_of_running_requests() -> None:
    one = adopted(CHAT)
    busy = one.take(inbound("b/busy")).rule_state.own.all[0]
    one.ledger.begin(busy, 0, 1, 0.0)
    for i in range(router.DIRECT_RULES + 10):
        one.take(inbound(f"b/made-up-{i}"))
    kept = set(one.ledger.services)
    assert {("a", "m"), ("b", "busy")} <= kept
    assert len(kept) < router.DIRECT_RULES


# ---- the plan


def test_a_services_health_outlasts_a_change_of_rules() -> None:
    one = adopted(CHAT)
    state = one.take(inbound()).rule_state.own.all[0].state
    state.health.failed(
        Outcome.RATE_LIMITED,
        wait_s=30.0,
        reason="",
        began=0.0,
        now=0.0,
        trial=False,
        health=one.snapshot.rules[0].health,
        cooldown=one.snapshot.rules[0].cooldown,
    )
    adopted(CHAT, into=one)
    request = inbound()
    plan = one.plan(one.take(request).rule_state, request, 1.0, 0.0)
    assert plan.next(1.0) is None


def test_the_first_block_that_matches_comes_before_the_rules_own_services() -> None:
    one, request = adopted(SMART), inbound()
    assert first(one, request) == "b/m"
    assert one.explained_plan(one.take(request).rule_state, request, 0.0, 0.0).block == 1


def test_asked_for_checks_every_block_says_whether_it_matches_and_why() -> None:
    one, request = adopted(SMART), inbound()
    found = one.explained_plan(one.take(request).rule_state, request, 0.0, 0.0)
    assert [(c["block"], c["matched"]) for c in found.checks] == [(0, False), (1, True)]
    assert "xyzzy" in found.checks[0]["why"]


def test_a_scenario_may_switch_smart_routing_off() -> None:
    one = adopted(SMART, more="scenarios: {openai: {flags: {smart: false}}}")
    assert first(one, inbound()) == "a/m"


def test_a_session_comes_back_to_the_service_that_served_it() -> None:
    rule = """{name: chat, request_model: gpt, lb_tactic: random,
      affinity: {by: header, header: x-session},
      services: [{provider: a, model: m}, {provider: b, model: m}]}"""
    one = adopted(rule)
    for session in (b"s1", b"s2", b"s3"):
        request = inbound(headers=[(b"x-session", session)])
        home = first(one, request)
        assert {first(one, request) for _ in range(10)} == {home}


def test_without_a_session_there_is_no_preference() -> None:
    rule = """{name: chat, request_model: gpt, lb_tactic: random,
      affinity: {by: header, header: x-session},
      services: [{provider: a, model: m}, {provider: b, model: m}]}"""
    one, request = adopted(rule), inbound()
    assert {first(one, request) for _ in range(30)} == {"a/m", "b/m"}


def test_requests_with_the_same_beginning_go_to_one_service_whatever_follows() -> None:
    rule = """{name: chat, request_model: gpt, lb_tactic: random, affinity: {by: prefix},
      services: [{provider: a, model: m}, {provider: b, model: m}]}"""
    one = adopted(rule)
    turns = [{"role": "user", "content": "hello"}]
    served = set()
    for i in range(10):
        turns += [{"role": "assistant", "content": "yes?"}, {"role": "user", "content": f"{i}"}]
        served.add(first(one, inbound(messages=list(turns))))
    assert len(served) == 1
