"""Several documents become one."""

from __future__ import annotations

from small_world import TWO_PROVIDERS, compiled, problem, problems


def test_documents_add_up() -> None:
    snapshot = compiled(
        TWO_PROVIDERS,
        "rules: [{name: a, fallbacks: [openai/x]}]",
        "rules: [{name: b, fallbacks: [claude/y]}]",
    )
    assert [r.name for r in snapshot.rules] == ["a", "b"]
    assert snapshot.sources == ("1.yaml", "2.yaml", "3.yaml")


def test_a_name_given_twice_names_both_places() -> None:
    path, message = problem(
        TWO_PROVIDERS,
        "rules:\n- {name: a, fallbacks: [openai/x]}",
        "rules:\n- {name: a, fallbacks: [openai/x]}",
    )
    assert path == "rules[0].name"
    assert message == "rule 'a' is given twice, also at 2.yaml: rules[0].name, line 2 (line 2)"


def test_a_uuid_is_a_name_too() -> None:
    assert (
        problem(
            TWO_PROVIDERS,
            "rules: [{uuid: a, fallbacks: [openai/x]}, {name: a, fallbacks: [openai/x]}]",
        )[0]
        == "rules[1].name"
    )


def test_rules_without_a_name_are_numbered_and_never_take_anothers_name() -> None:
    snapshot = compiled(
        TWO_PROVIDERS,
        "rules: [{name: rule-2, fallbacks: [openai/x]}, {fallbacks: [openai/x]}, {fallbacks: [openai/x]}]",
    )
    assert [r.name for r in snapshot.rules] == ["rule-2", "rule-2x", "rule-3"]


def test_a_rule_and_a_virtual_model_cannot_have_one_name() -> None:
    text = "rules: [{name: a, fallbacks: [openai/x]}]\nvirtual_models: {a: {providers: [{name: openai, model: x}]}}"
    assert "'a' is given twice" in problem(TWO_PROVIDERS, text)[1]


def test_defaults_may_be_spread_over_documents_and_repeated() -> None:
    snapshot = compiled(
        "defaults: {timeouts: {connect_s: 2}}",
        "defaults: {timeouts: {connect_s: 2.0, idle_s: 3}, cooldown: {multiplier: 2}}",
    )
    assert (
        snapshot.defaults.timeouts.connect_s,
        snapshot.defaults.timeouts.idle_s,
        snapshot.defaults.cooldown.multiplier,
    ) == (2, 3, 2)


def test_defaults_may_not_contradict() -> None:
    path, message = problem(
        "defaults: {health: {probe_enabled: true}}", "defaults: {health: {probe_enabled: false}}"
    )
    assert path == "defaults.health.probe_enabled"
    assert "contradicts True at 1.yaml: defaults.health.probe_enabled, line 1" in message


def test_the_default_virtual_model_may_be_repeated_but_not_contradicted() -> None:
    virtual = (
        TWO_PROVIDERS
        + "virtual_models: {v: {providers: [{name: openai, model: x}]}, w: {providers: [{name: openai, model: x}]}}\n"
    )
    assert problems(virtual, "default_virtual_model: v", "default_virtual_model: v") == []
    assert (
        problem(virtual, "default_virtual_model: v", "default_virtual_model: w")[0]
        == "default_virtual_model"
    )


def test_a_provider_given_again_is_looked_at_all_the_same() -> None:
    found = problems(TWO_PROVIDERS, "providers: {openai: {kind: nothing}}")
    assert [p.path for p in found] == ["providers.openai", "providers.openai.kind"]
