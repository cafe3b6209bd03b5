"""LM Studio: on this machine, without a key."""

from __future__ import annotations

from pilotfish.providers.lmstudio import KIND


def test_no_key_is_needed():
    assert not KIND.needs_key
    assert KIND.base_url == "http://localhost:1234/v1"
