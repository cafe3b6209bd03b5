"""Rules with every default resolved."""

from __future__ import annotations

import pytest

from pilotfish.core.model.snapshot import (
    Affinity,
    CooldownRules,
    HealthRules,
    Hedge,
    Race,
    Retries,
    Rule,
    Timeouts,
)
from small_world import TWO_PROVIDERS, compiled, problem, rule, rule_problem


def test_what_a_rule_does_not_say_has_its_default() -> None:
    found, bare = rule("fallbacks: [openai/x]"), Rule(name="r")
    for key in ("request_model", "scenario", "response_model", "active", "smart", "affinity", "race", "hedge", "fallback_on", "on_stream_break",
                "buffer", "queue_s", "unsupported", "timeouts", "retries", "health", "cooldown", "virtual"):  # fmt: skip
        assert getattr(found, key) == getattr(bare, key), key
    assert found.source == "2.yaml: rules[0]"


def test_a_rule_overrides_the_defaults_number_by_number() -> None:
    text = """
defaults:
  timeouts: {connect_s: 1, idle_s: 2}
  retries: {max_retries: 5, base_ms: 100, max_ms: 2000}
  health: {error_ratio: 0.9}
rules:
- name: r
  fallbacks: [openai/x]
  timeouts: {idle_s: 7}
  retries: {max_retries: 0}
  health: {recovery_timeout_seconds: 30, probe_enabled: false}
  cooldown: {base_delay_s: 5, multiplier: 1, max_delay_s: 5}
"""
    found = compiled(TWO_PROVIDERS, text).rules[0]
    assert found.timeouts == Timeouts(connect_s=1, idle_s=7)
    assert found.retries == Retries(max_retries=0, base_s=0.1, max_s=2.0)
    assert found.health == HealthRules(error_ratio=0.9, probe="none", recovery_timeout_s=30)
    assert found.cooldown == CooldownRules(5, 1, 5)


def test_plain_keys_arrive() -> None:
    found = rule(
        "scenario: claude_code, request_model: 'gpt-*', response_model: '@requested', description: d, active: false, fallbacks: [openai/x],"
        " on_stream_break: restart, buffer: true, queue_ms: 250, unsupported: reject"
    )
    assert (
        found.scenario,
        found.request_model,
        found.response_model,
        found.description,
        found.active,
    ) == (
        "claude_code",
        "gpt-*",
        "@requested",
        "d",
        False,
    )
    assert (found.on_stream_break, found.buffer, found.queue_s, found.unsupported) == (
        "restart",
        True,
        0.25,
        "reject",
    )


def test_fallbacks_are_tiers_after_the_last_one() -> None:
    services = rule(
        "services: [{provider: openai, model: a}, {provider: openai, model: b, tier: 4}], fallbacks: [claude/c, openai/ft:x/y]"
    ).services
    assert [(s.id, s.tier) for s in services] == [
        ("openai/a", 0),
        ("openai/b", 4),
        ("claude/c", 5),
        ("openai/ft:x/y", 6),
    ]


def test_a_fallback_that_is_a_service_already_keeps_its_place() -> None:
    assert [
        (s.id, s.tier)
        for s in rule(
            "services: [{provider: openai, model: a, tier: 1}], fallbacks: [openai/a, claude/c, claude/c]"
        ).services
    ] == [
        ("openai/a", 1),
        ("claude/c", 2),
    ]


def test_a_rule_may_have_fallbacks_only() -> None:
    assert [(s.id, s.tier) for s in rule("fallbacks: [openai/a, claude/b]").services] == [
        ("openai/a", 0),
        ("claude/b", 1),
    ]


@pytest.mark.parametrize("address", ["gpt-4o", "/gpt-4o", "openai/", "nobody/x"])
def test_bad_addresses_of_fallbacks(address: str) -> None:
    assert (
        rule_problem(f"services: [{{provider: openai, model: a}}], fallbacks: ['{address}']")[0]
        == "rules[0].fallbacks[0]"
    )


