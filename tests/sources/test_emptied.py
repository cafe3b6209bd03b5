"""Rules that vanish without anybody saying so are a problem; rules that are taken away are not."""

import pytest

from pilotfish.core.rules.documents import RulesDocument
from pilotfish.sources.emptied import emptied, holding
from small_world import compiled, documents

RULES = """
providers: {p: {kind: local}}
rules: [{name: a, request_model: a, services: [{provider: p, model: m}]}]
"""
PRICES = "prices: {p/m: {input: 1}}"
VIRTUAL = """
providers: {p: {kind: local}}
virtual_models: {fast: {providers: [{name: p, model: m}, {name: p, model: n}]}}
"""


def vanished(before, now):
    """The problems of a change from some files to others; an empty text is an empty file."""
    was = [d for d in named(before) if d.data]
    found = emptied(compiled(*before), holding(was), named(now), compiled(*now))
    return [(p.source, p.path) for p in found]


def named(texts):
    found = {d.source: d for d in documents(*texts)}
    return [found.get(f"{i}.yaml", RulesDocument(f"{i}.yaml", {})) for i, _ in enumerate(texts, 1)]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ((RULES, PRICES), (RULES, "")),
        ((PRICES, RULES), ("", RULES)),
        ((RULES,), ("",)),
        ((RULES,), ("# all gone",)),
    ],
)
def test_a_file_that_held_something_and_is_empty_is_a_problem_of_its_own(before, now):
    (problem,) = vanished(before, now)
    assert now[int(problem[0].partition(".")[0]) - 1] in ("", "# all gone")


@pytest.mark.parametrize("rules", [RULES, VIRTUAL])
@pytest.mark.parametrize("left", ["providers: {p: {kind: local}}", "rules:", "rules: []"])
def test_where_no_rule_at_all_is_left_that_is_a_problem(rules, left):
    (problem,) = vanished((rules, PRICES), (left, PRICES))
    assert problem[1] in ("rules", "")


@pytest.mark.parametrize("at", [0, 1])
def test_allow_empty_says_that_it_is_meant_before_or_now(at):
    meant = ["", ""]
    meant[at] = "allow_empty: true"
    assert vanished((RULES + meant[0],), (meant[1],)) == []


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (("",), ("",)),
        (("",), (RULES,)),
        ((PRICES,), (RULES,)),
        ((RULES, PRICES), (RULES,)),
        ((RULES,), (VIRTUAL,)),
        ((RULES, ""), (RULES, "")),
    ],
)
def test_rules_that_come_stay_or_are_taken_away_with_their_file_are_none(before, now):
    assert vanished(before, now) == []


def test_at_the_start_nothing_can_have_vanished():
    assert emptied(None, frozenset(), [], compiled("")) == []


def test_a_configmap_is_the_same_one_whatever_its_version():
    def document(version, data):
        source = f"configmap:shop/rules@{version}"
        return RulesDocument(f"{source}: a.yaml" if data else source, data, origin=source)

    other = RulesDocument(
        "configmap:shop/more@7: b.yaml", {"rules": [1]}, origin="configmap:shop/more@7"
    )
    held = holding([document(1, {"rules": [2]}), other])
    found = emptied(compiled(RULES), held, [document(2, {}), other], compiled(RULES))
    assert [p.source for p in found] == ["configmap:shop/rules@2"]
