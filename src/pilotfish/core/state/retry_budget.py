"""A share of something: retries as a part of requests, hedges as a part of requests."""

from __future__ import annotations

SLOTS = 10


class RetryBudget:
    """At most `percent` of the requests of the last `window_s` seconds, but always at least
    `minimum`. Constant memory.
    """

    __slots__ = ("_requests", "_slot", "_slot_s", "_taken", "minimum", "percent")

    def __init__(self, percent: float, minimum: int, window_s: float) -> None:
        self.percent, self.minimum = percent, minimum
        self._slot_s = window_s / SLOTS
        self._requests = [0] * SLOTS
        self._taken = [0] * SLOTS
        self._slot = 0

    def _at(self, now: float) -> int:
        slot = int(now / self._slot_s)
        passed = slot - self._slot
        if passed > 0:
            for i in range(1, min(passed, SLOTS) + 1):
                at = (self._slot + i) % SLOTS
                self._requests[at] = self._taken[at] = 0
            self._slot = slot
        return self._slot % SLOTS

    def request(self, now: float) -> None:
        """Another request came."""
        self._requests[self._at(now)] += 1

    def is_free(self, now: float) -> bool:
        """May one more be taken?"""
        self._at(now)
        taken = sum(self._taken)
        return taken < self.minimum or (taken + 1) * 100 <= self.percent * sum(self._requests)

    def take(self, now: float) -> None:
        self._taken[self._at(now)] += 1
