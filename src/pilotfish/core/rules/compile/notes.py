"""Keys that are accepted and checked but not obeyed yet. `pilotfish check` lists those in use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pilotfish.core.rules.documents import RulesDocument
from pilotfish.core.rules.yaml_text import join

# Path pattern (`[]` any entry of a list, `*` any name, `=x` only with that value) -> what
# happens instead.
NOT_YET_OBEYED: Mapping[str, str] = {}  # none at present


def notes_of(
    document: RulesDocument, patterns: Mapping[str, str] = NOT_YET_OBEYED
) -> Iterator[str]:
    """A sentence for each such key of a document. Values that change nothing (`queue_ms: 0`,
    `buffer: false`) are left out.
    """
    for pattern, work in patterns.items():
        where, _, wanted = pattern.partition("=")
        for path, value in _found(document.data, re.findall(r"\[\]|[^.\[\]]+", where), ""):
            if (value == wanted) if wanted else bool(value):
                yield f"{document.source}: {path}: accepted, but not obeyed yet ({work})"


def _found(data: Any, steps: list[str], path: str) -> Iterator[tuple[str, Any]]:
    """(path, value) of all values that a pattern, split into steps, matches."""
    if not steps:
        yield path, data
        return
    step, *rest = steps
    if step == "[]" and isinstance(data, list):
        for i, item in enumerate(data):
            yield from _found(item, rest, join(path, i))
    elif step != "[]" and isinstance(data, dict):
        for key in data if step == "*" else [step] if step in data else []:
            yield from _found(data[key], rest, join(path, key))
