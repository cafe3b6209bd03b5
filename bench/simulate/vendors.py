"""Vendors as they behave on good and bad days: speed, brown-outs, flapping, rate limits, cold
starts. Times in seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from pilotfish.core.model.service import Price


@dataclass(frozen=True)
class Vendor:
    """What one service is like. `capacity`: requests in flight at which it takes twice as long to
    speak.
    """

    name: str
    ttft_s: float = 0.4
    tokens_per_s: float = 80.0
    capacity: float = 60.0
    price: Price = Price(input=1.0, output=4.0)
    weight: float = 1.0
    brownouts: tuple[tuple[float, float, float], ...] = ()  # (from, to, how many times slower)
    flapping: tuple[float, float] | None = (
        None  # (seconds up, seconds down): answers 503 while down
    )
    per_minute: int | None = None  # 429 with Retry-After beyond it
    limit_headers: bool = False  # tells what is left with every answer
    cold_after_s: float | None = None  # idle for so long: the next request pays `cold_s`
    cold_s: float = 0.0


class Reply(NamedTuple):
    """What a request will get: a status now, or content after `ttft_s` and the end after
    `total_s`.
    """

    status: int
    ttft_s: float
    total_s: float
    retry_after_s: float | None = None
    remaining: int | None = None
    reset_s: float = 0.0


@dataclass
class World:
    """The vendors' side of the simulation, shared by all proxies: they see nothing of each other
    but what it does to the vendors.
    """

    vendors: dict[str, Vendor]
    in_flight: dict[str, int] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)
    _minute: dict[str, deque[float]] = field(default_factory=dict)

    def is_down(self, name: str, now: float) -> bool:
        flapping = self.vendors[name].flapping
        return flapping is not None and now % sum(flapping) >= flapping[0]

    def left(self, name: str, now: float) -> int | None:
        """Requests that its limit leaves in this minute; None without a limit."""
        limit = self.vendors[name].per_minute
        if limit is None:
            return None
        minute = self._minute.setdefault(name, deque())
        while minute and minute[0] <= now - 60.0:
            minute.popleft()
        return limit - len(minute)

    def expected_ttft(self, name: str, now: float) -> float:
        """Seconds to the first token of a request sent now, all dice aside."""
        vendor = self.vendors[name]
        ttft = vendor.ttft_s * (1.0 + (self.in_flight.get(name, 0) / vendor.capacity) ** 2)
        for start, end, factor in vendor.brownouts:
            if start <= now < end:
                ttft *= factor
        if (
            vendor.cold_after_s is not None
            and now - self._last.get(name, -1e9) > vendor.cold_after_s
            and not self.in_flight.get(name)
        ):
            ttft += vendor.cold_s
        return ttft

    def ask(self, name: str, now: float, tokens_out: int, dice: float) -> Reply:
        """A request arrives. `dice` multiplies its time to first token (long prompts take longer
        everywhere).
        """
        vendor = self.vendors[name]
        if self.is_down(name, now):
            return Reply(503, 0.05, 0.05)
        left = self.left(name, now)
        if left is not None and left <= 0:
            return Reply(
                429,
                0.05,
                0.05,
                self._minute[name][0] + 60.0 - now,
                0,
                self._minute[name][0] + 60.0 - now,
            )
        ttft = self.expected_ttft(name, now) * dice
        self._last[name] = now
        if left is not None:
            self._minute[name].append(now)
            left -= 1
        headers = left if vendor.limit_headers else None
        reset = self._minute[name][0] + 60.0 - now if left is not None else 0.0
        return Reply(200, ttft, ttft + tokens_out / vendor.tokens_per_s, None, headers, reset)
