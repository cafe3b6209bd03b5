"""The shape of one document: every problem in plain words, and the rest goes on."""

from __future__ import annotations

import pytest

from pilotfish.core.rules.compile.findings import Findings
from pilotfish.core.rules.compile.validate import check
from pilotfish.core.rules.schema.document import RulesFile
from small_world import TWO_PROVIDERS, documents, problems, rule_problem


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ("services: [{provider: openai, model: x, weight: '3'}]", "services[0].weight", "expected a number, found '3'"),
        ("services: [{provider: openai, model: x, weight: true}]", "services[0].weight", "expected a number, found true"),
        ("services: [{provider: openai, model: x, weight: -1}]", "services[0].weight", "expected at least 0, found -1"),
        ("services: [{provider: openai, model: x, tier: 1.5}]", "services[0].tier", "expected a whole number, found 1.5"),
        ("services: [{provider: openai, model: x, tier: true}]", "services[0].tier", "expected a whole number, found true"),
        ("services: [{provider: openai, model: 4}]", "services[0].model", "expected text, found 4; put it in quotes"),
        ("services: [{provider: openai, model: x, active: 'no'}]", "services[0].active", "expected true or false, found 'no'"),
        ("services: [{provider: openai, model: x, activ: true}]", "services[0].activ", "unknown key 'activ'; did you mean 'active'? known: "),
        ("services: {provider: openai}", "services", "expected a list, found an object"),
        ("services: [openai/x]", "services[0]", "expected an object, found 'openai/x'"),
        ("services: [{model: x}]", "services[0].provider", "missing; expected text"),
        ("fallbacks: [openai/x], timeouts: {connect_s: 0}", "timeouts.connect_s", "expected more than 0, found 0"),
        ("fallbacks: [openai/x], retries: {jitter: 2}", "retries.jitter", "expected at most 1, found 2"),
        ("fallbacks: [openai/x], retries: {max_retries: -1}", "retries.max_retries", "expected at least 0, found -1"),
        ("fallbacks: [openai/x], unsupported: ignore", "unsupported", "expected 'safe', 'drop' or 'reject', found 'ignore'"),
        ("fallbacks: [openai/x], on_stream_break: off", "on_stream_break", "expected 'error', 'continue' or 'restart', found 'off'"),
        ("fallbacks: [openai/x], hedge: {after: soon}", "hedge.after", "expected 'p90', 'p95' or 'p99' or a number, found 'soon'"),
        ("fallbacks: [openai/x], scenario: 'my scenario'", "scenario", "expected a name of letters"),
        ("fallbacks: [openai/x], response_model: ''", "response_model", "expected text that is not empty, found ''"),
        ("fallbacks: [openai/x], timeouts: {idle_s: .inf}", "timeouts.idle_s", "expected a number, found '.inf'"),
        ("fallbacks: [openai/x], timeouts: {idle_s: 1.0e999}", "timeouts.idle_s", "expected a finite number, found inf"),
        (f"fallbacks: [openai/x], response_model: {'x' * 201}", "response_model", "expected at most 200 characters, found "),
        ("fallbacks: [openai/x], lb_tactic: 3", "lb_tactic", "expected an object, found 3"),
        ("fallbacks: [openai/x], race: {max_parallel: 1}", "race.max_parallel", "expected at least 2, found 1"),
        ("fallbacks: [openai/x], smart_routing: [{ops: [], services: [{provider: openai, model: x}]}]", "smart_routing[0].ops", "expected at least 1 entry"),
    ],
)  # fmt: skip
def test_problems_say_what_was_found_and_expected(body: str, path: str, message: str) -> None:
    where, said = rule_problem(body)
    assert where == f"rules[0].{path}"
    assert said.startswith(message)


def test_names_that_no_header_can_carry_are_refused() -> None:
    found = problems(
        "rules: [{name: \"a\\nb\", fallbacks: [x/y]}, {name: 'grün', fallbacks: [x/y]}]"
    )
    assert [p.path for p in found if p.path.endswith("name")] == ["rules[0].name", "rules[1].name"]


