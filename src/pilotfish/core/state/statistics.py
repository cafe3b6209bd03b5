"""What was measured of a service: rolling samples and tumbling windows (seeds A3)."""

from __future__ import annotations

from collections import deque
from itertools import islice
from math import exp

# Enough for a p99 that means something, few enough to sort in microseconds; older ones say nothing
# of now.
SAMPLES = 100
SAMPLE_AGE_S = 600.0
# How fast `recent` forgets: a value counts for 1/e after this many seconds, and every new one for a
# tenth at least.
RECENT_S = 5.0
RECENT_SHARE = 0.1


class Samples:
    """The last 100 values not older than ten minutes, with average and percentiles.

    Adding costs a deque append; the sorted copy is made when a percentile is asked for, and kept
    until the next value or expiry. `recent` is a moving average that forgets within seconds: how it
    is now, for choosing. None before the first value.
    """

    __slots__ = ("_last", "_sorted", "_sum", "_values", "last_at", "recent")

    def __init__(self) -> None:
        self._values: deque[tuple[float, float]] = deque()
        self._sum = 0.0
        self._sorted: list[float] | None = None
        self._last = SAMPLES  # of how many values `_sorted` is
        self.last_at = float("-inf")
        self.recent: float | None = None

    def add(self, value: float, now: float) -> None:
        values = self._values
        if len(values) == SAMPLES:
            self._sum -= values.popleft()[1]
        values.append((now, value))
        self._sum += value
        self._sorted = None
        if self.recent is None:
            self.recent = value
        else:
            self.recent += max(RECENT_SHARE, 1.0 - exp((self.last_at - now) / RECENT_S)) * (
                value - self.recent
            )
        self.last_at = now

    def _expire(self, now: float) -> None:
        values = self._values
        oldest = now - SAMPLE_AGE_S
        while values and values[0][0] < oldest:
            self._sum -= values.popleft()[1]
            self._sorted = None
        if not values:
            self._sum = 0.0  # no drift of rounding errors over days

    def count(self, now: float) -> int:
        self._expire(now)
        return len(self._values)

    def average(self, now: float, last: int = SAMPLES) -> float | None:
        """Of the last so many values; None without any."""
        self._expire(now)
        values = self._values
        if not values:
            return None
        if last >= len(values):
            return max(
                0.0, self._sum / len(values)
            )  # after a large value has left, rounding may leave a little less than nothing
        return sum(v for _, v in islice(reversed(values), last)) / last

    def percentile(self, q: float, now: float, last: int = SAMPLES) -> float | None:
        """Of the last so many values, linear interpolation at rank q (n - 1); None without any."""
        self._expire(now)
        if not self._values:
            return None
        ordered = self._sorted
        if ordered is None or self._last != last:
            ordered = self._sorted = sorted(v for _, v in islice(reversed(self._values), last))
            self._last = last
        rank = q * (len(ordered) - 1)
        low = int(rank)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)

    def summary(self, now: float, scale: float = 1.0) -> dict[str, float | int | None]:
        """The shape of `/status`: avg, p50, p95, p99, samples."""

        def scaled(value: float | None) -> float | None:
            return None if value is None else round(value * scale, 3)

        return {
            "avg": scaled(self.average(now)),
            "p50": scaled(self.percentile(0.50, now)),
            "p95": scaled(self.percentile(0.95, now)),
            "p99": scaled(self.percentile(0.99, now)),
            "samples": len(self._values),
        }

    def dump(self) -> list[tuple[float, float]]:
        return list(self._values)

    def load(self, values: list[tuple[float, float]]) -> None:
        self._values = deque(values[-SAMPLES:])
        self._sum = sum(v for _, v in self._values)
        self._sorted = None
        self.last_at = self._values[-1][0] if self._values else float("-inf")
        self.recent = self._sum / len(self._values) if self._values else None


