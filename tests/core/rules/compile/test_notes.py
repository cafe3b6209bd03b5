"""Keys that nothing obeys yet are named, and only those."""

from __future__ import annotations

from pilotfish.core.rules.compile.notes import NOT_YET_OBEYED, notes_of
from small_world import documents

PATTERNS = {
    "rules[].race": "racing",
    "rules[].mode=fast": "modes",
    "virtual_models.*": "races",
    "rules[].services[].limits": "limits",
}


def notes(text: str) -> list[str]:
    (document,) = documents(text)
    return list(notes_of(document, PATTERNS))


def test_every_place_is_named_with_the_work_that_is_missing() -> None:
    text = "rules: [{name: a}, {race: {max_parallel: 2}, services: [{}, {limits: {concurrency: 1}}]}]\nvirtual_models: {v: {x: 1}}"
    assert notes(text) == [
        "1.yaml: rules[1].race: accepted, but not obeyed yet (racing)",
        "1.yaml: virtual_models.v: accepted, but not obeyed yet (races)",
        "1.yaml: rules[1].services[1].limits: accepted, but not obeyed yet (limits)",
    ]


def test_a_value_may_be_what_is_not_obeyed() -> None:
    assert notes("rules: [{mode: slow}, {mode: fast}]") == [
        "1.yaml: rules[1].mode: accepted, but not obeyed yet (modes)"
    ]


def test_what_would_be_so_anyway_is_no_news() -> None:
    assert notes("rules: [{race: }, {race: {}}, {race: false}, {race: 0}]") == []


def test_shapes_that_are_wrong_are_left_to_others() -> None:
    assert notes("rules: {race: 1}\nvirtual_models: [1]") == []


def test_every_pattern_begins_at_a_key_of_the_file() -> None:
    assert {p.split(".")[0].removesuffix("[]") for p in NOT_YET_OBEYED} <= {
        "providers",
        "rules",
        "virtual_models",
        "scenarios",
        "defaults",
        "prices",
    }
