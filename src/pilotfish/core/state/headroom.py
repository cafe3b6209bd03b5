"""Headroom: what is left of a vendor's rate limits for one service, as its response headers report
it. An attempt that it does not cover goes to another service.
"""

from __future__ import annotations

import msgspec

from pilotfish.core.model.provider import LimitHeaders
from pilotfish.core.state.retry_after import Headers, when

# When a used-up limit is taken to be full again, in seconds, if the vendor sends no reset header.
# Such vendors refill their limits continuously over a minute.
RESET_UNKNOWN_S = 10.0


class VendorLimits(msgspec.Struct):
    """The rate limits that one response's headers report, by kind (`requests`, `tokens`,
    `input_tokens`, `output_tokens`). `reset_s`: seconds from the response on.
    """

    remaining: dict[str, float] = {}
    limit: dict[str, float] = {}
    reset_s: dict[str, float] = {}


def read_limits(limits: LimitHeaders, headers: Headers, now_wall: float) -> VendorLimits | None:
    """Reads a response's headers (lower-case names); None if they report no limits, as is common.
    `now_wall`: epoch seconds, for resets given as a date.
    """
    index = limits.index
    reported: VendorLimits | None = None
    for name, value in headers:
        if name in index:
            table, kind = index[name]
            number = when(value.decode("latin-1"), now_wall) if table == "reset" else _count(value)
            if number is not None:
                if reported is None:
                    reported = VendorLimits()
                if table == "reset":
                    reported.reset_s[kind] = number
                elif table == "remaining":
                    reported.remaining[kind] = number
                else:
                    reported.limit[kind] = number
    return reported


def _count(value: bytes) -> float | None:
    if value.isdigit():
        return float(value) if len(value) < 16 else None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < 1e15 else None


class Headroom:
    """What is left for one service, by kind: the counts that the vendor reported last, less what
    was sent since. Times are seconds on the clock of `now`.
    """

    __slots__ = ("limit", "remaining", "resets_at")

    def __init__(self) -> None:
        self.remaining: dict[str, float] = {}
        self.limit: dict[str, float] = {}
        self.resets_at: dict[str, float] = {}

    def observe(self, reported: VendorLimits, now: float) -> None:
        """Takes over what a response reported."""
        self.limit.update(reported.limit)
        for kind, left in reported.remaining.items():
            self.remaining[kind] = left
            self.resets_at[kind] = now + reported.reset_s.get(kind, RESET_UNKNOWN_S)

    def take(self, tokens: float) -> None:
        """Counts a request of about `tokens` input tokens that was sent, until the next response
        reports the exact state.
        """
        for kind, left in self.remaining.items():
            self.remaining[kind] = max(0.0, left - _need(kind, tokens))

    def usable_at(self, tokens: float, now: float) -> float:
        """When a request of about `tokens` input tokens is covered: `now`, or the latest reset of
        the limits that it exceeds.
        """
        at = now
        for kind, left in self.remaining.items():
            if left < _need(kind, tokens):
                at = max(at, self.resets_at[kind])
        return at

    def covers(self, tokens: float, now: float) -> bool:
        """Whether a request of about `tokens` input tokens may be sent now. A limit whose reset has
        passed counts as full.
        """
        return self.usable_at(tokens, now) <= now


def _need(kind: str, tokens: float) -> float:
    """How much of a limit a request takes. Output tokens are not known beforehand: at least 1."""
    return tokens if kind in ("tokens", "input_tokens") else 1.0
