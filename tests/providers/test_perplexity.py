"""Perplexity: no tools, and no call that costs nothing."""

from __future__ import annotations

from pilotfish.providers.perplexity import KIND


def test_nothing_to_probe_with():
    assert KIND.probe is None


def test_tools_are_refused():
    assert {"tools", "tool_choice"} <= KIND.quirks.refuses
