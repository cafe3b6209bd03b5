"""How much Claude is to think."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.neutral import (
    Chat,
    Signature,
    Text,
    Thinking,
    ThinkingConfig,
    ToolCall,
    ToolResult,
    Turn,
)
from pilotfish.core.formats.style import Quirks
from pilotfish.styles._fields import Losses
from pilotfish.styles.anthropic.thinking import plan_thinking

PLAIN = Quirks()
ADAPTIVE = Quirks(adaptive_thinking=True)
WANTED = ThinkingConfig(enabled=True, effort="high")


def plan(thinking, *turns, quirks=PLAIN, forced=False):
    losses = Losses()
    found = plan_thinking(
        Chat(model="m", turns=turns, thinking=thinking), quirks, losses, forced=forced
    )
    return found, losses.names()


def test_a_forced_tool_rules_thinking_out_and_says_so():
    found, lost = plan(WANTED, forced=True)
    assert (found.thinking, lost) == (None, ("thinking",))


class TestInTheMiddleOfAToolLoop:
    ANSWER = Turn("user", (ToolResult(call_id="a"),))
    CALL = ToolCall(id="a", name="f")

    def test_calls_without_signed_thinking_rule_it_out(self):
        """Claude answers 400; clients of other styles have no thinking to give back."""
        assert plan(WANTED, Turn("assistant", (self.CALL,)), self.ANSWER)[1] == ("thinking",)

    def test_signed_thinking_lets_it_go_on(self):
        signed = Thinking(text="hm", signature=Signature("anthropic", "S"))
        found, lost = plan(WANTED, Turn("assistant", (signed, self.CALL)), self.ANSWER)
        assert found.thinks
        assert lost == ()

    def test_a_model_that_adapts_does_not_mind(self):
        assert plan(WANTED, Turn("assistant", (self.CALL,)), self.ANSWER, quirks=ADAPTIVE)[1] == ()

    def test_results_without_any_call_are_not_our_business(self):
        assert plan(WANTED, self.ANSWER)[1] == ()


@pytest.mark.parametrize(
    "off", [ThinkingConfig(enabled=False), ThinkingConfig(effort="none"), ThinkingConfig(budget=0)]
)
def test_off_is_said(off):
    found, _ = plan(off)
    assert found.thinking == {"type": "disabled"}
    assert not found.thinks


@pytest.mark.parametrize(
    ("wanted", "budget"),
    [
        (ThinkingConfig(effort="minimal"), 1024),
        (ThinkingConfig(enabled=True, effort="xhigh"), 24576),
        (ThinkingConfig(enabled=True, budget=100), 1024),
        (ThinkingConfig(enabled=True, budget=5000, effort="low"), 5000),
        (ThinkingConfig(enabled=True, budget=-1), 10240),
        (ThinkingConfig(enabled=True), 10240),
    ],
)
def test_budgets(wanted, budget):
    assert plan(wanted)[0].thinking == {"type": "enabled", "budget_tokens": budget}


def test_an_effort_that_nobody_knows_asks_for_nothing():
    assert plan(ThinkingConfig(enabled=True, effort="extreme"))[0].thinking is None


@pytest.mark.parametrize(
    ("wanted", "thinking", "effort"),
    [
        (ThinkingConfig(enabled=True, budget=5000), {"type": "adaptive"}, "medium"),
        (ThinkingConfig(enabled=True, effort="minimal"), {"type": "adaptive"}, "low"),
        (
            ThinkingConfig(enabled=True, effort="max", show=False),
            {"type": "adaptive", "display": "omitted"},
            "max",
        ),
        (ThinkingConfig(effort="low"), None, "low"),
    ],
)
def test_newer_models_are_told_an_effort(wanted, thinking, effort):
    found, _ = plan(wanted, quirks=ADAPTIVE)
    assert (found.thinking, found.effort) == (thinking, effort)


def test_nothing_wanted_is_nothing_said():
    assert plan(None, Turn("user", (Text("hi"),)))[0].thinking is None
