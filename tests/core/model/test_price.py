"""Under which names a price list is asked for a model."""

from __future__ import annotations

import pytest

from pilotfish.core.model.price import ListedModel, listed_by, names_of


@pytest.mark.parametrize(
    ("model", "also"),
    [
        ("gpt-4.1-2025-04-14", "gpt-4.1"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("mistral-large-2512", "mistral-large"),
        ("gpt-5.1-latest", "gpt-5.1"),
    ],
)
def test_a_dated_snapshot_costs_what_its_model_does_unless_it_is_listed_itself(model, also):
    assert names_of(ListedModel("vendor", model)) == [model, also]


@pytest.mark.parametrize("model", ["gpt-4o", "claude-opus-4-1", "o3", "20250929", "a-b-c-d"])
def test_a_version_is_not_taken_for_a_date(model):
    assert names_of(ListedModel("vendor", model)) == [model]


def test_a_kind_with_its_vendors_names_asks_that_vendors_list():
    assert listed_by("openai")("gpt-4o", {}) == ListedModel("openai", "gpt-4o")
