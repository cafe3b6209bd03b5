"""Documents in, a snapshot or all problems out. The stories are files: documents above a line of
dashes, the verdict below.

With PILOTFISH_UPDATE_GOLDENS=1 in the environment the verdicts are written anew; read the
difference before you keep it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotfish.core.model.service import Service
from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import RulesDocument, read_text
from pilotfish.errors import Problem, RuleError
from pilotfish.providers import all_kinds
from small_world import KINDS, TACTICS, TWO_PROVIDERS, compiled, problems

GOLDENS = sorted((Path(__file__).parents[3] / "fixtures" / "rules").glob("*.txt"))
LINE = "----------\n"


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda p: p.stem)
def test_golden(golden: Path) -> None:
    above, dashes, below = golden.read_text().partition(LINE)
    assert dashes, f"{golden.name} has no line of dashes"
    found = verdict(above)
    if os.environ.get("PILOTFISH_UPDATE_GOLDENS"):
        golden.write_text(above + LINE + found)
    else:
        assert found == below
    assert "do-not-show" not in found


def verdict(text: str) -> str:
    files = re.split(r"^# file: (.+)\n", text, flags=re.MULTILINE)[1:]
    readings = [
        read_text(name, content) for name, content in zip(files[::2], files[1::2], strict=True)
    ]
    lines = [repr(p) for reading in readings for p in reading.problems]
    try:
        documents = [d for reading in readings for d in reading.documents]
        snapshot = compile_documents(documents, kinds={**all_kinds(), **KINDS}, tactics=TACTICS)
    except RuleError as error:
        lines += map(repr, error.problems)
    else:
        lines = lines or told(snapshot)
    return "".join(f"{line}\n" for line in lines)


def told(snapshot: Snapshot) -> list[str]:
    lines = [f"good: {' '.join(snapshot.sources) or 'nothing'}"]
    lines += [
        f"provider {p.name}: {p.kind.name} {p.style} {p.base} {', '.join(map(str, p.tokens))}"
        for p in snapshot.providers.values()
    ]
    for rule in [*snapshot.rules, *snapshot.virtual_models.values()]:
        lines += [
            f"{'virtual model' if rule.virtual else 'rule'} {rule.name}: {rule.scenario or 'any'} {rule.request_model}, {numbers(rule)}"
        ]
        lines += [f"  {service_line(s)}" for s in rule.services]
        lines += [
            f"  block {b.index}: {' and '.join(op.text for op in b.ops)} -> {', '.join(s.id for s in b.services)}"
            for b in rule.smart
        ]
    return lines


def numbers(rule: Rule) -> str:
    return f"connect {rule.timeouts.connect_s:g} s, {rule.retries.max_retries} retries"


def service_line(s: Service) -> str:
    return f"tier {s.tier}: {s.id} weight {s.weight:g}{f' price {s.price.input:g}/{s.price.output:g}' if s.price else ''}"


# Text made of the file's own words, with values of every kind in every place: what is wrong must be
# told, never raised.
WORDS = ["rules", "providers", "defaults", "name", "services", "provider", "model", "kind", "openai", "cloud", "token", "tokens", "env", "options", "headers",
         "timeouts", "total_s", "smart_routing", "ops", "position", "operation", "value", "virtual_models", "fallbacks", "lb_tactic", "type", "params",
         "affinity", "by", "header", "hedge", "after", "race", "prices", "scenarios", "flags", "request_model", "base_url", "api_base", "openai/x", "x*[", "", "a b"]  # fmt: skip
KEYS = st.sampled_from(WORDS)
LEAVES = st.one_of(
    KEYS, st.none(), st.booleans(), st.integers(-2, 2), st.floats(), st.text(max_size=3)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
RULES = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        (
            "name",
            "services",
            "fallbacks",
            "smart_routing",
            "lb_tactic",
            "hedge",
            "affinity",
            "request_model",
            "timeouts",
        ),
        TREES,
    ),
)
PROVIDERS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["openai", "cloud", "openai_compatible", "x"])},
    optional=dict.fromkeys(
        ("token", "options", "headers", "api_base", "oauth_detail", "models"), TREES
    ),
)
DATA = st.fixed_dictionaries(
    {},
    optional={
        "rules": st.one_of(TREES, st.lists(RULES, max_size=3)),
        "providers": st.one_of(TREES, st.dictionaries(KEYS, PROVIDERS, max_size=3)),
        **dict.fromkeys(
            ("defaults", "virtual_models", "prices", "scenarios", "default_virtual_model", "rule"),
            TREES,
        ),
    },
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(DATA)
def test_whatever_a_document_holds_problems_are_told_and_nothing_else_is_raised(
    data: dict[str, object],
) -> None:
    found: list[Problem] = []
    try:
        version = compile_documents(
            [RulesDocument("f", data)], kinds=KINDS, tactics=TACTICS
        ).version
    except RuleError as error:
        version, found = "", error.problems
    assert bool(version) is not bool(found)
    assert all(p.source == "f" and p.message for p in found)


def test_there_are_goldens() -> None:
    assert len(GOLDENS) > 10


ONE = (
    TWO_PROVIDERS
    + "rules: [{name: a, request_model: m, services: [{provider: openai, model: x, weight: 1}]}]"
)


def test_the_version_does_not_depend_on_formatting() -> None:
    other = '{"rules": [{"services": [{"weight": 1.0, "model": "x", "provider": "openai"}], "name": "a", "request_model": "m"}]}'
    assert compiled(ONE).version == compiled(TWO_PROVIDERS, other).version
    assert re.fullmatch("[0-9a-f]{12}", compiled(ONE).version)


def test_the_version_does_not_depend_on_the_order_of_documents() -> None:
    second = "rules: [{name: b, request_model: n, services: [{provider: claude, model: y}]}]"
    assert compiled(ONE, second).version == compiled(second, ONE).version


def test_the_version_changes_with_the_order_of_rules_that_take_the_same_requests() -> None:
    """Between two rules for one model the file's order decides, so it is part of the meaning."""
    second = "rules: [{name: b, request_model: m, services: [{provider: claude, model: y}]}]"
    assert compiled(ONE, second).version != compiled(second, ONE).version


