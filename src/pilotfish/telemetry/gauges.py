"""Gauges that follow the ledger and the requests in flight: set when somebody scrapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic

from pilotfish.core.state.health import COOLING, PROBING, SERVING
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.spending import Spending
from pilotfish.telemetry import series as s
from pilotfish.telemetry.budgets import BudgetGauges
from pilotfish.telemetry.children import Children

STATES = (SERVING, COOLING, PROBING)


class LedgerGauges:
    """`in_flight` gives how many requests of each rule are in flight."""

    def __init__(
        self,
        children: Children,
        ledger: Ledger,
        in_flight: Callable[[], Mapping[str, int]],
        spending: Spending | None = None,
    ) -> None:
        self._children, self._ledger, self._in_flight = children, ledger, in_flight
        self._budgets = None if spending is None else BudgetGauges(children.registry, spending)

    def begin(self) -> None:
        """From now on they are set whenever somebody scrapes."""
        self._children.registry.before_scrape.append(self.refresh)

    def refresh(self) -> None:
        """Services that a client made up (`provider/model`) have no gauges; nor, where only what
        was used is told, has one that serves and was never asked.
        """
        if self._budgets is not None:
            self._budgets.refresh()
        now, registry = monotonic(), self._children.registry
        tells_all = registry.detail == "full"
        by_rule = self._in_flight()
        for rule in by_rule:
            self._children.of_rule(rule)[s.IN_FLIGHT].gauge(rule)
        for (rule,), child in registry[s.IN_FLIGHT].children.items():
            child.value = float(by_rule.get(rule, 0))
        for name, credentials in self._ledger.credentials.items():
            refused = registry[s.CREDENTIALS_REFUSED].gauge(name)
            refused.value = float(sum(c.refused for c in credentials))
        for (provider, model), state in self._ledger.services.items():
            if not self._children.is_configured(provider, model):
                continue
            current = self._ledger.state_of(state, now)
            if not (tells_all or state.requests_total or current != SERVING):
                continue
            blocking = self._ledger.blocking(state, now)
            for name in STATES:
                gauge = registry[s.SERVICE_STATE].gauge(provider, model, name)
                gauge.value = 1.0 if current == name else 0.0
            left = blocking.until - now if blocking is not None else 0.0
            registry[s.SERVICE_COOLDOWN].gauge(provider, model).value = max(0.0, left)
            for kind, remaining in state.headroom.remaining.items():
                registry[s.LIMIT_REMAINING].gauge(provider, model, kind).value = remaining
            for kind, limit in state.headroom.limit.items():
                registry[s.LIMIT].gauge(provider, model, kind).value = limit
