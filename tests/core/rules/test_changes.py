"""What an edit changed, by name."""

from __future__ import annotations

from typing import Any

from pilotfish.core.rules.changes import changes_between, entries_of
from pilotfish.core.rules.documents import RulesDocument

RULES: dict[str, Any] = {
    "providers": {"openai": {"kind": "openai"}, "claude": {"kind": "anthropic"}},
    "rules": [{"name": "chat", "services": []}, {"request_model": "gpt-*", "services": []}],
    "virtual_models": {"fastest": {"strategy": "first_wins"}},
    "prices": {"openai/gpt": {"input": 1}},
    "defaults": {"retries": {"max_retries": 1}},
}


def changed(**edits: Any) -> tuple[list[str], list[str], list[str]]:
    after = {key: value for key, value in {**RULES, **edits}.items() if value is not None}
    return tuple(  # type: ignore[return-value]
        changes_between(
            entries_of([RulesDocument("a", RULES)]), entries_of([RulesDocument("b", after)])
        )
    )


def test_the_same_rules_elsewhere_are_no_change() -> None:
    assert changed() == ([], [], [])
    halves = [RulesDocument(key, {key: value}) for key, value in reversed(list(RULES.items()))]
    assert changes_between(entries_of([RulesDocument("a", RULES)]), entries_of(halves)) == (
        [],
        [],
        [],
    )


def test_what_goes_comes_and_is_edited_has_its_name() -> None:
    edits = {
        "providers": {"openai": {"kind": "openai", "token": {"env": "KEY"}}, "local": {}},
        "rules": [{"name": "chat", "services": [1]}, {"name": "new"}],
        "virtual_models": None,
        "defaults": {"retries": {"max_retries": 2}},
    }
    assert changed(**edits) == (
        ["provider local", "rule new"],
        ["provider claude", "rule gpt-*", "virtual model fastest"],
        ["provider openai", "rule chat", "defaults"],
    )


def test_no_value_is_told() -> None:
    added, removed, edited = changed(
        providers={"openai": {"token": "sk-a-literal-key"}}, passthrough={"openai": "openai"}
    )
    assert added == ["passthrough"]
    assert not any("sk-" in name for name in (*added, *removed, *edited))


def test_rules_of_a_wrong_shape_have_a_name_all_the_same() -> None:
    broken = RulesDocument("a", {"rules": ["not a rule", {}], "providers": []})
    found = changes_between({}, entries_of([broken]))
    assert found.added == ["rule 0", "rule 1", "providers"]
