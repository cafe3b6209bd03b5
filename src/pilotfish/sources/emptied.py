"""Finds rules that vanished without anybody saying so: a file that was emptied while it was
written, a ConfigMap whose keys are gone. Such documents are valid, and would leave every client
with 404.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.rules.documents import RulesDocument
from pilotfish.errors import Problem

MEANT = "`allow_empty: true` says that it is meant"


def holding(documents: Iterable[RulesDocument]) -> frozenset[str]:
    """Names of the files and ConfigMaps that hold anything, ConfigMaps without their version."""
    return frozenset(_name(d) for d in documents if any(d.data.values()))


def outlines(documents: Iterable[RulesDocument]) -> list[RulesDocument]:
    """The documents without what they hold: just whether they hold anything, which is all that is
    asked here.
    """
    return [
        RulesDocument(d.source, {"": True} if any(d.data.values()) else {}, origin=d.origin)
        for d in documents
    ]


def emptied(
    before: Snapshot | None, held: frozenset[str], documents: Sequence[RulesDocument], now: Snapshot
) -> list[Problem]:
    """A problem for each document that held something (its name is in `held`) and is empty now, and
    one where no rule at all is left of those in force (`before`). None where `allow_empty` is set,
    in what is in force or in what was read now (`now`, compiled from `documents`).
    """
    if before is None or before.allow_empty or now.allow_empty:
        return []
    full = holding(documents)
    problems = [
        Problem(d.source, "", f"held rules and is empty now, so the rules in force stay; {MEANT}")
        for d in documents
        if _name(d) in held - full
    ]
    count = len(before.rules) + len(before.virtual_models)
    if count and not problems and not now.rules and not now.virtual_models:
        sources = ", ".join(dict.fromkeys(d.source for d in documents))
        gone = f"none of the {count} rules in force is left, so they stay; {MEANT}"
        problems.append(Problem(sources, "rules", gone))
    return problems


def _name(document: RulesDocument) -> str:
    name = document.origin or document.source
    return name.rpartition("@")[0] if name.startswith("configmap:") else name
