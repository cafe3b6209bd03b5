"""Simulated vendors: speed, brown-outs, flapping, rate limits, cold starts. Times are seconds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from pilotfish.core.model.service import Price

NEVER_S = 1e6  # the first token of a request that hangs


@dataclass(frozen=True)
class Vendor:
    """The behaviour of one service.

    `capacity`: requests in flight at which the time to first token doubles. `brownouts`: (from, to,
    factor on the time to first token). `flapping`: (seconds up, seconds down); it answers 503 while
    down. `outages`: (from, to) in which it answers 503; `hangs`: in which it answers nothing.
    `per_minute`: rate limit, beyond which it answers 429 with Retry-After. `limit_headers`:
    whether responses report the rate limit. `cold_after_s`: after so long without requests the next
    one takes `cold_s` more.
    """

    name: str
    ttft_s: float = 0.4
    tokens_per_s: float = 80.0
    capacity: float = 60.0
    price: Price = Price(input=1.0, output=4.0)
    weight: float = 1.0
    brownouts: tuple[tuple[float, float, float], ...] = ()
    flapping: tuple[float, float] | None = None
    outages: tuple[tuple[float, float], ...] = ()
    hangs: tuple[tuple[float, float], ...] = ()
    tier: int = 0
    per_minute: int | None = None
    limit_headers: bool = False
    cold_after_s: float | None = None
    cold_s: float = 0.0


class Reply(NamedTuple):
    """The response to a request: an error status, or 200 with the first token after `ttft_s` and
    the end after `total_s`. `remaining` and `reset_s`: the rate limit that the headers report.
    """

    status: int
    ttft_s: float
    total_s: float
    retry_after_s: float | None = None
    remaining: int | None = None
    reset_s: float = 0.0


@dataclass
class World:
    """The vendors, shared by all proxies, which notice each other only by their load on them."""

    vendors: dict[str, Vendor]
    in_flight: dict[str, int] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)
    _minute: dict[str, deque[float]] = field(default_factory=dict)

    def is_down(self, name: str, now: float) -> bool:
        vendor = self.vendors[name]
        if vendor.outages and any(start <= now < end for start, end in vendor.outages):
            return True
        flapping = vendor.flapping
        return flapping is not None and now % sum(flapping) >= flapping[0]

    def hangs_until(self, name: str, now: float) -> float | None:
        """When a vendor that hangs now will be well again; None if it does not hang."""
        return next((end for start, end in self.vendors[name].hangs if start <= now < end), None)

    def is_well(self, name: str, now: float) -> bool:
        """Whether it answers, and not much later than usual."""
        slow = any(start <= now < end for start, end, _ in self.vendors[name].brownouts)
        return not slow and not self.is_down(name, now) and self.hangs_until(name, now) is None

    def left(self, name: str, now: float) -> int | None:
        """Requests that the rate limit leaves at `now`; None without a limit."""
        limit = self.vendors[name].per_minute
        if limit is None:
            return None
        minute = self._minute.setdefault(name, deque())
        while minute and minute[0] <= now - 60.0:
            minute.popleft()
        return limit - len(minute)

    def expected_ttft(self, name: str, now: float) -> float:
        """The mean time to first token, in seconds, of a request sent now."""
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
        """The response to a request that arrives now. `dice`: a factor on its time to first token,
        the same at every vendor, as a long prompt has it.
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
        if self.hangs_until(name, now) is not None:
            ttft = NEVER_S
        self._last[name] = now
        if left is not None:
            self._minute[name].append(now)
            left -= 1
        headers = left if vendor.limit_headers else None
        reset = self._minute[name][0] + 60.0 - now if left is not None else 0.0
        return Reply(200, ttft, ttft + tokens_out / vendor.tokens_per_s, None, headers, reset)
