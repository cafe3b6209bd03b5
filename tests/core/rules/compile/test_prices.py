"""`prices` and `price_lists`, compiled: what a tier and a long request cost instead."""

from __future__ import annotations

import pytest

from pilotfish.core.model.price import Price
from small_world import TWO_PROVIDERS, compiled, problem


def price(text: str) -> Price:
    rules = "rules:\n- {name: r, services: [{provider: openai, model: m}]}"
    found = compiled(TWO_PROVIDERS, f"prices: {{m: {text}}}", rules).rules[0].services[0].price
    assert found is not None
    return found


def test_a_price_says_that_it_is_from_the_rules():
    assert price("{input: 2, output: 10}") == Price(2.0, 10.0, source="rules")


def test_a_long_request_costs_what_is_named_and_for_the_rest_as_much_as_others():
    found = price("{input: 2, output: 10, cached_input: 0.2, above: {tokens: 9, input: 4}}")
    assert (found.above_tokens, found.above) == (9, Price(4.0, 10.0, 0.2))


def test_a_share_is_of_every_price_those_of_long_requests_too():
    found = price(
        "{input: 2, output: 10, cached_input: 1, above: {tokens: 9, input: 4},"
        " tiers: {batch: {share: 0.5}}}"
    )
    half = found.tiers["batch"]
    assert (half.input, half.output, half.cached_input, half.cache_write) == (1.0, 5.0, 0.5, None)
    assert half.above is not None
    assert (half.above_tokens, half.above.input, half.above.output) == (9, 2.0, 5.0)


def test_a_tier_with_prices_of_its_own_has_them_for_long_requests_too():
    found = price(
        "{input: 2, output: 10, cached_input: 1, above: {tokens: 9, input: 4},"
        " tiers: {priority: {input: 5, output: 30}}}"
    )
    assert found.tiers["priority"] == Price(5.0, 30.0, 1.0)


def test_a_list_has_a_day_which_is_said_of_its_prices():
    lists = "price_lists: {acme: {as_of: 2026-12-01, models: {big: {input: 1}}}}"
    prices = compiled(TWO_PROVIDERS, lists).prices
    assert prices.lists["acme"].as_of == "2026-12-01"
    assert prices.lists["acme"].models["big"].source == "list 2026-12-01"


@pytest.mark.parametrize("text", ["{acme: {models: {}}}", "{acme: {as_of: soon}}"])
def test_a_list_without_a_day_is_refused(text):
    assert "as_of" in problem(f"price_lists: {text}")[0]


def test_a_vendor_given_twice_is_a_problem():
    lists = "price_lists: {acme: {as_of: 2026-12-01}}"
    assert problem(lists, lists)[1].startswith("price list 'acme' is given twice")


def test_models_of_the_catalogue_have_prices_and_others_none():
    rules = "rules:\n- {name: r, services: [{provider: openai, model: m}]}"
    asked = []
    compiled(TWO_PROVIDERS, rules, catalogue=lambda *at: asked.append(at))
    assert asked == []  # a kind without a list asks for nothing
