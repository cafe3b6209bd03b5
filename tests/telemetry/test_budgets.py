"""Budgets of a day are told: what is left, and when one is spent."""

from __future__ import annotations

from structlog.testing import capture_logs

from pilotfish.core.state.spending import Spending, Spent
from pilotfish.telemetry import series as s
from pilotfish.telemetry.budgets import BudgetGauges, log_budgets
from pilotfish.telemetry.registry import Registry
from telemetry.rules import rule, snapshot


def test_what_is_left_is_told_and_goes_with_its_budget():
    registry, spending = Registry(), Spending()
    spending.adopt(snapshot(rule("chat", budgets={"usd_per_day": 4})))
    gauges = BudgetGauges(registry, spending)
    spending.add("chat", "p", 6.0, 100, 0.0)
    gauges.refresh()
    assert registry[s.BUDGET_LIMIT].children["rule", "chat", "usd"].value == 4.0
    spending.adopt(snapshot("chat"))
    gauges.refresh()
    assert registry[s.BUDGET_LEFT].children == {}


def test_one_that_is_spent_says_until_when_and_what_happens_now():
    spent = Spent("rule", "chat", "usd", "reject", 5.0, 6.0, 1000.0 + 3600.0)
    with capture_logs() as lines:
        log_budgets([spent, spent._replace(until=None)], 1000.0)
    assert [line["event"] for line in lines] == ["budget_spent", "budget_left"]
    assert (lines[0]["action"], lines[0]["log_level"]) == ("reject", "warning")
    assert lines[0]["until"].endswith("Z")
