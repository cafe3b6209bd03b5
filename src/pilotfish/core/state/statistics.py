"""Statistics of one service: rolling samples, tumbling windows, and the error ratio. Constant
memory whatever the traffic; times are seconds on the clock of `now`.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from math import exp

# Enough for a meaningful p99, few enough to sort in microseconds. Older ones are out of date.
SAMPLES = 100
SAMPLE_AGE_S = 600.0
# The moving average `recent`: a value's share falls to 1/e within RECENT_S seconds, and each new
# value gets a share of at least RECENT_SHARE.
RECENT_S = 5.0
RECENT_SHARE = 0.1


class Samples:
    """The last `SAMPLES` values of at most `SAMPLE_AGE_S` seconds, with average and percentiles.

    Adding a value is an append; values are sorted when a percentile is first asked for. `recent`: a
    moving average over a few seconds, which tactics compare; None before the first value.
    `last_at`: when the last value was added.
    """

    __slots__ = ("_last", "_sorted", "_sum", "_values", "last_at", "recent")

    def __init__(self) -> None:
        self._values: deque[tuple[float, float]] = deque()
        self._sum = 0.0
        self._sorted: list[float] | None = None
        self._last = SAMPLES  # how many of the last values `_sorted` holds
        self.last_at = float("-inf")
        self.recent: float | None = None

    def add(self, value: float, now: float) -> None:
        """Adds a value measured at `now`."""
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
            self._sum = 0.0  # keeps rounding errors from adding up over days

    def count(self, now: float) -> int:
        """The number of values."""
        self._expire(now)
        return len(self._values)

    def average(self, now: float, last: int = SAMPLES) -> float | None:
        """The mean of the last `last` values; None if there are no values."""
        self._expire(now)
        values = self._values
        if not values:
            return None
        if last >= len(values):
            # max(): rounding may leave a sum just below 0 after a large value has left.
            return max(0.0, self._sum / len(values))
        return sum(v for _, v in islice(reversed(values), last)) / last

    def percentile(self, q: float, now: float, last: int = SAMPLES) -> float | None:
        """The quantile `q` (0..1) of the last `last` values, with linear interpolation at rank
        q x (n - 1); None if there are no values.
        """
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
        """avg, p50, p95, p99 (times `scale`, None without values) and the number of samples, as
        `/status` shows them.
        """

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
        """The values as (time, value), oldest first."""
        return list(self._values)

    def load(self, values: list[tuple[float, float]]) -> None:
        """Takes over what `dump` gave."""
        self._values = deque(values[-SAMPLES:])
        self._sum = sum(v for _, v in self._values)
        self._sorted = None
        self.last_at = self._values[-1][0] if self._values else float("-inf")
        self.recent = self._sum / len(self._values) if self._values else None


class FirstTokenWaits:
    """Streams that still wait for their first token, and the recent times to first token of the
    others. With these a service that becomes slow is noticed while its first slow stream is still
    waiting, not only at its end.

    Tactics compare `expected`. The statistics of `/status` are `Samples`, which count attempts that
    ended well. Only streams are counted: a whole answer has no first token before its end.

    `count`: streams that wait. `recent`: moving average of times to first token in seconds.
    """

    __slots__ = ("_began", "_last_at", "count", "recent")

    def __init__(self) -> None:
        self.count = 0
        self.recent: float | None = None
        self._began = 0.0  # the sum of the start times of the waiting streams
        self._last_at = 0.0

    def begin(self, now: float) -> None:
        """A stream begins to wait."""
        self.count += 1
        self._began += now

    def on_first_token(self, began: float, now: float) -> None:
        """A stream that began at `began` has its first token."""
        self.abandon(began)
        if self.recent is None:
            self.recent = now - began
        else:
            self.recent += max(RECENT_SHARE, 1.0 - exp((self._last_at - now) / RECENT_S)) * (
                now - began - self.recent
            )
        self._last_at = now

    def abandon(self, began: float) -> None:
        """A stream that began at `began` ended without a first token."""
        self.count -= 1
        self._began = self._began - began if self.count else 0.0

    def expected(self, now: float) -> float | None:
        """The expected time to first token, in seconds, of a request sent now; None if nothing is
        known.
        """
        n = self.count
        if not n:
            return self.recent
        # If they began evenly spread, the oldest has waited about twice as long as their mean.
        oldest = 2.0 * (now - self._began / n) * n / (n + 1)
        return oldest if self.recent is None or oldest > self.recent else self.recent


class Window:
    """A tumbling window: counts since `started_at`, reset to zero once `length_s` has passed."""

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
        """This window as it stands at `now`, reset if its time has passed. To be called before
        reading or adding.
        """
        if now - self.started_at >= self.length_s:
            self._reset(now)
        return self

    def tokens(self) -> int:
        """Input and output tokens."""
        return self.input_tokens + self.output_tokens

    def cache_hit_rate(self) -> float | None:
        """The share of requests with cached input, 0..1; None before the first one that reported
        it.
        """
        seen = self.cache_hits + self.cache_misses
        return self.cache_hits / seen if seen else None

    def summary(self, now: float) -> dict[str, float | int | None]:
        """The counts as `/status` shows them. `cost_tokens`: what it has cost where no price is
        known.
        """
        self.turn(now)
        rate = self.cache_hit_rate()
        return {
            "requests": self.requests,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "total_tokens": self.tokens(),
            "cache_hits": self.cache_hits,
            "cache_misses": self.cache_misses,
            "cache_hit_rate": None if rate is None else round(rate, 4),
            "cost_tokens": self.tokens(),
            "cost_usd": round(self.cost_usd, 6),
        }


class Ratio:
    """Attempts and errors of the last 30 s, in ten buckets of 3 s."""

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
        """Counts an attempt."""
        at = (
            self._slot % self.BUCKETS
            if int(now / self.BUCKET_S) == self._slot
            else self._advance(now)
        )
        self._attempts[at] += 1
        if is_error:
            self._errors[at] += 1

    def read(self, now: float) -> tuple[int, int]:
        """(attempts, errors) of the last 30 s, accurate to one bucket."""
        self._advance(now)
        return sum(self._attempts), sum(self._errors)

    def clear(self) -> None:
        """Forgets all attempts."""
        self._attempts = [0] * self.BUCKETS
        self._errors = [0] * self.BUCKETS
