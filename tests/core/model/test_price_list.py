"""Whose price counts: the rules' own, else the newer of the lists, else nobody's."""

from __future__ import annotations

import dataclasses

import pytest

from pilotfish.core.model.price import ListedModel, Price
from pilotfish.core.model.price_list import PriceList, VendorPrices
from pilotfish.core.model.service import Provider
from small_world import KINDS

LISTED = Price(5, 30, tiers={"regional": Price(5.5, 33)}, source="list 2026-11-06")


def provider(listed=lambda model, options: ListedModel("acme", model)):
    kind = dataclasses.replace(KINDS["openai"], listed=listed)
    return Provider("mine", kind, "https://acme.example/v1", "openai", {})


def catalogue(vendor, model):
    return LISTED if (vendor, model) == ("acme", "big") else None


def test_nobody_knows_what_is_in_no_list():
    assert PriceList(catalogue=catalogue).of(provider(), "small") is None
    assert PriceList().of(provider(), "big") is None


def test_a_server_of_ones_own_has_no_list_price_whatever_its_models_are_called():
    assert PriceList(catalogue=catalogue).of(provider(listed=None), "big") is None


def test_a_name_that_is_no_model_of_the_vendors_is_not_looked_up():
    assert PriceList(catalogue=catalogue).of(provider(lambda m, o: None), "big") is None


def test_a_known_model_needs_no_price_in_the_rules():
    assert PriceList(catalogue=catalogue).of(provider(), "big") is LISTED
    assert PriceList(catalogue=catalogue).of(provider(), "big-2026-01-31") is LISTED


@pytest.mark.parametrize("name", ["mine/big", "mine/*", "big"])
def test_the_rules_own_price_comes_first(name):
    own = Price(1, 2)
    assert PriceList({name: own}, catalogue=catalogue).of(provider(), "big") is own


def test_of_the_rules_prices_the_one_for_just_this_service_counts():
    prices = {"mine/big": Price(1), "mine/*": Price(2), "big": Price(3)}
    assert PriceList(prices).of(provider(), "big") is prices["mine/big"]
    assert PriceList(prices).of(provider(), "other") is prices["mine/*"]


@pytest.mark.parametrize(("as_of", "counts"), [("2026-11-05", "theirs"), ("2026-12-01", "ours")])
def test_the_newer_list_counts(as_of, counts):
    ours = Price(4, 20, source=f"list {as_of}")
    prices = PriceList({}, {"acme": VendorPrices(as_of, {"big": ours})}, catalogue)
    assert prices.of(provider(), "big") is {"ours": ours, "theirs": LISTED}[counts]


def test_a_list_that_lacks_a_model_takes_nothing_away():
    prices = PriceList({}, {"acme": VendorPrices("2026-12-01", {})}, catalogue)
    assert prices.of(provider(), "big") is LISTED


def test_a_region_has_its_own_price_where_the_list_has_one():
    regional = provider(lambda model, options: ListedModel("acme", model, "regional"))
    assert PriceList(catalogue=catalogue).of(regional, "big") == Price(5.5, 33)
    flat = dataclasses.replace(LISTED, tiers={})
    assert PriceList(catalogue=lambda v, m: flat).of(regional, "big") is flat
