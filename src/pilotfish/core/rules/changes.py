"""What a change of the rules changed, by name: for the status page and the log. Values are compared
by their hashes: some are secrets, and those of large rules would be held only for this.
"""

from __future__ import annotations

import hashlib
import json
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
    "budgets": "budget",
}


class RulesChanges(NamedTuple):
    """Each a list of names such as `rule chat`, `provider openai`, `defaults`."""

    added: list[str]
    removed: list[str]
    changed: list[str]


def changes_between(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> RulesChanges:
    """Between two answers of `entries_of`; where the entries stand does not matter."""
    return RulesChanges(
        [name for name in new if name not in old],
        [name for name in old if name not in new],
        [name for name in new if name in old and new[name] != old[name]],
    )


def entries_of(documents: Iterable[RulesDocument]) -> dict[str, bytes]:
    """The documents' entries by name, each as a hash of its value."""
    found: dict[str, bytes] = {}
    for document in documents:
        for key, value in document.data.items():
            if key == "rules" and isinstance(value, list):
                for index, rule in enumerate(value):
                    found[_rule(rule, index)] = _hash(rule)
            elif key in _NAMED and isinstance(value, Mapping):
                for name, entry in value.items():
                    found[f"{_NAMED[key]} {name}"] = _hash(entry)
            else:
                found[key.replace("_", " ")] = _hash(value)
    return found


def _hash(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).digest()


def _rule(rule: Any, index: int) -> str:
    given = rule if isinstance(rule, Mapping) else {}
    return f"rule {given.get('name') or given.get('uuid') or given.get('request_model') or index}"
