"""Groq: below /openai/v1, wherever that is."""

from __future__ import annotations

import pytest

from conformance import compiled


@pytest.mark.parametrize("base", ["http://gw/openai", "http://gw/openai/v1"])
def test_a_base_with_or_without_version(base):
    assert (
        compiled({"kind": "groq", "token": {"env": "K"}, "api_base": base}).provider.base
        == "http://gw/openai/v1"
    )