def test_a_provider_of_a_bad_name_is_a_problem_of_its_own() -> None:
    (found,) = problems(
        "providers: {a/b: {kind: local}}\nrules: [{name: r, fallbacks: [], services: [{provider: a/b, model: x}]}]"
    )
    assert found.path == "providers.a/b"


def test_a_wrong_entry_does_not_hide_the_others_nor_move_their_numbers() -> None:
    text = "rules:\n- {name: r, services: [{model: a}, {provider: opnai, model: b}, 3, {provider: cloude, model: c}]}"
    assert sorted(p.path for p in problems(TWO_PROVIDERS, text)) == [
        "rules[0].services[0].provider",
        "rules[0].services[1].provider",
        "rules[0].services[2]",
        "rules[0].services[3].provider",
    ]


def test_wrong_rules_do_not_move_the_others_numbers() -> None:
    text = "rules: [3, {name: a, fallbacks: [opnai/x]}, {nam: 1}, {name: a, fallbacks: [openai/x]}]"
    assert sorted(p.path for p in problems(TWO_PROVIDERS, text)) == [
        "rules[0]",
        "rules[1].fallbacks[0]",
        "rules[2].nam",
        "rules[2].services",
        "rules[3].name",
    ]


def test_many_wrong_entries_are_left_out_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pass validates the whole document again; a pass for each of thousands of entries would
    stop the proxy for seconds.
    """
    passes = []
    validate = RulesFile.model_validate
    monkeypatch.setattr(
        RulesFile, "model_validate", lambda data: (passes.append(1), validate(data))[1]
    )
    text = "rules: [3, {name: a, fallbacks: [opnai/x]}, {services: [4, {provider: cloude, model: x}, 5, 6]}, 7, 8, {name: a, fallbacks: [openai/x]}]"
    assert sorted(p.path for p in problems(TWO_PROVIDERS, text)) == [
        "rules[0]",
        "rules[1].fallbacks[0]",
        "rules[2].services[0]",
        "rules[2].services[1].provider",
        "rules[2].services[2]",
        "rules[2].services[3]",
        "rules[3]",
        "rules[4]",
        "rules[5].name",
    ]
    assert len(passes) == 3


def test_what_is_left_out_causes_no_further_problem() -> None:
    """A rule whose only service is wrong is not said to have none."""
    found = problems(
        TWO_PROVIDERS, "rules: [{name: r, services: [{model: y}]}, {name: q, services: 3}]"
    )
    assert [p.path for p in found] == ["rules[0].services[0].provider", "rules[1].services"]


def test_blocks_keep_their_numbers_in_what_is_compiled() -> None:
    text = "rules: [{name: r, fallbacks: [openai/x], smart_routing: [{ops: 3}, {ops: [{position: tokn, operation: ge}], services: [{provider: openai, model: x}]}]}]"
    assert "rules[0].smart_routing[1].ops[0].position" in [
        p.path for p in problems(TWO_PROVIDERS, text)
    ]


def test_keys_with_nothing_after_them_are_as_good_as_absent() -> None:
    assert problems("rules:\nproviders:\ndefaults:\n  timeouts:\n") == []


def test_text_that_may_be_a_secret_is_never_repeated() -> None:
    text = "providers: {a: {kind: openai, token: {env: [hush]}, headers: {x: [hush]}, proxy_url: [hush], options: hush, oauth_detail: {access_token: 17171717}, api_base: 17171717}}"
    found = problems(text)
    assert len(found) >= 6
    assert not any("hush" in p.message or "17171717" in p.message for p in found)


def test_a_good_document_is_checked_in_one_go() -> None:
    findings = Findings(["1.yaml"])
    (document,) = documents("rules: [{name: a}]")
    checked = check(document, findings)
    assert (len(findings), checked.indices, checked.spec.rules[0].name) == (0, {}, "a")
    assert checked.at("rules", 0).path == "rules[0]"