class Waiting:
    """Streams that have not spoken yet, and how soon the latest ones spoke: known long before they
    end, so that a service that becomes slow is noticed while its first slow answer is still
    awaited.

    For choosing only: the statistics of A3 count what ended well. Only streams are told here, since
    other answers speak at their end.
    """

    __slots__ = ("_began", "_spoke_at", "count", "recent")

    def __init__(self) -> None:
        self.count = 0
        self.recent: float | None = None  # moving average of times to first token, seconds
        self._began = 0.0  # the sum of when those waiting began
        self._spoke_at = 0.0

    def begin(self, now: float) -> None:
        self.count += 1
        self._began += now

    def on_first_token(self, began: float, now: float) -> None:
        self.gone(began)
        if self.recent is None:
            self.recent = now - began
        else:
            self.recent += max(RECENT_SHARE, 1.0 - exp((self._spoke_at - now) / RECENT_S)) * (
                now - began - self.recent
            )
        self._spoke_at = now

    def gone(self, began: float) -> None:
        """It will not speak any more."""
        self.count -= 1
        self._began = self._began - began if self.count else 0.0

    def expected(self, now: float) -> float | None:
        """Seconds to the first token of a request sent now; None if nothing is known."""
        n = self.count
        if not n:
            return self.recent
        # They began evenly, so the oldest is about twice as old as the mean; and it has been
        # waiting for as long as that.
        oldest = 2.0 * (now - self._began / n) * n / (n + 1)
        return oldest if self.recent is None or oldest > self.recent else self.recent


class Window:
    """Counts since the window began; everything is zero again once `length_s` has passed (a
    tumbling window).
    """

    __slots__ = (
        "cache_hits",
        "cache_misses",
        "cost_usd",
        "input_tokens",
        "length_s",
        "output_tokens",
        "requests",
        "started_at",
    )

    def __init__(self, length_s: float, now: float) -> None:
        self.length_s = length_s
        self._reset(now)

    def _reset(self, now: float) -> None:
        self.started_at = now
        self.requests = self.input_tokens = self.output_tokens = self.cache_hits = (
            self.cache_misses
        ) = 0
        self.cost_usd = 0.0

    def turn(self, now: float) -> Window:
        """This window as it stands at `now`: call it before reading or adding."""
        if now - self.started_at >= self.length_s:
            self._reset(now)
        return self

    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def cache_hit_rate(self) -> float | None:
        """None before the first answer that said whether its input was cached."""
        seen = self.cache_hits + self.cache_misses
        return self.cache_hits / seen if seen else None

    def summary(self, now: float) -> dict[str, float | int | None]:
        self.turn(now)
        rate = self.cache_hit_rate()
        return {
            "requests": self.requests,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cache_hit_rate": None if rate is None else round(rate, 4),
            "cost_usd": round(self.cost_usd, 6),
        }


class Ratio:
    """Errors among attempts of the last 30 s, in ten buckets: constant memory whatever the
    traffic.
    """

    __slots__ = ("_attempts", "_errors", "_slot")
    BUCKET_S = 3.0
    BUCKETS = 10

    def __init__(self) -> None:
        self._attempts = [0] * self.BUCKETS
        self._errors = [0] * self.BUCKETS
        self._slot = 0

    def _advance(self, now: float) -> int:
        slot = int(now / self.BUCKET_S)
        passed = slot - self._slot
        if passed > 0:
            for i in range(1, min(passed, self.BUCKETS) + 1):
                at = (self._slot + i) % self.BUCKETS
                self._attempts[at] = self._errors[at] = 0
            self._slot = slot
        return self._slot % self.BUCKETS

    def add(self, is_error: bool, now: float) -> None:
        at = (
            self._slot % self.BUCKETS
            if int(now / self.BUCKET_S) == self._slot
            else self._advance(now)
        )
        self._attempts[at] += 1
        if is_error:
            self._errors[at] += 1

    def read(self, now: float) -> tuple[int, int]:
        """(attempts, errors) of the last 30 s, to a bucket's width."""
        self._advance(now)
        return sum(self._attempts), sum(self._errors)

    def clear(self) -> None:
        self._attempts = [0] * self.BUCKETS
        self._errors = [0] * self.BUCKETS
