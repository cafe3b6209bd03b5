"""Which rule takes a request."""

from __future__ import annotations

import pytest

from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.routing.match import (
    DIRECT,
    Match,
    direct_rule,
    known_models,
    match,
    match_moderation,
    routes_smartly,
)
from pilotfish.core.rules.compile import compile_documents
from pilotfish.errors import ClientError
from pilotfish.providers import all_kinds
from pilotfish.tactics import all_tactics
from small_world import TWO_PROVIDERS, compiled, documents


def world(*rules: str, more: str = "") -> Snapshot:
    lines = [f"- {{{r}, services: [{{provider: openai, model: x}}]}}" for r in rules]
    return compiled(
        TWO_PROVIDERS, "rules:\n" + "\n".join(lines) + "\n" if lines else "rules: []\n", more
    )


def taken(snapshot: Snapshot, model: str, scenario: str = "openai") -> str | None:
    found = match(snapshot, scenario=scenario, model=model)
    return found.rule.name if found and found.rule else None


def why(snapshot: Snapshot, model: str, scenario: str = "openai") -> str:
    found = match(snapshot, scenario=scenario, model=model)
    assert found is not None
    return found.why


def test_an_exact_name_wins_over_every_glob() -> None:
    snapshot = world("name: glob, request_model: 'gpt-4*'", "name: exact, request_model: gpt-4o")
    assert taken(snapshot, "gpt-4o") == "exact"
    assert why(snapshot, "gpt-4o") == "request_model 'gpt-4o' is equal"


def test_a_longer_glob_wins_over_a_shorter_one() -> None:
    snapshot = world(
        "name: any, request_model: '*'",
        "name: gpt, request_model: 'gpt-*'",
        "name: four, request_model: 'gpt-4*'",
    )
    assert [taken(snapshot, m) for m in ("gpt-4o", "gpt-3", "o3")] == ["four", "gpt", "any"]
    assert why(snapshot, "gpt-4o") == "request_model glob 'gpt-4*' matches"


def test_a_unified_scenario_gives_everything_to_its_first_rule() -> None:
    rules = (
        "name: any, request_model: m",
        "name: first, request_model: x, scenario: code",
        "name: second, request_model: m, scenario: code",
    )
    bare = world(*rules, more="scenarios: {code: {}}")
    assert taken(bare, "m", "code") == "second", "without a flag rules match by model"
    unified = world(*rules, more="scenarios: {code: {flags: {unified: true}}}")
    assert taken(unified, "m", "code") == "first"
    assert (
        why(unified, "m", "code") == "scenario 'code' is unified: its first rule takes every model"
    )
    assert taken(unified, "m", "openai") == "any"
    apart = world(*rules, more="scenarios: {code: {flags: {unified: true, separate: true}}}")
    assert taken(apart, "m", "code") == "second"


def test_a_scenario_may_leave_smart_routing_aside() -> None:
    snapshot = world(
        "name: any, request_model: m", more="scenarios: {code: {flags: {smart: false}}, chat: {}}"
    )
    assert [routes_smartly(snapshot, scenario) for scenario in ("code", "chat", "openai")] == [
        False,
        True,
        True,
    ]


def test_among_equals_the_one_of_this_scenario_wins() -> None:
    snapshot = world(
        "name: any, request_model: m", "name: code, request_model: m, scenario: claude_code"
    )
    assert taken(snapshot, "m", "claude_code") == "code"
    assert taken(snapshot, "m", "openai") == "any"


def test_among_equal_globs_too() -> None:
    snapshot = world(
        "name: any, request_model: 'm*'", "name: code, request_model: 'm*', scenario: claude_code"
    )
    assert taken(snapshot, "m", "claude_code") == "code"
    assert taken(snapshot, "m", "openai") == "any"


def test_a_rule_of_another_scenario_takes_nothing() -> None:
    snapshot = world(
        "name: code, request_model: m, scenario: claude_code",
        "name: codes, request_model: 'm*', scenario: claude_code",
    )
    assert match(snapshot, scenario="openai", model="m") is None


def test_an_exact_rule_of_another_scenario_leaves_the_request_to_a_glob() -> None:
    snapshot = world(
        "name: code, request_model: m, scenario: claude_code", "name: any, request_model: 'm*'"
    )
    assert taken(snapshot, "m") == "any"


def test_the_first_of_two_that_are_equal_in_all_serves() -> None:
    assert taken(world("name: a, request_model: m", "name: b, request_model: m"), "m") == "a"


def test_inactive_rules_take_nothing() -> None:
    snapshot = world("name: off, request_model: m, active: false", "name: on, request_model: '*'")
    assert taken(snapshot, "m") == "on"


def test_a_rule_without_request_model_takes_any_model() -> None:
    assert taken(world("name: all"), "whatever") == "all"


VIRTUAL = (
    "virtual_models: {fastest: {providers: [{name: openai, model: a}, {name: claude, model: b}]}}\n"
)


