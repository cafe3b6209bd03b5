"""Services of rules: what follows from provider and model, allow-lists, fallbacks' addresses."""

from __future__ import annotations

from pilotfish.core.model.service import Limits
from small_world import compiled, problem, rule, rule_problem


def test_a_service_as_written() -> None:
    (service,) = rule(
        "services: [{provider: openai, model: m, weight: 3, active: false, tier: 2, model_capacity: 7, time_window: 60, limits: {concurrency: 2}}]"
    ).services
    assert (service.id, service.rule, service.weight, service.active, service.tier) == (
        "openai/m",
        "r",
        3,
        False,
        2,
    )
    assert (service.model_capacity, service.time_window_s, service.limits, service.model_json) == (
        7,
        60,
        Limits(concurrency=2),
        b'"m"',
    )


def test_what_is_not_written_has_its_default() -> None:
    (service,) = rule("services: [{provider: openai, model: m}]").services
    assert (
        service.weight,
        service.active,
        service.tier,
        service.time_window_s,
        service.model_capacity,
        service.price,
    ) == (
        1,
        True,
        0,
        300,
        None,
        None,
    )


def test_a_time_window_of_nothing_means_the_default() -> None:
    assert [
        s.time_window_s
        for s in rule(
            "services: [{provider: openai, model: a, time_window: 0}, {provider: openai, model: b, time_window: -5}]"
        ).services
    ] == [300, 300]


def test_facts_of_a_model_family_go_before_the_kinds() -> None:
    services = rule(
        "services: [{provider: openai, model: o1-mini}, {provider: openai, model: gpt-4o}]"
    ).services
    assert [s.quirks.developer_role for s in services] == [False, True]


def test_a_service_without_model_takes_the_providers_default() -> None:
    providers = "providers: {p: {kind: local, default_model: d}}"
    assert (
        compiled(providers, "rules: [{name: r, services: [{provider: p}]}]").rules[0].services[0].id
        == "p/d"
    )


def services_of(rule: str, *more: str) -> list[str]:
    providers = "providers: {p: {kind: local}, q: {kind: local, models: [a, b]}}"
    return [s.id for s in compiled(providers, f"rules: [{rule}]", *more).rules[0].services]


def test_where_nobody_names_a_model_it_is_the_one_that_is_asked_for() -> None:
    glob = "{name: r, request_model: 'a*', services: [{provider: p}, {provider: q, model: '@requested'}], fallbacks: [p/@requested, p/b]}"
    assert services_of(glob) == ["p/@requested", "q/@requested", "p/b"]


def test_a_rule_for_one_model_needs_no_request_to_know_it() -> None:
    exact = "{name: r, scenario: s, request_model: a, services: [{provider: p}], fallbacks: [p/a, q/@requested]}"
    assert services_of(exact) == ["p/a", "q/a"]
    unified = "scenarios: {s: {flags: {unified: true}}}"
    assert services_of(exact, unified) == ["p/@requested", "p/a", "q/@requested"]


def test_a_model_that_is_asked_for_must_be_allowed_where_it_is_known() -> None:
    path, message = problem(
        "providers: {q: {kind: local, models: [a, b]}}",
        "rules: [{name: r, request_model: c, services: [{provider: q}]}]",
    )
    assert path == "rules[0].services[0].model"
    assert message.startswith("provider 'q' does not allow model 'c'")


def test_a_model_off_the_allow_list_is_a_problem() -> None:
    path, message = problem(
        "providers: {p: {kind: local, models: [a, b]}}",
        "rules: [{name: r, services: [{provider: p, model: c}]}]",
    )
    assert path == "rules[0].services[0].model"
    assert message.startswith("provider 'p' does not allow model 'c'; its models: a, b")


def test_an_unknown_provider_suggests_the_near_one() -> None:
    assert rule_problem("services: [{provider: opnai, model: m}]")[1].startswith(
        "unknown provider 'opnai'; did you mean 'openai'? known: claude, openai"
    )


def test_the_same_service_twice_is_a_problem() -> None:
    path, message = rule_problem(
        "services: [{provider: openai, model: m}, {provider: openai, model: m, tier: 1}]"
    )
    assert path == "rules[0].services[1]"
    assert "'openai/m' is given twice, also at 2.yaml: rules[0].services[0], line 2" in message


def test_a_provider_may_take_part_with_several_models() -> None:
    assert [
        s.id
        for s in rule(
            "services: [{provider: openai, model: a}, {provider: openai, model: b}]"
        ).services
    ] == [
        "openai/a",
        "openai/b",
    ]


def test_every_service_may_take_over_unless_it_says_for_what() -> None:
    services = rule(
        "fallback_on: [context_length, content_policy], services: [{provider: openai, model: a},"
        " {provider: openai, model: b, fallback_on: [context_length]}, {provider: openai, model: c, fallback_on: []}], fallbacks: [claude/d]"
    ).services
    both = {"context_length", "content_policy"}
    assert [s.fallback for s in services] == [both, {"context_length"}, set(), both]


def test_a_service_cannot_take_over_for_what_the_rule_does_not_name() -> None:
    assert (
        rule_problem("services: [{provider: openai, model: a, fallback_on: [content_policy]}]")[0]
        == "rules[0].services[0].fallback_on[0]"
    )
