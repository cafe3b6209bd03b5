"""What `defaults` say for all rules, and what a rule says otherwise."""

from __future__ import annotations

import pytest

from pilotfish.core.model.snapshot import Affinity, Hedge, Race, Rule, Snapshot
from small_world import TWO_PROVIDERS, compiled, problem

GIVEN = """
defaults:
  on_stream_break: continue
  fallback_on: [content_policy]
  buffer: true
  queue_ms: 250
  unsupported: reject
  hedge: {after: 700}
  race: {strategy: weighted, timeout_ms: 3000, grace_period_ms: 700, max_parallel: 4}
  affinity: {by: user, ttl_s: 60}
  lb_tactic: {type: round_robin, params: {request_threshold: 3}}
"""


def rules(more: str, *, given: str = GIVEN) -> Snapshot:
    return compiled(TWO_PROVIDERS, given, more)


def rule(keys: str = "") -> Rule:
    [found] = rules(f"rules:\n- {{name: r, fallbacks: [openai/x], {keys}}}").rules
    return found


def test_a_rule_that_says_nothing_has_all_of_it() -> None:
    found = rule()
    assert (found.on_stream_break, found.buffer, found.queue_s) == ("continue", True, 0.25)
    assert (found.fallback_on, found.unsupported) == (frozenset({"content_policy"}), "reject")
    assert (found.hedge, found.affinity) == (Hedge(after_s=0.7), Affinity("user", ttl_s=60))
    assert found.tactic is not None
    assert (found.tactic.name, found.tactic.params.request_threshold) == ("round_robin", 3)


def test_a_rule_has_the_last_word_key_by_key() -> None:
    found = rule(
        "on_stream_break: error, fallback_on: [], buffer: false, queue_ms: 0, unsupported: drop,"
        " hedge: {after: p99}, affinity: {by: client_ip}, tactic: adaptive"
    )
    assert (found.on_stream_break, found.buffer, found.queue_s) == ("error", False, 0.0)
    assert (found.fallback_on, found.unsupported) == (frozenset(), "drop")
    assert (found.hedge, found.affinity) == (Hedge(percentile=0.99), Affinity("client_ip"))
    assert found.tactic is not None
    assert found.tactic.name == "adaptive"


def test_a_service_takes_over_for_what_the_defaults_name() -> None:
    [service] = rule().services
    assert service.fallback == frozenset({"content_policy"})


def test_no_rule_races_because_of_the_defaults() -> None:
    assert rule().race is None


def test_a_race_has_the_defaults_numbers_but_for_its_own() -> None:
    found = rule("race: {grace_period_ms: 100}")
    assert found.race == Race("weighted", 3.0, 0.1, 4)
    assert found.hedge is None, "all of a race start at once"


def test_a_virtual_model_races_all_its_services_by_the_defaults_numbers() -> None:
    text = "virtual_models: {v: {providers: [{name: openai, model: a}, {name: claude, model: b}]}}"
    found = rules(text).virtual_models["v"]
    assert found.race == Race("weighted", 3.0, 0.7, 2)
    assert (found.hedge, found.on_stream_break) == (None, "continue")


def test_a_request_addressed_directly_has_the_defaults() -> None:
    assert rules("").defaults.queue_s == 0.25


def test_documents_may_repeat_the_defaults_and_not_contradict_them() -> None:
    assert rules("defaults: {buffer: true, race: {max_parallel: 4}}").defaults.buffer
    path, message = problem(TWO_PROVIDERS, GIVEN, "defaults: {affinity: {by: prefix}}")
    assert path == "defaults.affinity"
    assert message.startswith("contradicts what is said at 2.yaml: defaults.affinity")
    assert problem(TWO_PROVIDERS, GIVEN, "defaults: {race: {max_parallel: 5}}")[0] == (
        "defaults.race.max_parallel"
    )


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("defaults: {on_stream_break: restart}", "defaults.on_stream_break"),
        ("defaults: {lb_tactic: random_walk}", "defaults.lb_tactic"),
        ("defaults: {affinity: {by: header}}", "defaults.affinity.header"),
        (
            "defaults: {on_stream_break: restart, buffer: true}\n"
            "rules: [{name: r, fallbacks: [openai/x], buffer: false}]",
            "rules[0].buffer",
        ),
    ],
)
def test_what_cannot_be_obeyed_is_a_problem_where_it_stands(text: str, path: str) -> None:
    assert problem(TWO_PROVIDERS, text)[0] == path


def test_another_default_is_another_version() -> None:
    assert rules("").version != rules("", given=GIVEN.replace("250", "251")).version
