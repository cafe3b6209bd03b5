"""Fireworks: prompt and generated tokens are limited apart."""

from __future__ import annotations

from pilotfish.providers.fireworks import KIND


def test_two_kinds_of_tokens():
    assert set(KIND.limits.remaining) == {"requests", "input_tokens", "output_tokens"}