def test_a_rule_needs_somebody_to_send_to() -> None:
    assert rule_problem("services: []") == (
        "rules[0].services",
        "missing; rule 'r' has nobody to send requests to (line 2)",
    )


def test_a_bad_glob_is_a_problem() -> None:
    path, message = rule_problem("request_model: 'gpt-*[', fallbacks: [openai/x]")
    assert path == "rules[0].request_model"
    assert "never closed" in message


def test_restart_needs_a_buffer() -> None:
    assert (
        rule_problem("fallbacks: [openai/x], on_stream_break: restart")[0]
        == "rules[0].on_stream_break"
    )


def test_affinity() -> None:
    assert rule(
        "fallbacks: [openai/x], affinity: {by: header, header: X-Session-ID, ttl_s: 60}"
    ).affinity == Affinity("header", "x-session-id", 60)
    assert rule("fallbacks: [openai/x], affinity: {by: prefix}").affinity == Affinity("prefix")


@pytest.mark.parametrize(
    "affinity", ["{by: header}", "{by: header, header: 'a b'}", "{by: user, header: x}"]
)
def test_affinity_by_header_needs_just_that_header(affinity: str) -> None:
    assert (
        rule_problem(f"fallbacks: [openai/x], affinity: {affinity}")[0]
        == "rules[0].affinity.header"
    )


def test_a_race() -> None:
    found = rule(
        "fallbacks: [openai/x], race: {strategy: quality, timeout_ms: 3000, grace_period_ms: 0, max_parallel: 3, performance_file: p.json}"
    ).race
    assert found == Race("quality", 3.0, 0.0, 3, "p.json")
    assert rule("fallbacks: [openai/x], race: {}").race == Race()


@pytest.mark.parametrize(
    ("after", "hedge"),
    [
        ("p90", Hedge(None, 0.90)),
        ("p95", Hedge(None, 0.95)),
        ("p99", Hedge(None, 0.99)),
        ("1500", Hedge(1.5)),
        ("0.5", Hedge(0.0005)),
    ],
)
def test_a_hedge_after_a_percentile_or_a_time(after: str, hedge: Hedge) -> None:
    assert rule(f"fallbacks: [openai/x], hedge: {{after: {after}}}").hedge == hedge


def test_hedge_numbers_in_their_units() -> None:
    assert rule(
        "fallbacks: [openai/x], hedge: {after: 2000, min_ms: 250, budget_percent: 10}"
    ).hedge == Hedge(2.0, 0.95, 0.25, 10)


def test_where_a_rule_races_its_hedge_waits() -> None:
    found = rule("fallbacks: [openai/x], race: {}, hedge: {}")
    assert (found.race, found.hedge) == (Race(), None)


BLOCK = "smart_routing: [{ops: [{position: token, operation: ge, value: '9'}], services: [{provider: openai, model: x}]}]"


def test_blocks_count_unless_they_are_switched_off() -> None:
    assert len(rule(f"fallbacks: [openai/x], {BLOCK}").smart) == 1
    assert len(rule(f"fallbacks: [openai/x], smart_enabled: true, {BLOCK}").smart) == 1
    assert rule(f"fallbacks: [openai/x], smart_enabled: false, {BLOCK}").smart == ()


def test_blocks_that_are_switched_off_are_checked_all_the_same() -> None:
    path, message = rule_problem(
        f"fallbacks: [openai/x], smart_enabled: false, {BLOCK.replace('token', 'tokn')}"
    )
    assert path == "rules[0].smart_routing[0].ops[0].position"
    assert message.startswith("unknown position 'tokn'; did you mean 'token'?")


@pytest.mark.parametrize(
    ("op", "key"),
    [
        ("{position: token, operation: glob, value: '9'}", "operation"),
        ("{position: token, operation: ge, value: many}", "value"),
        ("{position: token, operation: ge, value: 9}", "value"),
        ("{position: system, operation: regex, value: '(a'}", "value"),
        ("{position: time, operation: time_range, value: '{}'}", "value"),
    ],
)
def test_bad_operations(op: str, key: str) -> None:
    assert (
        rule_problem(
            f"fallbacks: [openai/x], smart_routing: [{{ops: [{op}], services: [{{provider: openai, model: x}}]}}]"
        )[0]
        == f"rules[0].smart_routing[0].ops[0].{key}"
    )


