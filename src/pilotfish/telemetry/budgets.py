"""Budgets of a day, told: the gauges of what is left, and the log lines when one is spent or has
room again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from time import monotonic

import structlog

from pilotfish.core.routing.explain import rfc3339
from pilotfish.core.state.spending import Spending, Spent
from pilotfish.telemetry import series as s
from pilotfish.telemetry.registry import Registry

log = structlog.get_logger(__name__)


class BudgetGauges:
    """Set when somebody scrapes; those of budgets that were removed go."""

    def __init__(self, registry: Registry, spending: Spending) -> None:
        self._registry, self._spending = registry, spending

    def refresh(self) -> None:
        families = self._registry[s.BUDGET_LIMIT], self._registry[s.BUDGET_LEFT]
        states = {(b.scope, b.name, b.kind): b for b in self._spending.states(monotonic())}
        for family in families:
            family.keep(lambda at: at in states)
        for at, budget in states.items():
            limit, left = (family.gauge(*at) for family in families)
            limit.value, left.value = budget.limit, max(0.0, budget.limit - budget.used)


def log_budgets(news: Iterable[Spent], now: float) -> None:
    """`budget_spent` with what happens now and until when, and `budget_left` when there is room
    again."""
    for budget in news:
        told = {"scope": budget.scope, "name": budget.name, "kind": budget.kind}
        if budget.until is None:
            log.info("budget_left", **told, limit=budget.limit)
            continue
        until = rfc3339(time.time() + budget.until - now)
        log.warning("budget_spent", **told, limit=budget.limit, action=budget.action, until=until)
