"""From documents to what the store needs to know of them: the compiled rules, and of the documents
only their outlines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pilotfish import providers, tactics
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.rules.changes import entries_of
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.configmap_set import Offered
from pilotfish.core.rules.documents import RulesDocument, documents_of_config_map, or_empty
from pilotfish.errors import Problem, RuleError
from pilotfish.sources.emptied import outlines
from pilotfish.sources.price_catalogue import list_price

# Rules of this size are compiled in a process of their own (`apart`): a tenth of a second's work.
LARGE_BYTES = 48 * 1024


class Judged(NamedTuple):
    """Documents that compile. `outlines`: see `emptied`; `entries`: see `core.rules.changes`."""

    snapshot: Snapshot
    outlines: list[RulesDocument]
    entries: Mapping[str, bytes]


def compiled(documents: Sequence[RulesDocument], allow_inline_secrets: bool) -> Snapshot:
    """Raises RuleError."""
    return compile_documents(
        documents,
        kinds=providers.all_kinds(),
        tactics=tactics.all_tactics(),
        allow_inline_secrets=allow_inline_secrets,
        catalogue=list_price,
    )


def judged(documents: Sequence[RulesDocument], allow_inline_secrets: bool) -> Judged:
    """Raises RuleError."""
    snapshot = compiled(documents, allow_inline_secrets)
    return Judged(snapshot, outlines(documents), entries_of(documents))


def read_configmaps(offered: Sequence[Offered]) -> list[RulesDocument]:
    """All documents in these ConfigMaps. Raises RuleError with the problems of all."""
    documents: list[RulesDocument] = []
    problems: list[Problem] = []
    for one in offered:
        try:
            found = documents_of_config_map(one.source, one.configmap)
            documents += or_empty(one.source, found)
        except RuleError as wrong:
            problems += wrong.problems
    if problems:
        raise RuleError(problems)
    return documents
