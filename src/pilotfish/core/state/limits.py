"""The rules' own rate limits: requests per minute, tokens per minute and requests in flight, for a
provider or a service.

The minute is a sliding one (`meter`). Budgets of a day are looked after here too, for whoever asks
whether a service may be used (`spending`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pilotfish.core.model.service import Limits
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.state.candidate import Candidate, ServiceState
from pilotfish.core.state.ledger import Ledger, all_services
from pilotfish.core.state.meter import WINDOW_S, Meter
from pilotfish.core.state.spending import Spending

REQUESTS, TOKENS = "requests", "tokens"


class Blocked(NamedTuple):
    """A limit that has no room: which, in words for `explain`, and when it has room again (None:
    when a request in flight ends, which cannot be predicted).
    """

    reason: str
    until: float | None


class Budget:
    """The limits of one provider or one service. `known`: the budget under the previous rules,
    whose meters are kept. `states`: the services whose requests in flight count.
    """

    __slots__ = ("concurrency", "reason", "requests", "states", "tokens")

    def __init__(self, owner: str, limits: Limits, known: Budget | None, window_s: float) -> None:
        self.requests: Meter | None = _meter(
            owner, REQUESTS, limits.requests_per_minute, known.requests if known else None, window_s
        )
        self.tokens: Meter | None = _meter(
            owner, TOKENS, limits.tokens_per_minute, known.tokens if known else None, window_s
        )
        self.concurrency = limits.concurrency
        self.reason = f"{limits.concurrency} requests at once are the limit of {owner}"
        self.states: list[ServiceState] = []

    def blocked(self, tokens: int, now: float) -> Blocked | None:
        """The first limit without room for a request of about `tokens` tokens; None if all have
        room.
        """
        if (
            self.concurrency is not None
            and sum(s.in_flight for s in self.states) >= self.concurrency
        ):
            return Blocked(self.reason, None)
        for meter, need in ((self.requests, 1.0), (self.tokens, tokens)):
            if meter is not None:
                at = meter.room_at(need, now)
                if at > now:
                    return Blocked(meter.reason, at)
        return None


def _meter(
    owner: str, kind: str, limit: float | None, known: Meter | None, window_s: float
) -> Meter | None:
    if limit is None:
        return None
    reason = f"{limit:g} {kind} a minute are the limit of {owner}"
    meter = known or Meter(f"{owner} {kind}", limit, reason, window_s)
    meter.limit, meter.reason = limit, reason  # new rules keep what was used in the last minute
    return meter


class Budgets:
    """All limits of the rules in force. A service that several rules name has one budget, with the
    strictest of the limits given.
    """

    def __init__(self, workload: str = "", window_s: float = WINDOW_S) -> None:
        self.spending = Spending(workload)
        self.is_empty = True  # the rules set no limit and no budget: every method returns at once
        self._window_s = window_s
        self._providers: dict[str, Budget] = {}
        self._services: dict[tuple[str, str], Budget] = {}
        self._of: dict[ServiceState, tuple[Budget, ...]] = {}
        self._ledger: Ledger | None = None

    def adopt(self, snapshot: Snapshot, ledger: Ledger) -> None:
        """Takes over new rules, which the ledger must have adopted already."""
        providers = {
            name: p.limits for name, p in snapshot.providers.items() if p.limits != Limits()
        }
        services: dict[tuple[str, str], Limits] = {}
        for service in (s for s in all_services(snapshot) if s.limits != Limits()):
            key = (service.provider.name, service.model)
            services[key] = strictest(services.get(key, Limits()), service.limits)
        self._providers = {
            n: Budget(f"provider {n}", limits, self._providers.get(n), self._window_s)
            for n, limits in providers.items()
        }
        self._services = {
            k: Budget(f"service {'/'.join(k)}", limits, self._services.get(k), self._window_s)
            for k, limits in services.items()
        }
        self.spending.adopt(snapshot)
        self.is_empty = not self._providers and not self._services and self.spending.is_empty
        self._ledger = ledger
        self._bind(ledger)

    def _bind(self, ledger: Ledger) -> None:
        """Maps each service's state to its budgets."""
        self._of = {}
        for budget in self._providers.values():
            budget.states = []
        for key, state in ledger.services.items():
            provider, service = self._providers.get(key[0]), self._services.get(key)
            if provider is not None:
                provider.states.append(state)
            if service is not None:
                service.states = [state]
            found = tuple(b for b in (service, provider) if b is not None)
            if found:
                self._of[state] = found

    def _budgets(self, candidate: Candidate) -> tuple[Budget, ...]:
        found = self._of.get(candidate.state)
        if found is None:
            if candidate.state.provider not in self._providers or self._ledger is None:
                return ()
            # A service that no rule names, requested as `provider/model` since the last `_bind`.
            self._bind(self._ledger)
            found = self._of.get(candidate.state, ())
        return found

    def blocked(self, candidate: Candidate, tokens: int, now: float) -> Blocked | None:
        """The limit that keeps a request of about `tokens` tokens from this service; None if there
        is room. Changes nothing.
        """
        if self.is_empty:
            return None
        spending = self.spending
        if not spending.is_empty:
            spent = spending.blocked(candidate.service.rule, candidate.state.provider, now)
            if spent is not None:
                return Blocked(*spent)
        for budget in self._budgets(candidate):
            found = budget.blocked(tokens, now)
            if found is not None:
                return found
        return None

    def take(self, candidate: Candidate, tokens: int, now: float) -> None:
        """Counts an attempt that starts. `tokens`: an estimate, which `settle` corrects."""
        if self.is_empty:
            return
        for budget in self._budgets(candidate):
            if budget.requests is not None:
                budget.requests.take(1.0, now)
            if budget.tokens is not None:
                budget.tokens.take(tokens, now)

    def settle(
        self,
        candidate: Candidate,
        estimated: int,
        used: int,
        now: float,
        began: float | None = None,
    ) -> None:
        """An attempt is over: replaces the `estimated` tokens by those `used`, input and output.
        `began`: when it began; an estimate that has left the window is not given back.
        """
        if used == estimated or self.is_empty:
            return
        for budget in self._budgets(candidate):
            meter = budget.tokens
            if meter is not None and (
                used > estimated or began is None or now - began < meter.window_s
            ):
                meter.correct(used - estimated, now)

    def meters(self) -> Mapping[str, Meter]:
        """Every limit by its name, which is the same in all proxies with these rules."""
        return {meter.name: meter for meter in self._all()} | self.spending.meters()

    def meters_of(self, candidate: Candidate, tokens: int) -> list[tuple[Meter, float]]:
        """The limits that a request to this service takes of, with the amounts."""
        needs = (
            (b.requests, 1.0) if kind is REQUESTS else (b.tokens, tokens)
            for b in self._budgets(candidate)
            for kind in (REQUESTS, TOKENS)
        )
        return [(meter, min(need, meter.limit)) for meter, need in needs if meter is not None]

    def _all(self) -> Iterator[Meter]:
        for budget in (*self._providers.values(), *self._services.values()):
            if budget.requests is not None:
                yield budget.requests
            if budget.tokens is not None:
                yield budget.tokens


def strictest(one: Limits, other: Limits) -> Limits:
    """The lower of each limit."""

    def least(a: float | None, b: float | None) -> float | None:
        return b if a is None else a if b is None else min(a, b)

    concurrency = least(one.concurrency, other.concurrency)
    return Limits(
        least(one.requests_per_minute, other.requests_per_minute),
        least(one.tokens_per_minute, other.tokens_per_minute),
        None if concurrency is None else int(concurrency),
    )
