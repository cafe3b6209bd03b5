"""OpenRouter: a probe that proves the key."""

from __future__ import annotations

from pilotfish.providers.openrouter import KIND


def test_the_public_models_list_is_no_probe():
    """It made any key look valid in the gateway seed."""
    assert KIND.probe == "/key"
