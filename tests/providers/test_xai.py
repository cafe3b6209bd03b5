"""xAI: what Grok's reasoning models refuse."""

from __future__ import annotations

import pytest

from pilotfish.providers.xai import model_quirks


@pytest.mark.parametrize(
    ("model", "effort"), [("grok-4", False), ("grok-code-fast-1", False), ("grok-3-mini", True)]
)
def test_reasoning_models(model, effort):
    quirks = model_quirks(model)
    assert quirks is not None
    assert quirks.refuses == {"presence_penalty", "frequency_penalty", "stop"}
    assert quirks.reasoning_effort is effort


def test_others():
    assert model_quirks("grok-3") is None
