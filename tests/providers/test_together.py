"""Together: a limit of tokens under a name of its own."""

from __future__ import annotations

from pilotfish.providers.together import KIND


def test_tokens_are_limited_under_another_name():
    assert KIND.limits.index[b"x-tokenlimit-remaining"] == ("remaining", "tokens")
