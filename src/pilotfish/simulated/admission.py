"""Whom a simulated vendor serves: keys, rate limits, and which fault a request gets."""

from __future__ import annotations

import math
import random
import re
from collections import Counter, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pilotfish.simulated.behaviour import Fault
from pilotfish.simulated.words import fault_in

if TYPE_CHECKING:
    from pilotfish.simulated.behaviour import Profile, RateLimit
    from pilotfish.simulated.http import VendorRequest

_AWS_KEY = re.compile(r"Credential=([^/,\s]+)/")


def key_of(request: VendorRequest) -> str | None:
    """The credential, wherever one of the vendors has it; for AWS signatures the access key."""
    authorization = request.headers.get("authorization", "")
    if authorization.startswith("AWS4-HMAC-SHA256"):
        match = _AWS_KEY.search(authorization)
        return match[1] if match else None
    if authorization.lower().startswith("bearer "):
        return authorization[7:].strip()
    for name in ("x-api-key", "x-goog-api-key", "api-key"):
        if name in request.headers:
            return request.headers[name]
    return request.query.get("key")


class RateWindow:
    """Counts requests against a RateLimit; the first request opens a window."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._started = -math.inf
        self._used = 0

    def take(self, now: float) -> float | None:
        """None where the request fits, else the seconds until the window ends."""
        if now - self._started >= self._limit.window_s:
            self._started, self._used = now, 0
        if self._used >= self._limit.requests:
            return self._started + self._limit.window_s - now
        self._used += 1
        return None

    def headers(self, style: str, now: float, wall: float) -> list[tuple[str, str]]:
        """What is left, as the vendor tells it; `wall` is Unix time."""
        left = self._limit.requests - self._used
        reset_s = max(0.0, self._started + self._limit.window_s - now)
        if style == "anthropic":
            until = (
                datetime.fromtimestamp(wall + reset_s, UTC)
                .isoformat(timespec="seconds")
                .replace("+00:00", "Z")
            )
            start, reset = "anthropic-ratelimit-requests-", until
            names = ("limit", "remaining", "reset")
            return [
                (start + name, text)
                for name, text in zip(
                    names, (str(self._limit.requests), str(left), reset), strict=True
                )
            ]
        if style != "openai":
            return []
        return [
            ("x-ratelimit-limit-requests", str(self._limit.requests)),
            ("x-ratelimit-remaining-requests", str(left)),
            ("x-ratelimit-reset-requests", f"{math.ceil(reset_s * 1000)}ms"),
        ]


class Faults:
    """Chooses the fault of each request: the script first, then the standing one; words in the
    model's name come on top.
    """

    def __init__(self, profile: Profile) -> None:
        self.script: deque[Fault] = deque()
        self.standing: Fault | None = None
        self._profile = profile
        self._asked: Counter[str] = Counter()
        self._rng = random.Random(profile.seed)

    def next_for(self, model: str) -> Fault:
        """Raises ValueError for words in the model's name that mean nothing."""
        fault = self.script.popleft() if self.script else self.standing or Fault()
        if self._profile.error_ratio and self._rng.random() < self._profile.error_ratio:
            fault = Fault.status(500) | fault
        worded = fault_in(model)
        if worded is None:
            return fault
        self._asked[model] += 1
        number = self._asked[model]
        if (worded.first is not None and number > worded.first) or (
            worded.every is not None and number % worded.every
        ):
            return fault
        return worded | fault
