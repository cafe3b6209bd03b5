"""Effort and budget in the words of each generation of Gemini."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.neutral import ThinkingConfig
from pilotfish.styles._fields import Losses
from pilotfish.styles.google.thinking import generation, write_thinking


def written(model: str, **config) -> tuple[dict, tuple[str, ...]]:
    losses = Losses()
    return write_thinking(ThinkingConfig(**config), model, losses), losses.names()


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-3-pro-preview", 3),
        ("models/gemini-2.5-flash", 2),
        ("gemini-flash-latest", 3),
        ("gemma-3-27b", 0),
        ("tuned-model", 0),
        ("gemini-10-pro", 10),
    ],
)
def test_the_generation_is_in_the_name(model, expected):
    assert generation(model) == expected


class TestSwitchingOff:
    def test_what_cannot_be_switched_off_thinks_least_and_says_so(self):
        assert written("gemini-3-pro", enabled=False) == ({"thinkingLevel": "LOW"}, ("thinking",))
        assert written("gemini-3-flash", effort="none") == (
            {"thinkingLevel": "MINIMAL"},
            ("thinking",),
        )
        assert written("gemini-2.5-pro", enabled=False) == ({"thinkingBudget": 128}, ("thinking",))

    def test_a_budget_of_nothing_does_it_elsewhere(self):
        assert written("gemini-2.5-flash", enabled=False) == ({"thinkingBudget": 0}, ())


@pytest.mark.parametrize(
    ("model", "config", "expected"),
    [
        ("gemini-3-flash", {"effort": "minimal"}, {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-pro", {"effort": "minimal"}, {"thinkingLevel": "LOW"}),
        ("gemini-3-pro", {"effort": "max"}, {"thinkingLevel": "HIGH"}),
        ("gemini-3-pro", {"budget": 10000}, {"thinkingLevel": "MEDIUM"}),
        ("gemini-3-pro", {"budget": -1}, {}),
        ("gemini-2.5-flash", {"effort": "low"}, {"thinkingBudget": 4096}),
        ("gemini-2.5-flash", {"effort": "max"}, {"thinkingBudget": 24576}),
        ("gemini-2.5-pro", {"budget": 31999}, {"thinkingBudget": 31999}),
        ("gemini-2.5-flash", {"budget": -1}, {"thinkingBudget": -1}),
        ("gemini-2.5-flash", {"enabled": True}, {"thinkingBudget": -1}),
        ("my-prod-model", {"budget": 50000}, {"thinkingBudget": 50000}),
    ],
)
def test_effort_and_budget_find_each_models_words(model, config, expected):
    found, lost = written(model, **config)
    assert found == expected | {"includeThoughts": True}
    assert lost == ()


def test_a_budget_beyond_the_models_is_bent_and_named():
    assert written("gemini-2.5-flash", budget=31999)[1] == ("thinking.budget",)
    assert written("gemini-2.5-flash-lite", budget=100) == (
        {"thinkingBudget": 512, "includeThoughts": True},
        ("thinking.budget",),
    )


@pytest.mark.parametrize("model", ["gemini-3-pro", "gemini-2.5-pro"])
def test_an_effort_that_nobody_knows_is_named(model):
    assert "thinking.effort" in written(model, effort="frantic")[1]


def test_who_does_not_want_to_see_thoughts_does_not():
    assert written("gemini-2.5-pro", effort="low", show=False)[0]["includeThoughts"] is False


def test_nothing_asked_is_nothing_said():
    assert written("gemini-2.5-pro", show=True) == ({"includeThoughts": True}, ())