def test_virtual_models_come_after_rules() -> None:
    snapshot = world("name: m, request_model: 'fast*'", more=VIRTUAL)
    assert taken(snapshot, "fastest") == "m"
    assert why(world(more=VIRTUAL), "fastest") == "'fastest' is a virtual model"


def test_provider_and_model_come_after_rules_and_before_the_default() -> None:
    snapshot = world(
        "name: m, request_model: 'openai/gpt-4*'", more=VIRTUAL + "default_virtual_model: fastest"
    )
    assert taken(snapshot, "openai/gpt-4o") == "m"
    assert match(snapshot, scenario="openai", model="openai/ft:o3/mine") == Match(
        None, "no rule matches, and 'openai' is a provider", ("openai", "ft:o3/mine")
    )
    assert taken(snapshot, "nobody/gpt-4o") == "fastest"
    assert taken(snapshot, "openai/") == "fastest"
    assert why(snapshot, "other") == "no rule matches, and 'fastest' is the default virtual model"


def test_nobody_takes_what_nobody_knows() -> None:
    assert match(world("name: m, request_model: m"), scenario="openai", model="other") is None
    assert match(Snapshot(), scenario="openai", model="") is None


def test_who_is_known_to_nobody_hears_who_is() -> None:
    snapshot = world("name: a, request_model: gpt-4o", "name: b, request_model: gpt-4*")
    assert known_models(snapshot, scenario="openai", model="gpt-5") == "known: gpt-4*, gpt-4o"
    assert known_models(Snapshot(), scenario="openai", model="x") == "known: none"


def test_models_of_other_scenarios_are_not_known_but_the_own_one_is_said_to_be_there() -> None:
    snapshot = world(
        "name: a, request_model: opus, scenario: claude_code",
        "name: b, request_model: off, active: false",
        "name: c, request_model: 'opus*', scenario: anthropic",
    )
    assert known_models(snapshot, scenario="openai", model="opus") == (
        "known: none (this model is known in scenario 'anthropic', 'claude_code')"
    )


def test_a_long_list_of_models_is_cut() -> None:
    snapshot = world(*(f"name: r{i}, request_model: m{i:02}" for i in range(25)))
    known = known_models(snapshot, scenario="openai", model="x")
    assert known.startswith("known: m00, m01, ")
    assert known.endswith("m19 and 5 more")


PROVIDERS = """
providers:
  open: {kind: openai, no_key_required: true}
  few: {kind: openai, no_key_required: true, models: [a]}
  off: {kind: openai, no_key_required: true, enabled: false}
defaults: {timeouts: {total_s: 7}, retries: {max_retries: 0}}
prices: {open/a: {input: 3}}
"""


def test_a_direct_rule_has_the_one_service_and_the_defaults() -> None:
    rule = direct_rule(compiled(PROVIDERS), "open", "a")
    assert (rule.name, [s.id for s in rule.services], rule.services[0].model_json) == (
        DIRECT,
        ["open/a"],
        b'"a"',
    )
    assert (rule.timeouts.total_s, rule.retries.max_retries, rule.tactic is not None) == (
        7,
        0,
        True,
    )
    assert rule.services[0].price is not None


@pytest.mark.parametrize(
    ("provider", "model", "said"),
    [("few", "b", "does not allow model 'b'"), ("off", "a", "is disabled")],
)
def test_a_provider_that_does_not_serve_it_says_so(provider: str, model: str, said: str) -> None:
    with pytest.raises(ClientError, match=said) as caught:
        direct_rule(compiled(PROVIDERS), provider, model)
    assert caught.value.status == 404


def test_a_model_on_the_allow_list_goes_through() -> None:
    assert direct_rule(compiled(PROVIDERS), "few", "a").services[0].id == "few/a"


# ---- moderations that name no model


def moderated(*texts: str) -> tuple[str, tuple[str, str] | None] | None:
    snapshot = compile_documents(documents(*texts), kinds=all_kinds(), tactics=all_tactics())
    found = match_moderation(snapshot, scenario="openai")
    return found and (found.rule.name if found.rule else "", found.direct)


ONE = "providers: {o: {kind: openai, token: {env: A}}, c: {kind: anthropic, token: {env: B}}}"
LOCAL = (
    "providers: {l: {kind: openai_compatible, api_base: 'http://l:1/v1', no_key_required: true}}"
)


def test_a_moderation_without_a_model_goes_by_the_vendors_default_or_to_who_has_moderations() -> (
    None
):
    named = "rules: [{name: m, request_model: 'omni-*', services: [{provider: o}]}]"
    assert moderated(ONE, named) == ("m", None)
    assert moderated(ONE) == ("", ("o", ""))
    assert moderated(ONE, LOCAL) == ("", ("o", "")), "the vendor itself goes before other servers"
    assert moderated(LOCAL) == ("", ("l", ""))
    assert moderated("providers: {c: {kind: anthropic, token: {env: B}}}") is None
    assert moderated(ONE.replace("token: {env: A}", "token: {env: A}, models: [x]", 1)) is None
    two = "providers: {p: {kind: openai, token: {env: A}}}"
    assert moderated(ONE, two) is None, "nobody knows which one is meant"
