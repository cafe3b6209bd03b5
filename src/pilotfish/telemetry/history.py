"""The last quarter of an hour of traffic, for the status page and `pilotfish top`: what is over, in
slots of five seconds. At most some 300 KiB, whatever the traffic.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Any

from pilotfish.telemetry.record import RequestRecord

SLOT_S = 5.0
SLOTS = 180
NOW_S = 60.0  # what is so now is so of the last minute
NOW_SLOTS = int(NOW_S / SLOT_S)
SAMPLES = 256  # times to first token kept of a slot


class _Slot:
    """`p50` and `p95` are seconds, None without a stream; known once the slot is over."""

    __slots__ = (
        "cost_usd",
        "errors",
        "number",
        "p50",
        "p95",
        "requests",
        "tokens",
        "ttft_s",
        "unpriced_tokens",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.requests = self.errors = self.tokens = self.unpriced_tokens = 0
        self.cost_usd = 0.0
        self.ttft_s: list[float] = []
        self.p50: float | None = None
        self.p95: float | None = None

    def close(self) -> None:
        self.p50, self.p95 = _quantiles(self.ttft_s)


def _quantiles(seconds: Sequence[float]) -> tuple[float | None, float | None]:
    if not seconds:
        return None, None
    ordered = sorted(seconds)
    return _quantile(ordered, 0.5), _quantile(ordered, 0.95)


def _quantile(ordered: Sequence[float], q: float) -> float:
    """Linear interpolation at rank q x (n - 1)."""
    rank = q * (len(ordered) - 1)
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


class TrafficHistory:
    """`now` everywhere: seconds on the monotonic clock."""

    def __init__(self, now: float | None = None) -> None:
        self._began = monotonic() if now is None else now
        self._slots: deque[_Slot] = deque([_Slot(int(self._began // SLOT_S))], maxlen=SLOTS)

    def observe(self, request: RequestRecord) -> None:
        """A request is over."""
        slot = self._slot_at(request.finished_at)
        slot.requests += 1
        code = request.code
        if code >= 500 or code == 429:
            slot.errors += 1
        for attempt in request.attempts:
            if attempt.usage is not None:
                slot.tokens += attempt.usage.output
                slot.cost_usd += attempt.cost_usd
                if attempt.service.price is None:
                    slot.unpriced_tokens += attempt.usage.input + attempt.usage.output
        served = request.relayed
        if request.stream and served is not None and served.first_at:
            if len(slot.ttft_s) < SAMPLES:
                slot.ttft_s.append(served.first_at - served.sent_at)
            else:  # one of those before, another one each time
                slot.ttft_s[slot.requests % SAMPLES] = served.first_at - served.sent_at

    def local_reply(self, code: int, now: float) -> None:
        """A request that the proxy answered itself."""
        slot = self._slot_at(now)
        slot.requests += 1
        if code >= 500 or code == 429:
            slot.errors += 1

    def _slot_at(self, now: float) -> _Slot:
        number, slots = int(now // SLOT_S), self._slots
        last = slots[-1]
        if number <= last.number:
            return last
        last.close()
        for missing in range(max(last.number + 1, number - SLOTS + 1), number + 1):
            slots.append(_Slot(missing))
        for old in range(1, min(len(slots), number - last.number + NOW_SLOTS + 1)):
            if old > NOW_SLOTS:
                slots[-1 - old].ttft_s = []
        return slots[-1]

    def now(self, now: float) -> dict[str, Any]:
        """Of the last minute, or of as long as there has been a proxy: requests and output tokens
        a second, the share of errors (null without a request), times to first token in ms, US
        dollars an hour, and how many tokens there were that nobody knows the price of.
        """
        last = self._slot_at(now)
        lately = [slot for slot in self._slots if slot.number > last.number - NOW_SLOTS]
        begin = max(self._began, lately[0].number * SLOT_S)
        passed = max(now - begin, 1.0)
        requests = sum(slot.requests for slot in lately)
        p50, p95 = _quantiles([x for slot in lately for x in slot.ttft_s])
        return {
            "requests_per_second": round(requests / passed, 3),
            "error_share": sum(s.errors for s in lately) / requests if requests else None,
            "ttft_p50_ms": _ms(p50),
            "ttft_p95_ms": _ms(p95),
            "tokens_per_second": round(sum(s.tokens for s in lately) / passed, 2),
            "usd_per_hour": round(sum(s.cost_usd for s in lately) * 3600 / passed, 6),
            "unpriced_tokens": sum(s.unpriced_tokens for s in lately),
        }

    def points(self, now: float) -> dict[str, Any]:
        """Each slot that is over, the oldest first, each figure in a list of its own: so much a
        second, the share of errors, times to first token in ms, US dollars an hour.
        """
        self._slot_at(now)
        slots = list(self._slots)[:-1]
        return {
            "step_s": SLOT_S,
            "most": SLOTS - 1,
            "requests_per_second": [round(slot.requests / SLOT_S, 3) for slot in slots],
            "error_share": [
                round(slot.errors / slot.requests, 4) if slot.requests else None for slot in slots
            ],
            "ttft_p50_ms": [_ms(slot.p50) for slot in slots],
            "ttft_p95_ms": [_ms(slot.p95) for slot in slots],
            "tokens_per_second": [round(slot.tokens / SLOT_S, 2) for slot in slots],
            "usd_per_hour": [round(slot.cost_usd * 3600 / SLOT_S, 6) for slot in slots],
            "unpriced_tokens": [slot.unpriced_tokens for slot in slots],
        }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
