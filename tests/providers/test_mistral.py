"""Mistral: a schema that takes nothing it does not know."""

from __future__ import annotations

from pilotfish.providers.mistral import KIND


def test_ids_of_tool_calls_have_nine_characters():
    assert KIND.quirks.tool_id == "mistral9"


def test_usage_is_not_asked_for_since_it_comes_unasked():
    assert not KIND.quirks.stream_usage
    assert "stream_options" in KIND.quirks.refuses