def test_keys_of_other_tools_in_operations_mean_nothing() -> None:
    op = "{uuid: 1-2, position: thinking, operation: enabled, meta: {description: d, type: bool}}"
    assert (
        len(
            rule(
                f"fallbacks: [openai/x], smart_routing: [{{ops: [{op}], services: [{{provider: openai, model: x}}]}}]"
            ).smart
        )
        == 1
    )


def test_a_virtual_model_is_a_rule_that_races_them_all() -> None:
    text = """
defaults: {timeouts: {total_s: 9}}
virtual_models:
  fastest:
    display_name: Fastest
    description: whoever
    strategy: weighted
    timeout_ms: 4000
    grace_period_ms: 500
    providers: [{name: openai, model: a, priority: 2}, {name: openai, model: b}, {name: claude, model: c}]
"""
    found = compiled(TWO_PROVIDERS, text).virtual_models["fastest"]
    assert (
        found.name,
        found.request_model,
        found.virtual,
        found.display_name,
        found.description,
    ) == (
        "fastest",
        "fastest",
        True,
        "Fastest",
        "whoever",
    )
    assert found.race == Race("weighted", 4.0, 0.5, 3)
    assert [(s.id, s.priority) for s in found.services] == [
        ("openai/a", 2),
        ("openai/b", 0),
        ("claude/c", 0),
    ]
    assert (found.timeouts.total_s, found.tactic is not None) == (9, True)


@pytest.mark.parametrize(
    ("providers", "path"),
    [
        ("[{name: opnai, model: a}]", "providers[0].name"),
        ("[{name: openai}]", "providers[0].model"),
        ("[]", "providers"),
    ],
)
def test_bad_virtual_models(providers: str, path: str) -> None:
    assert (
        problem(TWO_PROVIDERS, f"virtual_models: {{v: {{providers: {providers}}}}}")[0]
        == f"virtual_models.v.{path}"
    )


def test_scenarios_with_flags() -> None:
    """`extensions` are taken as they are, to be shown."""
    scenario = compiled(
        "scenarios: {claude_code: {flags: {separate: true, smart: false}, extensions: {any: [thing]}}}"
    ).scenarios["claude_code"]
    assert scenario.flags == {"separate": True, "smart": False}
    assert scenario.extensions == {"any": ["thing"]}


TAGGED = """providers:
  a: {kind: local, tags: [gpu, eu-west]}
  b: {kind: local, tags: [cpu]}
  c: {kind: local}
"""


def block_of(ops: str) -> str:
    services = ", ".join(f"{{provider: {name}, model: m}}" for name in "abc")
    return (
        "rules: [{name: r, services: [{provider: a, model: m}], "
        f"smart_routing: [{{ops: [{ops}], services: [{services}]}}]}}]"
    )


@pytest.mark.parametrize(
    ("ops", "left"),
    [
        ("{position: tag, operation: equals, value: gpu}", ["a/m"]),
        ("{position: tag, operation: equals, value: eu}", None),
        ("{position: tag, operation: contains, value: eu}", ["a/m"]),
        ("{position: tag, operation: equals, value: gpu, negate: true}", ["b/m", "c/m"]),
        (
            "{position: tag, operation: contains, value: pu}, "
            "{position: tag, operation: equals, value: gpu, negate: true}",
            ["b/m"],
        ),
    ],
)
def test_a_tag_picks_among_the_services_of_a_block(ops: str, left: list[str] | None) -> None:
    if left is None:
        path, message = problem(TAGGED, block_of(ops))
        assert path == "rules[0].smart_routing[0].ops[0].value"
        assert "tags of its providers: gpu, eu-west, cpu" in message
        return
    (block,) = compiled(TAGGED, block_of(ops)).rules[0].smart
    assert [s.id for s in block.services] == left