@pytest.mark.parametrize(
    "change",
    [
        ("weight: 1", "weight: 2"),
        ("model: x", "model: z"),
        ("name: a", "name: b"),
        ("env: OPENAI_API_KEY", "env: OTHER"),
    ],
)
def test_the_version_changes_with_the_meaning(change: tuple[str, str]) -> None:
    assert compiled(ONE).version != compiled(ONE.replace(*change)).version


def test_inactive_rules_take_nothing_but_are_still_known() -> None:
    snapshot = compiled(
        TWO_PROVIDERS,
        "rules: [{name: a, request_model: m, active: false, services: [{provider: openai, model: x}]}]",
    )
    assert snapshot.exact == {}
    assert [r.name for r in snapshot.rules] == ["a"]


def test_globs_go_from_the_most_to_the_least_specific_and_file_order_breaks_ties() -> None:
    services = "services: [{provider: openai, model: x}]"
    names = ["*", "gpt-*", "*-4om", "gpt-4*", "?pt-*"]
    text = "rules:\n" + "\n".join(
        f"- {{name: r{i}, request_model: '{g}', {services}}}" for i, g in enumerate(names)
    )
    assert [r.request_model for r, _ in compiled(TWO_PROVIDERS, text).globs] == [
        "gpt-4*",
        "gpt-*",
        "*-4om",
        "?pt-*",
        "*",
    ]


def test_a_price_without_a_provider_serves_all_of_them() -> None:
    prices = "prices: {x: {input: 1}, claude/x: {input: 2}, meta-llama/Llama-3: {input: 3}}"
    rule = "rules: [{name: a, services: [{provider: openai, model: x}, {provider: claude, model: x}, {provider: openai, model: meta-llama/Llama-3}]}]"
    services = compiled(TWO_PROVIDERS, prices, rule).rules[0].services
    assert [s.price.input for s in services if s.price] == [1, 2, 3]


def test_sources_are_files_and_config_maps_each_once() -> None:
    config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a.yaml: 'rules: []', b.yaml: 'rules: []'}\n"
    assert compiled(config_map, "rules: []\n---\nproviders: {}").sources == ("1.yaml", "2.yaml")


def test_problems_come_document_by_document_from_top_to_bottom() -> None:
    first = "rules:\n- {name: a, services: [{provider: opnai}]}\nx: 1"
    second = "y: 1\nproviders: {openai: {kind: openai, no_key_required: true}}"
    assert [(p.source, p.path) for p in problems(first, second)] == [
        ("1.yaml", "rules[0].services[0].provider"),
        ("1.yaml", "x"),
        ("2.yaml", "y"),
    ]


def test_an_unknown_default_virtual_model_is_a_problem() -> None:
    assert [p.path for p in problems("default_virtual_model: x")] == ["default_virtual_model"]


def test_the_defaults_serve_requests_addressed_directly() -> None:
    defaults = compiled("defaults: {timeouts: {total_s: 9}}").defaults
    assert (defaults.timeouts.total_s, defaults.timeouts.connect_s) == (9, 5)
    assert defaults.tactic is not None
