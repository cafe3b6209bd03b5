"""Budgets of a day: what counts, when they are spent, what happens then, and what a restart or new
rules leave of them.
"""

from __future__ import annotations

import pytest

from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.meter import Meter
from pilotfish.core.state.spending import DAY_S, Spending
from small_world import compiled

PROVIDERS = """
providers:
  openai: {kind: openai, token: {env: A}%s}
  claude: {kind: anthropic, token: {env: B}}
"""
RULES = """
rules:
- {name: chat, services: [{provider: openai, model: m}, {provider: claude, model: m}]%s}
- {name: other, request_model: other, services: [{provider: openai, model: m}]}
"""


def spending(rule: str = "", provider: str = "", top: str = "", workload: str = "") -> Spending:
    made = Spending(workload)
    made.adopt(snapshot(rule, provider, top))
    return made


def snapshot(rule: str = "", provider: str = "", top: str = ""):
    of_rule = f", budgets: {rule}" if rule else ""
    of_provider = f", budgets: {provider}" if provider else ""
    return compiled(PROVIDERS % of_provider, RULES % of_rule, *([top] if top else []))


def test_without_budgets_nobody_counts():
    assert spending().is_empty
    assert Budgets().is_empty


def test_a_rules_budget_keeps_its_own_requests_back_and_nobody_elses():
    made = spending("{usd_per_day: 1, action: reject}")
    made.add("chat", "openai", 0.6, 100, 10.0)
    assert made.blocked("chat", "openai", 10.0) is None
    made.add("chat", "claude", 0.4, 100, 20.0)
    reason, until = made.blocked("chat", "openai", 20.0)
    assert reason == "the budget of rule chat, 1 US dollars a day, is spent"
    assert DAY_S < until <= 20.0 + DAY_S * 61 / 60
    assert made.blocked("chat", "openai", until) is None
    assert made.blocked("other", "openai", 20.0) is None


def test_tokens_count_where_a_budget_is_in_tokens_whatever_they_cost():
    made = spending("{tokens_per_day: 1000, action: reject}")
    made.add("chat", "openai", 0.0, 999, 10.0)
    assert made.blocked("chat", "openai", 10.0) is None
    made.add("chat", "openai", 0.0, 1, 10.0)
    assert made.blocked("chat", "openai", 10.0) is not None


def test_a_providers_budget_keeps_requests_from_it_and_lets_them_go_elsewhere():
    made = spending(provider="{usd_per_day: 1, action: reject}")
    made.add("other", "openai", 1.0, 10, 5.0)
    assert made.blocked("chat", "openai", 5.0) is not None
    assert made.blocked("chat", "claude", 5.0) is None


@pytest.mark.parametrize(
    ("workload", "is_blocked"), [("shop/web", True), ("shop/job", False), ("", False)]
)
def test_a_workload_has_its_own_budget_or_that_of_all_others(workload, is_blocked):
    top = "budgets: {shop/web: {usd_per_day: 1, action: reject}, '*': {usd_per_day: 9}}"
    made = spending(top=top, workload=workload)
    made.add("chat", "openai", 1.0, 10, 5.0)
    assert (made.blocked("other", "claude", 5.0) is not None) == is_blocked
    assert [s.name for s in made.states(5.0)] == [workload or "*"]


def test_only_a_budget_that_rejects_keeps_anybody_back():
    for action in ("warn", "cheaper"):
        made = spending(f"{{usd_per_day: 1, action: {action}}}")
        made.add("chat", "openai", 5.0, 10, 5.0)
        assert made.blocked("chat", "openai", 5.0) is None


def test_the_cheapest_comes_first_while_a_budget_that_asks_for_it_is_spent():
    made = spending("{usd_per_day: 1, action: cheaper}")
    both = frozenset({"openai", "claude"})
    assert made.cheaper("chat", both, 5.0) == ""
    made.add("chat", "openai", 1.0, 10, 5.0)
    assert "budget of rule chat" in made.cheaper("chat", both, 5.0)
    assert made.cheaper("other", both, 5.0) == ""
    assert made.cheaper("chat", both, 5.0 + 2 * DAY_S) == ""


def test_a_providers_budget_makes_every_rule_thrifty_that_has_it():
    made = spending(provider="{usd_per_day: 1, action: cheaper}")
    made.add("chat", "openai", 1.0, 10, 5.0)
    assert made.cheaper("other", frozenset({"openai"}), 5.0)
    assert made.cheaper("other", frozenset({"claude"}), 5.0) == ""


def test_going_over_and_coming_back_are_news_once():
    made = spending("{usd_per_day: 1}")
    assert made.news(1.0) == []
    made.add("chat", "openai", 2.0, 10, 5.0)
    (spent,) = made.news(5.0)
    assert (spent.scope, spent.name, spent.kind, spent.action) == ("rule", "chat", "usd", "warn")
    assert spent.until is not None
    assert made.news(6.0) == []
    (back,) = made.news(5.0 + 2 * DAY_S)
    assert back.until is None


def test_new_rules_keep_what_was_spent_and_a_higher_budget_has_room_at_once():
    made = spending("{usd_per_day: 1, action: reject}")
    made.add("chat", "openai", 1.0, 10, 5.0)
    made.adopt(snapshot("{usd_per_day: 3, action: reject}"))
    assert made.blocked("chat", "openai", 6.0) is None
    assert made.states(6.0)[0].used == 1.0
    made.adopt(snapshot())
    assert made.is_empty


def test_what_other_proxies_spent_counts_too():
    made = spending("{usd_per_day: 10, action: reject}")
    (meter,) = made.meters().values()
    from pilotfish.core.state.meter import LimitPool

    meter.pool = LimitPool()
    meter.pool.others, meter.pool.heard_at = 9.5, 100.0
    made.add("chat", "openai", 0.6, 10, 100.0)
    assert made.blocked("chat", "openai", 100.0) is not None
    assert meter.pool.spent == pytest.approx(0.6)


def test_what_was_used_is_kept_over_a_restart_whatever_the_new_clock_says():
    old, new = Meter("m", 10, "", DAY_S), Meter("m", 10, "", DAY_S)
    old.take(4.0, 1_000.0)
    old.take(3.0, 50_000.0)
    shift = -49_000.0  # the new process' clock begins anew
    new.restore([(at + shift, amount) for at, amount in old.kept(50_000.0)], 1_000.0)
    assert new.used(1_000.0) == 7.0
    assert new.used(1_000.0 + DAY_S - 45_000.0) == 3.0


def test_what_is_older_than_the_window_is_not_restored():
    meter = Meter("m", 10, "", DAY_S)
    meter.restore([(-2 * DAY_S, 5.0), (0.0, 1.0)], 10.0)
    assert meter.used(10.0) == 1.0
