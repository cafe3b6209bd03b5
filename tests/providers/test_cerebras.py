"""Cerebras: requests by the day, tokens by the minute."""

from __future__ import annotations

from pilotfish.providers.cerebras import KIND


def test_limits_of_two_spans():
    assert KIND.limits.index[b"x-ratelimit-remaining-requests-day"] == ("remaining", "requests")
    assert KIND.limits.index[b"x-ratelimit-reset-tokens-minute"] == ("reset", "tokens")
