"""Places, problems and near names."""

from __future__ import annotations

from pilotfish.core.rules.compile.findings import Findings, Place, line_of, unknown
from pilotfish.core.rules.documents import RulesDocument

DOCUMENT = RulesDocument("f", {}, {"": 1, "rules": 3, "rules[0]": 4})


def test_a_place_knows_the_line_of_the_nearest_thing_around_it() -> None:
    assert line_of(DOCUMENT.lines, "rules[0].services[2].model") == 4
    assert line_of(DOCUMENT.lines, "prices.x") == 0
    assert str(Place(DOCUMENT, "rules[0].name")) == "f: rules[0].name, line 4"
    assert str(Place(RulesDocument("g", {}), "x")) == "g: x"


def test_the_same_problem_is_said_once() -> None:
    findings = Findings(["f"])
    for _ in range(2):
        findings.add(Place(DOCUMENT).at("rules", 0, "name"), "is wrong")
    assert [repr(p) for p in findings.problems()] == ["f: rules[0].name: is wrong (line 4)"]
    assert len(findings) == 1


def test_what_validation_took_away_is_not_missed() -> None:
    findings = Findings(["f"])
    place = Place(DOCUMENT, "providers.a", frozenset({"providers.a.token.env", "providers.b"}))
    findings.absent(place.at("token"), "missing")
    findings.absent(Place(DOCUMENT, "providers.b", place.removed), "missing")
    assert findings.problems() == []
    findings.absent(place.at("tok"), "missing")
    assert len(findings.problems()) == 1


def test_a_near_name_is_suggested() -> None:
    assert (
        unknown("provider", "opnai", ["openai", "claude"])
        == "unknown provider 'opnai'; did you mean 'openai'? known: claude, openai"
    )
    assert (
        unknown("provider", "OpenAI", ["openai"])
        == "unknown provider 'OpenAI'; did you mean 'openai'? known: openai"
    )
    assert (
        unknown("option", "zzz", ["a"], "of kind 'x'")
        == "unknown option 'zzz' of kind 'x'; known: a"
    )
    assert unknown("provider", "a", []) == "unknown provider 'a'; known: none"


def test_a_long_list_of_known_names_is_cut() -> None:
    assert unknown("provider", "zzz", [f"name-{i:02}" for i in range(40)]).endswith(
        "name-29 and 10 more"
    )
