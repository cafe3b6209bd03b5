"""Gemini in OpenAI's form: paths below Google's base, as it stands."""

from __future__ import annotations

from pilotfish.providers.gemini_openai import KIND


def test_the_base_is_taken_as_it_stands():
    assert KIND.version == ""
    assert KIND.base_url.endswith("/v1beta/openai")
