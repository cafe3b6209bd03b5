"""A budget for extra attempts (retries, hedges) as a percentage of requests."""

from __future__ import annotations

SLOTS = 10


class RetryBudget:
    """At most `percent` extra attempts per 100 requests of the last `window_s` seconds, and always
    at least `minimum`. The window has `SLOTS` slots, so memory is constant.
    """

    __slots__ = ("_extra", "_requests", "_slot", "_slot_s", "minimum", "percent")

    def __init__(self, percent: float, minimum: int, window_s: float) -> None:
        self.percent, self.minimum = percent, minimum
        self._slot_s = window_s / SLOTS
        self._requests = [0] * SLOTS
        self._extra = [0] * SLOTS
        self._slot = 0

    def _at(self, now: float) -> int:
        slot = int(now / self._slot_s)
        passed = slot - self._slot
        if passed > 0:
            for i in range(1, min(passed, SLOTS) + 1):
                at = (self._slot + i) % SLOTS
                self._requests[at] = self._extra[at] = 0
            self._slot = slot
        return self._slot % SLOTS

    def request(self, now: float) -> None:
        """Counts a request."""
        slot = self._slot
        if int(now / self._slot_s) > slot:
            self._at(now)
            slot = self._slot
        self._requests[slot % SLOTS] += 1

    def is_free(self, now: float) -> bool:
        """Whether the budget has room for one more extra attempt."""
        self._at(now)
        taken = sum(self._extra)
        return taken < self.minimum or (taken + 1) * 100 <= self.percent * sum(self._requests)

    def take(self, now: float) -> None:
        """Counts an extra attempt."""
        self._extra[self._at(now)] += 1
