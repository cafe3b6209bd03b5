"""Gemini: one operation, two paths, and names that begin with `models/`."""

from __future__ import annotations

import pytest

from conformance import compiled
from pilotfish.core.exchange.request_url import target_of


@pytest.mark.parametrize("base", ["http://gw", "http://gw/v1beta"])
def test_a_base_with_or_without_version(base):
    provider = compiled({"kind": "google", "token": {"env": "K"}, "api_base": base}).provider
    assert (
        target_of(provider, "generate", "models/g", stream=True)
        == "/v1beta/models/g:streamGenerateContent?alt=sse"
    )


def test_another_version_in_the_base_is_kept():
    provider = compiled(
        {"kind": "google", "token": {"env": "K"}, "api_base": "http://gw/v1"}
    ).provider
    assert target_of(provider, "generate", "g") == "/v1/models/g:generateContent"
