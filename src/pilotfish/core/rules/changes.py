"""What a change of the rules changed, by name: for the status page and the log. Values are compared
and never told, since some are secrets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pilotfish.core.rules.documents import RulesDocument

# The singular of each key that holds named entries.
_NAMED = {
    "providers": "provider",
    "scenarios": "scenario",
    "virtual_models": "virtual model",
    "prices": "price",
    "price_lists": "price list",
}


class RulesChanges(NamedTuple):
    """Each a list of names such as `rule chat`, `provider openai`, `defaults`."""

    added: list[str]
    removed: list[str]
    changed: list[str]


def changes_between(
    before: Iterable[RulesDocument], after: Iterable[RulesDocument]
) -> RulesChanges:
    """By the documents' entries; where they stand does not matter."""
    old, new = _entries(before), _entries(after)
    return RulesChanges(
        [name for name in new if name not in old],
        [name for name in old if name not in new],
        [name for name in new if name in old and new[name] != old[name]],
    )


def _entries(documents: Iterable[RulesDocument]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for document in documents:
        for key, value in document.data.items():
            if key == "rules" and isinstance(value, list):
                for index, rule in enumerate(value):
                    found[_rule(rule, index)] = rule
            elif key in _NAMED and isinstance(value, Mapping):
                for name, entry in value.items():
                    found[f"{_NAMED[key]} {name}"] = entry
            else:
                found[key.replace("_", " ")] = value
    return found


def _rule(rule: Any, index: int) -> str:
    given = rule if isinstance(rule, Mapping) else {}
    return f"rule {given.get('name') or given.get('uuid') or given.get('request_model') or index}"
