"""How much of a limit was used in a sliding window of 60 slots. Unlike a fixed window it allows no
double burst where one window ends and the next begins. Each limit takes 60 numbers, whatever the
traffic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

WINDOW_S = 60.0
SLOTS = 60
POLL_S = 0.02  # when to look again for a grant that was requested from the shared server


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
        over = self.in_all(now) + need - self.limit
        return self._left_at(over, now)

    def in_all(self, now: float) -> float:
        """What was used in the window, by other proxies too as far as that is known."""
        self._advance(now)
        pool = self.pool
        if pool is None:
            return self._total
        return self._total + pool.others * max(0.0, 1.0 - (now - pool.heard_at) / self.window_s)

    def below_at(self, now: float) -> float:
        """When less than the whole limit is used."""
        return self._left_at(self.in_all(now) - self.limit + self.limit * 1e-6, now)

    def _left_at(self, over: float, now: float) -> float:
        """When as much as `over` has left the window."""
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

    def kept(self, now: float) -> list[tuple[float, float]]:
        """(begin of a slot, amount) of those with any, to be kept over a restart."""
        self._advance(now)
        slots = range(self._slot - SLOTS, self._slot + 1)
        amounts = [(slot * self._slot_s, self._used[slot % (SLOTS + 1)]) for slot in slots]
        return [(at, amount) for at, amount in amounts if amount]

    def restore(self, kept: Iterable[tuple[float, float]], now: float) -> None:
        """Adds what `kept` gave; what is older than the window is left out."""
        self._advance(now)
        for at, amount in kept:
            slot = min(math.floor(at / self._slot_s), self._slot)
            if self._slot - slot <= SLOTS:
                self._used[slot % (SLOTS + 1)] += amount
                self._total += amount

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
