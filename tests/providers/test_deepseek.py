"""DeepSeek: what its reasoner refuses."""

from __future__ import annotations

from pilotfish.providers.deepseek import KIND, model_quirks


def test_the_reasoner_refuses_log_probabilities():
    quirks = model_quirks("deepseek-reasoner")
    assert quirks is not None
    assert quirks.refuses == {"logprobs", "top_logprobs"}
    assert not quirks.json_schema
    assert model_quirks("deepseek-chat") is None


def test_the_base_has_no_version():
    assert KIND.version == ""
