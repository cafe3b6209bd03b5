"""Keeps the rules in force: compiles what sources bring, adopts what is good, and remembers what
was wrong with the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.rules.changes import RulesChanges, changes_between
from pilotfish.core.rules.documents import RulesDocument
from pilotfish.errors import Problem, RuleError
from pilotfish.sources.emptied import emptied, holding
from pilotfish.sources.judging import Judged, judged
from pilotfish.telemetry import series as s
from pilotfish.telemetry.registry import Registry

log = structlog.get_logger(__name__)
LOGGED_NAMES = 100


class RulesStore:
    """`adopt` is called with each new snapshot. `problems` are those of the documents read last;
    empty: they are in force.
    """

    def __init__(
        self,
        adopt: Callable[[Snapshot], None],
        registry: Registry,
        *,
        unmet: Callable[[Snapshot], list[Problem]],
        warnings: Callable[[Snapshot], list[Problem]],
        allow_inline_secrets: bool,
    ) -> None:
        self.snapshot: Snapshot | None = None
        self.problems: list[Problem] = []
        self.applied_at: float | None = None
        self._source: tuple[bool, float] | None = None  # readable or not, and since when
        self.changes: RulesChanges | None = None  # of the last change; None: there was none
        self._entries: Mapping[str, bytes] = {}
        self._adopt, self._registry = adopt, registry
        self._unmet, self._warnings = unmet, warnings
        self.allow_inline_secrets = allow_inline_secrets
        self._held: frozenset[str] = frozenset()  # the files and ConfigMaps in force
        for result in ("applied", "rejected"):
            registry[s.RELOADS].counter(result)
        registry[s.SOURCE_CONNECTED].gauge()
        self._count_entries(0, 0, 0)

    def apply(self, documents: Sequence[RulesDocument]) -> bool:
        """True if these documents are in force now. A document that does not validate changes
        nothing.
        """
        try:
            found = judged(documents, self.allow_inline_secrets)
        except RuleError as e:
            self.reject(e.problems)
            return False
        except (
            Exception
        ):  # ours: whoever watches the source must go on, or no change would ever be read again
            log.exception("bug", where="rules")
            places = ", ".join(d.source for d in documents)
            self.reject(
                [
                    Problem(
                        places,
                        "",
                        "cannot be compiled for a fault of the proxy's own, which its log tells",
                    )
                ]
            )
            return False
        return self.accept(found)

    def accept(self, found: Judged) -> bool:
        """True if these rules, which compile, are in force now."""
        snapshot = found.snapshot
        refused = emptied(self.snapshot, self._held, found.outlines, snapshot) or self._unmet(
            snapshot
        )
        if refused:
            self.reject(refused)
            return False
        self._held = holding(found.outlines)
        changed = (
            self.snapshot is None
            or snapshot.version != self.snapshot.version
            or snapshot.sources != self.snapshot.sources
        )
        self.problems = self._warnings(snapshot)
        self._registry[s.PROBLEMS].gauge().set(len(self.problems))
        self._registry[s.RELOAD_OK].gauge().set(1)
        if changed:
            self._put_in_force(found)
        return True

    def _put_in_force(self, found: Judged) -> None:
        snapshot = found.snapshot
        self._adopt(snapshot)
        if self.snapshot is not None:
            self._registry[s.CONFIG_INFO].keep(lambda at: False)
            self._registry[s.PROVIDER_INFO].keep(lambda at: False)
            self.changes = changes_between(self._entries, found.entries)
        self._entries = found.entries
        self.snapshot, self.applied_at = snapshot, time.time()
        self._registry[s.RELOADS].counter("applied").inc()
        self._registry[s.RELOAD_AT].gauge().set(self.applied_at)
        self._registry[s.CONFIG_INFO].gauge(snapshot.version).set(1)
        for provider in snapshot.providers.values():
            for tag in provider.tags or ("",):
                gauge = self._registry[s.PROVIDER_INFO].gauge(
                    provider.name, provider.kind.name, tag
                )
                gauge.set(1)
        self._count_entries(
            len(snapshot.rules), len(snapshot.virtual_models), len(snapshot.providers)
        )
        log.info(
            "rules_applied",
            version=snapshot.version,
            sources=list(snapshot.sources),
            rules=_some([r.name for r in snapshot.rules]),
            **{
                k: _some(names)
                for k, names in (self.changes._asdict() if self.changes else {}).items()
            },
        )
        for note in snapshot.notes:
            log.warning("rules_note", note=note)
        for problem in self.problems:
            log.warning("rules_warning", **problem.as_dict())

    def reject(self, problems: list[Problem]) -> None:
        """What was read last is not good; the rules in force stay."""
        if problems != self.problems:
            for problem in problems:
                log.error(
                    "rules_rejected",
                    **problem.as_dict(),
                    in_force=self.snapshot.version if self.snapshot else None,
                )
            self._registry[s.RELOADS].counter("rejected").inc()
        self.problems = problems
        self._registry[s.PROBLEMS].gauge().set(len(problems))
        self._registry[s.RELOAD_OK].gauge().set(0)

    def _count_entries(self, rules: int, virtual_models: int, providers: int) -> None:
        entries = self._registry[s.CONFIG_ENTRIES]
        entries.gauge("rule").set(rules)
        entries.gauge("virtual_model").set(virtual_models)
        entries.gauge("provider").set(providers)

    def connected(self, is_connected: bool) -> None:
        """Whether the rules' source can be read, or its watch is live."""
        if self._source is None or self._source[0] != is_connected:
            self._source = is_connected, time.time()
        self._registry[s.SOURCE_CONNECTED].gauge().set(1 if is_connected else 0)

    def status(self) -> dict[str, Any]:
        """The `rules` of `/status`."""
        snapshot = self.snapshot
        is_connected, since = self._source or (False, None)
        return {
            "version": snapshot.version if snapshot else None,
            "applied_at": _rfc3339(self.applied_at),
            "sources": list(snapshot.sources) if snapshot else [],
            "names": [r.name for r in snapshot.rules] if snapshot else [],
            "virtual_models": sorted(snapshot.virtual_models) if snapshot else [],
            "models": sorted({*snapshot.exact, *snapshot.virtual_models}) if snapshot else [],
            "problems": [p.as_dict() for p in self.problems],
            "notes": list(snapshot.notes) if snapshot else [],
            # Edits arrive while it is connected; the rules in force stay when it is not.
            "source": {"connected": is_connected, "since": _rfc3339(since)},
            "changes": self.changes._asdict() if self.changes else None,
        }


def _some(names: list[str]) -> list[str]:
    """The first of many: a line of the log is to be read."""
    more = len(names) - LOGGED_NAMES
    return names if more <= 0 else [*names[:LOGGED_NAMES], f"and {more} more"]


def _rfc3339(at: float | None) -> str | None:
    if at is None:
        return None
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")
