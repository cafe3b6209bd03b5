"""What a Claude refuses, whoever serves it and however its name is spelt."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.model_facts import claude_quirks, claude_version


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
    assert ("temperature" not in quirks.refuses) is sampling
    assert "other" in quirks.refuses


def test_a_model_that_says_no_version_keeps_what_it_has():
    assert claude_quirks("claude-preview", Quirks()) is None
