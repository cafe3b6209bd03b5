"""What is left of a vendor's rate limits: read from every answer's headers, kept per service, asked
before each attempt (seeds A9).
"""

from __future__ import annotations

import msgspec

from pilotfish.core.model.provider import LimitHeaders
from pilotfish.core.state.retry_after import Headers, when

# A limit that is used up and does not say until when: the vendors that keep silent refill by the
# minute, a little all the time.
RESET_UNKNOWN_S = 10.0


class VendorLimits(msgspec.Struct):
    """What one answer's headers told, by kind (`requests`, `tokens`, `input_tokens`,
    `output_tokens`). `reset_s`: seconds from now.
    """

    remaining: dict[str, float] = {}
    limit: dict[str, float] = {}
    reset_s: dict[str, float] = {}


def read_limits(limits: LimitHeaders, headers: Headers, now_wall: float) -> VendorLimits | None:
    """One pass over an answer's headers (lower-case names); None if they tell nothing, the common
    case. `now_wall`: epoch seconds.
    """
    index = limits.index
    told: VendorLimits | None = None
    for name, value in headers:
        if name in index:
            what, kind = index[name]
            number = when(value.decode("latin-1"), now_wall) if what == "reset" else _count(value)
            if number is not None:
                if told is None:
                    told = VendorLimits()
                (
                    told.reset_s
                    if what == "reset"
                    else told.remaining
                    if what == "remaining"
                    else told.limit
                )[kind] = number
    return told


def _count(value: bytes) -> float | None:
    if value.isdigit():
        return float(value) if len(value) < 16 else None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < 1e15 else None


class Headroom:
    """What is left for one service. Times are seconds on the caller's clock, counts as the vendor
    last told, less what was sent since.
    """

    __slots__ = ("limit", "remaining", "resets_at")

    def __init__(self) -> None:
        self.remaining: dict[str, float] = {}
        self.limit: dict[str, float] = {}
        self.resets_at: dict[str, float] = {}

    def observe(self, told: VendorLimits, now: float) -> None:
        """An answer came and told this."""
        self.limit.update(told.limit)
        for kind, left in told.remaining.items():
            self.remaining[kind] = left
            self.resets_at[kind] = now + told.reset_s.get(kind, RESET_UNKNOWN_S)

    def take(self, tokens: float) -> None:
        """A request of about so many input tokens was sent: it is counted until the next answer
        tells better.
        """
        for kind, left in self.remaining.items():
            self.remaining[kind] = max(0.0, left - _need(kind, tokens))

    def usable_at(self, tokens: float, now: float) -> float:
        """When a request of about so many input tokens is covered: `now`, or the reset of the last
        limit that it exceeds.
        """
        at = now
        for kind, left in self.remaining.items():
            if left < _need(kind, tokens):
                at = max(at, self.resets_at[kind])
        return at

    def covers(self, tokens: float, now: float) -> bool:
        """Whether a request of about so many input tokens may be sent now. A limit past its reset
        is taken for full.
        """
        return self.usable_at(tokens, now) <= now


def _need(kind: str, tokens: float) -> float:
    """Of a request's tokens only the input is known beforehand; of output it takes one at least."""
    return tokens if kind in ("tokens", "input_tokens") else 1.0
