"""What a Claude refuses, whoever serves it and however its name is spelt."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.model_facts import claude_quirks, claude_version, open_model_quirks


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("claude-3-opus-20240229", (3, 0)),
        ("claude-3-5-sonnet-20241022", (3, 5)),
        ("anthropic.claude-3-haiku-20240307-v1:0", (3, 0)),
        ("claude-opus-4-20250514", (4, 0)),
        ("claude-sonnet-4-5@20250929", (4, 5)),
        ("us.anthropic.claude-opus-4-7-v1:0", (4, 7)),
        ("anthropic/claude-opus-4.7", (4, 7)),
        ("claude-opus-5", (5, 0)),
        ("claude-preview", None),
        ("gpt-4o", None),
    ],
)
def test_versions_are_read_and_dates_are_none(model, version):
    assert claude_version(model) == version


@pytest.mark.parametrize(
    ("model", "max_tokens", "prefill", "sampling"),
    [
        ("claude-3-opus-20240229", 4096, True, True),
        ("claude-3-5-haiku-20241022", 8192, True, True),
        ("claude-sonnet-4-5", 16384, True, True),
        ("claude-opus-4-6", 16384, False, True),
        ("claude-opus-4-7", 16384, False, False),
        ("claude-sonnet-5", 16384, False, False),
    ],
)
def test_what_each_version_takes(model, max_tokens, prefill, sampling):
    quirks = claude_quirks(model, Quirks(refuses=frozenset({"other"})))
    assert quirks is not None
    assert (quirks.default_max_tokens, quirks.prefill) == (max_tokens, prefill)
    assert quirks.sampling_fields is sampling
    assert quirks.adaptive_thinking is not prefill
    assert "other" in quirks.refuses


@pytest.mark.parametrize(
    ("model", "field", "signatures"),
    [
        ("deepseek-ai/DeepSeek-V3.2", "reasoning_content", False),
        ("moonshotai/Kimi-K2-Thinking", "reasoning_content", False),
        ("google/gemini-3-pro", "", True),
    ],
)
def test_open_models_want_the_same_on_any_server(model, field, signatures):
    quirks = open_model_quirks(model, Quirks(max_tokens_field="max_tokens"))
    assert quirks is not None
    assert (quirks.reasoning_field, quirks.google_signatures) == (field, signatures)
    assert quirks.max_tokens_field == "max_tokens"


def test_of_a_model_that_nothing_is_known_of_nothing_is_assumed():
    assert open_model_quirks("llama-3.3-70b", Quirks()) is None


def test_a_model_that_says_no_version_keeps_what_it_has():
    assert claude_quirks("claude-preview", Quirks()) is None
