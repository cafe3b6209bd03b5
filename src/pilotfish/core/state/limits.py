"""The rules' own rate limits: requests per minute, tokens per minute and requests in flight, for a
provider or a service.

The minute is a sliding window of 60 slots. Unlike a fixed window it allows no double burst where
one window ends and the next begins. Each limit takes 60 numbers, whatever the traffic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pilotfish.core.model.service import Limits
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.state.candidate import Candidate, ServiceState
from pilotfish.core.state.ledger import Ledger, all_services

WINDOW_S = 60.0
SLOTS = 60
POLL_S = 0.02  # when to look again for a grant that was requested from the shared server
REQUESTS, TOKENS = "requests", "tokens"


class Blocked(NamedTuple):
    """A limit that has no room: which, in words for `explain`, and when it has room again (None:
    when a request in flight ends, which cannot be predicted).
    """

    reason: str
    until: float | None


class LimitPool:
    """One limit as all proxies share it through a server. `shared.redis_limits` writes it, the
    limit's `Meter` reads it.

    `granted`: taken out of the shared window for this proxy, and not used yet. `spent`: used
    without a grant, while the server did not answer, and still to be reported. `wanted`: what had
    no grant; the next exchange with the server requests it. `live_until`: grants decide until then,
    later the local window does. `others`: what the other proxies used in the window, as of
    `heard_at`. `room_at`: when the shared window has room.
    """

    __slots__ = ("granted", "heard_at", "live_until", "others", "room_at", "spent", "wanted")

    def __init__(self) -> None:
        self.granted = self.spent = self.wanted = 0.0
        self.live_until = float("-inf")
        self.others = 0.0
        self.heard_at = float("-inf")
        self.room_at = 0.0


class Meter:
    """What was used of one limit in the last `window_s` seconds. Amounts are requests or tokens.

    `name`: the same in every proxy with the same rules. `reason`: the limit in words, for
    `explain`. `pool`: set where the limit is shared with other proxies.
    """

    __slots__ = (
        "_slot",
        "_slot_s",
        "_total",
        "_used",
        "limit",
        "name",
        "pool",
        "reason",
        "window_s",
    )

    def __init__(self, name: str, limit: float, reason: str, window_s: float = WINDOW_S) -> None:
        self.name, self.limit, self.reason, self.window_s = name, limit, reason, window_s
        self.pool: LimitPool | None = None
        self._slot_s = window_s / SLOTS
        # One slot more than the window: the oldest counts until the whole of it has left.
        self._used = [0.0] * (SLOTS + 1)
        self._total = 0.0
        self._slot = -(10**18)

    def _advance(self, now: float) -> None:
        slot = int(now / self._slot_s)
        passed = slot - self._slot
        if passed <= 0:
            return
        if passed > SLOTS:
            self._used = [0.0] * (SLOTS + 1)
        else:
            for i in range(1, passed + 1):
                self._used[(self._slot + i) % (SLOTS + 1)] = 0.0
        self._total = sum(self._used)
        self._slot = slot

    def used(self, now: float) -> float:
        """The amount used in the window that ends at `now`."""
        self._advance(now)
        return self._total

    def room_at(self, need: float, now: float) -> float:
        """When the amount `need` fits: `now`, or the end of the slot whose leaving makes room. More
        than the whole limit fits an empty window.
        """
        need = min(need, self.limit)
        pool = self.pool
        if pool is not None:
            if pool.granted >= need:
                return now
            if now < pool.live_until:
                pool.wanted = max(pool.wanted, need)  # requested at the next exchange
                return max(pool.room_at, now + POLL_S)
        self._advance(now)
        total = self._total
        if pool is not None:
            total += pool.others * max(0.0, 1.0 - (now - pool.heard_at) / self.window_s)
        over = total + need - self.limit
        if over <= 1e-9:
            return now
        for slot in range(self._slot - SLOTS, self._slot + 1):
            over -= self._used[slot % (SLOTS + 1)]
            if over <= 1e-9:
                return (slot + SLOTS + 1) * self._slot_s
        return now + self.window_s  # other proxies used it all; that leaves within a window

    def take(self, amount: float, now: float) -> None:
        """Counts an amount as used."""
        self._advance(now)
        self._used[self._slot % (SLOTS + 1)] += amount
        self._total += amount
        if self.pool is not None:
            granted = min(amount, self.pool.granted)
            self.pool.granted -= granted
            self.pool.spent += amount - granted

    def correct(self, amount: float, now: float) -> None:
        """Corrects what was taken by `amount`. A negative amount is given back, out of the newest
        slots first and never below 0.
        """
        if self.pool is not None:
            self.pool.spent += amount
        self._advance(now)
        if amount > 0.0:
            self._used[self._slot % (SLOTS + 1)] += amount
            self._total += amount
            return
        for slot in range(self._slot, self._slot - SLOTS - 1, -1):
            back = min(-amount, self._used[slot % (SLOTS + 1)])
            self._used[slot % (SLOTS + 1)] -= back
            self._total -= back
            amount += back
            if amount >= 0.0:
                return


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

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self.is_empty = True  # the rules set no limit: every method returns at once
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
        self.is_empty = not self._providers and not self._services
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
        """Every limit per minute by its name, which is the same in all proxies with these rules."""
        return {meter.name: meter for meter in self._all()}

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
