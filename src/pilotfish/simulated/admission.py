"""Whom a simulated vendor serves: credentials and rate limits."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from pilotfish.simulated.behaviour import RateLimit
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
