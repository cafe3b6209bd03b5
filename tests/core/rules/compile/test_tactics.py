"""Tactics of rules and their parameters."""

from __future__ import annotations

import pytest

from pilotfish.core.rules.compile import compile_documents
from small_world import TWO_PROVIDERS, documents, rule, rule_problem


def test_a_tactic_by_type_and_parameters() -> None:
    tactic = rule(
        "fallbacks: [openai/x], lb_tactic: {type: round_robin, params: {request_threshold: 3}}"
    ).tactic
    assert (tactic.name, tactic.params.request_threshold) == ("round_robin", 3)


@pytest.mark.parametrize("word", ["lb_tactic", "tactic"])
def test_both_words_and_the_short_form_are_taken(word: str) -> None:
    assert rule(f"fallbacks: [openai/x], {word}: round_robin").tactic.name == "round_robin"


def test_adaptive_is_the_default() -> None:
    assert rule("fallbacks: [openai/x]").tactic.name == "adaptive"


def test_both_words_at_once_are_one_too_many() -> None:
    assert (
        rule_problem("fallbacks: [openai/x], tactic: adaptive, lb_tactic: adaptive")[0]
        == "rules[0].tactic"
    )


@pytest.mark.parametrize(
    ("given", "path", "why"),
    [
        (
            "lb_tactic: {type: round_robn}",
            "lb_tactic.type",
            "unknown tactic 'round_robn'; did you mean 'round_robin'?",
        ),
        (
            "tactic: round_robn",
            "tactic",
            "unknown tactic 'round_robn'; did you mean 'round_robin'?",
        ),
        (
            "lb_tactic: {type: adaptive, params: {explor: 1}}",
            "lb_tactic.params.explor",
            "unknown parameter 'explor' of tactic 'adaptive'; did you mean",
        ),
        (
            "lb_tactic: {type: adaptive, params: {explore: 2}}",
            "lb_tactic.params.explore",
            "expected less than or equal to 1, found 2",
        ),
        (
            "lb_tactic: {type: adaptive, params: {explore: '0.5'}}",
            "lb_tactic.params.explore",
            "expected a valid number, found '0.5'",
        ),
        (
            "lb_tactic: {type: adaptive, params: {explore: true}}",
            "lb_tactic.params.explore",
            "expected a valid number, found true",
        ),
    ],
)
def test_bad_tactics_and_parameters(given: str, path: str, why: str) -> None:
    where, message = rule_problem(f"fallbacks: [openai/x], {given}")
    assert where == f"rules[0].{path}"
    assert message.startswith(why)


def test_a_program_without_the_default_tactic_leaves_it_open() -> None:
    snapshot = compile_documents(documents("rules: []"), kinds={}, tactics={})
    assert snapshot.defaults.tactic is None
    assert TWO_PROVIDERS
