"""What rules, providers and workloads have spent in the last 24 hours, against their budgets.

The day slides in slots of 24 minutes. Attempts add what they took when they are over, so a budget
may be exceeded by what is in flight when it is spent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pilotfish.core.model.budget import CHEAPER, REJECT, DayBudget
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.state.ledger import all_rules
from pilotfish.core.state.meter import Meter

DAY_S = 86400.0
RULE, PROVIDER, WORKLOAD = "rule", "provider", "workload"
USD, TOKENS = "usd", "tokens"
ANY = "*"  # the workloads that have no budget of their own
_UNITS = {USD: "US dollars", TOKENS: "tokens"}


class Spent(NamedTuple):
    """One budget as it stands: `until` is when there is room again, None if there is some."""

    scope: str
    name: str
    kind: str
    action: str
    limit: float
    used: float
    until: float | None


class SpendingBudget:
    """The meters of one rule, provider or workload. `known`: the same under the previous rules,
    whose amounts are kept.
    """

    __slots__ = ("_meters", "action", "name", "scope")

    def __init__(
        self, scope: str, name: str, given: DayBudget, known: SpendingBudget | None
    ) -> None:
        self.scope, self.name, self.action = scope, name, given.action
        old = dict(known.meters()) if known is not None else {}
        limits = ((USD, given.usd_per_day), (TOKENS, given.tokens_per_day))
        self._meters: list[tuple[str, Meter]] = []
        for kind, limit in limits:
            if limit is None:
                continue
            reason = f"the budget of {scope} {name}, {limit:g} {_UNITS[kind]} a day, is spent"
            meter = old.get(kind) or Meter(f"{scope} {name} {kind} a day", limit, reason, DAY_S)
            meter.limit, meter.reason = limit, reason
            self._meters.append((kind, meter))

    def meters(self) -> list[tuple[str, Meter]]:
        """Each with its kind."""
        return self._meters

    def add(self, usd: float, tokens: float, now: float) -> None:
        for kind, meter in self._meters:
            meter.take(usd if kind is USD else tokens, now)

    def spent(self, now: float) -> Meter | None:
        """The first limit that is used up; None while there is room in all."""
        for _, meter in self._meters:
            if meter.in_all(now) >= meter.limit:
                return meter
        return None

    def states(self, now: float) -> Iterator[Spent]:
        for kind, meter in self._meters:
            used = meter.in_all(now)
            until = meter.below_at(now) if used >= meter.limit else None
            yield Spent(self.scope, self.name, kind, self.action, meter.limit, used, until)


class Spending:
    """The budgets of the rules in force. `workload`: whose proxy this is, "namespace/name" or empty
    where nobody knows.
    """

    def __init__(self, workload: str = "") -> None:
        self.is_empty = True
        self.workload = workload
        self._rules: dict[str, SpendingBudget] = {}
        self._providers: dict[str, SpendingBudget] = {}
        self._workload: SpendingBudget | None = None
        self._told: frozenset[tuple[str, str, str]] = frozenset()

    def adopt(self, snapshot: Snapshot) -> None:
        """Takes over new rules; what was spent stays."""
        self._rules = {
            r.name: SpendingBudget(RULE, r.name, r.budgets, self._rules.get(r.name))
            for r in all_rules(snapshot)
            if r.budgets is not None
        }
        self._providers = {
            n: SpendingBudget(PROVIDER, n, p.budgets, self._providers.get(n))
            for n, p in snapshot.providers.items()
            if p.budgets is not None
        }
        given = snapshot.budgets.get(self.workload) or snapshot.budgets.get(ANY)
        self._workload = (
            None
            if given is None
            else SpendingBudget(WORKLOAD, self.workload or ANY, given, self._workload)
        )
        self.is_empty = not (self._rules or self._providers or self._workload)

    def _of(self, rule: str, provider: str) -> Iterator[SpendingBudget]:
        if self._workload is not None:
            yield self._workload
        for found in (self._rules.get(rule), self._providers.get(provider)):
            if found is not None:
                yield found

    def all(self) -> Iterator[SpendingBudget]:
        if self._workload is not None:
            yield self._workload
        yield from self._rules.values()
        yield from self._providers.values()

    # ---- requests

    def add(self, rule: str, provider: str, usd: float, tokens: float, now: float) -> None:
        """An attempt is over and took so much."""
        for budget in self._of(rule, provider):
            budget.add(usd, tokens, now)

    def blocked(self, rule: str, provider: str, now: float) -> tuple[str, float] | None:
        """The budget that keeps requests of this rule from this provider, in words, and until when;
        None if none does.
        """
        for budget in self._of(rule, provider):
            if budget.action == REJECT:
                meter = budget.spent(now)
                if meter is not None:
                    return meter.reason, meter.below_at(now)
        return None

    def cheaper(self, rule: str, providers: frozenset[str], now: float) -> str:
        """Why the cheapest service is to be asked first, in words; empty if it is not. `providers`:
        those of the rule.
        """
        budgets = [self._rules.get(rule), self._workload]
        budgets += [self._providers[p] for p in self._providers if p in providers]
        for budget in budgets:
            if budget is not None and budget.action == CHEAPER:
                meter = budget.spent(now)
                if meter is not None:
                    return meter.reason
        return ""

    # ---- beside the requests

    def states(self, now: float) -> list[Spent]:
        """Every budget as it stands."""
        return [state for budget in self.all() for state in budget.states(now)]

    def news(self, now: float) -> list[Spent]:
        """Budgets that were spent since the last look, or have room again."""
        states = {(s.scope, s.name, s.kind): s for s in self.states(now)}
        spent = frozenset(at for at, s in states.items() if s.until is not None)
        changed = (spent ^ self._told) & states.keys()
        self._told = spent
        return [states[at] for at in sorted(changed)]

    def meters(self) -> dict[str, Meter]:
        """By name, which is the same in all proxies that share the budget."""
        return {meter.name: meter for budget in self.all() for _, meter in budget.meters()}
