"""Tokens and their cost: what is charged for which part, and what is estimated where nobody
counted.
"""

from __future__ import annotations

import pytest

from pilotfish.core.exchange.usage import cost_of, final_usage
from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.service import Price

PRICE = Price(input=2.0, output=10.0, cached_input=0.5, cache_write=2.5)


def test_without_a_price_nothing_is_charged():
    assert cost_of(Usage(input=1000, output=1000), None) == 0.0


def test_cached_and_written_tokens_are_parts_of_the_input_with_prices_of_their_own():
    usage = Usage(input=1_000_000, output=100_000, cached_input=600_000, cache_write=100_000)
    assert cost_of(usage, PRICE) == pytest.approx(0.3 * 2.0 + 0.6 * 0.5 + 0.1 * 2.5 + 0.1 * 10.0)


def test_what_a_cache_keeps_for_an_hour_has_its_price():
    usage = Usage(input=1_000_000, cache_write=300_000, cache_write_1h=200_000)
    price = Price(input=2.0, cache_write=2.5, cache_write_1h=4.0)
    assert cost_of(usage, price) == pytest.approx(0.7 * 2.0 + 0.1 * 2.5 + 0.2 * 4.0)
    assert cost_of(usage, PRICE) == pytest.approx(0.7 * 2.0 + 0.3 * 2.5)


def test_without_prices_of_their_own_they_cost_what_input_costs():
    usage = Usage(input=1_000_000, cached_input=600_000, cache_write=100_000)
    assert cost_of(usage, Price(input=2.0)) == pytest.approx(2.0)


def test_more_cached_than_read_never_gives_money_back():
    assert cost_of(Usage(input=10, cached_input=20), Price(input=2.0, cached_input=0.0)) == 0.0


def test_an_attempt_that_never_spoke_took_nothing_that_we_know_of():
    assert final_usage(None, 0, 50, complete=False, is_text=True) is None


def test_a_client_that_leaves_in_the_middle_is_charged_for_what_was_said():
    assert final_usage(None, 41, 50, complete=False, is_text=True) == Usage(
        input=50, output=11, estimated=True
    )


def test_a_count_that_came_before_the_end_is_no_less_than_what_was_said():
    known = Usage(input=70, output=1, cached_input=30)
    assert final_usage(known, 400, 50, complete=False, is_text=True) == Usage(
        input=70, output=100, cached_input=30, estimated=True
    )


def test_the_upstreams_own_count_stands_once_its_answer_is_complete():
    known = Usage(input=70, output=3)
    assert final_usage(known, 400, 50, complete=True, is_text=True) is known


def test_a_complete_answer_without_a_count_is_estimated():
    assert final_usage(None, 8, 50, complete=True, is_text=True) == Usage(
        input=50, output=2, estimated=True
    )


def test_what_is_no_text_is_not_estimated():
    assert final_usage(None, 8, 50, complete=True, is_text=False) is None


def test_a_tier_of_the_vendors_has_its_price_and_an_unknown_one_the_standard_price():
    price = Price(2.0, 10.0, tiers={"flex": Price(1.0, 5.0)})
    assert cost_of(Usage(input=1_000_000, tier="flex"), price) == pytest.approx(1.0)
    assert cost_of(Usage(input=1_000_000, tier="turbo"), price) == pytest.approx(2.0)


def test_all_tokens_of_a_long_request_cost_more():
    price = Price(2.0, 10.0, above_tokens=200_000, above=Price(4.0, 15.0))
    assert cost_of(Usage(input=200_000, output=1000), price) == pytest.approx(0.4 + 0.01)
    assert cost_of(Usage(input=200_001, output=1000), price) == pytest.approx(0.800004 + 0.015)


def test_audio_and_images_have_prices_of_their_own_where_there_are_any():
    usage = Usage(
        input=1000, output=1000, audio_input=400, audio_output=100, image_input=50, image_output=300
    )
    price = Price(
        2.0, 10.0, audio_input=40.0, audio_output=80.0, image_input=5.0, image_output=30.0
    )
    expected = 550 * 2 + 400 * 40 + 50 * 5 + 600 * 10 + 100 * 80 + 300 * 30
    assert cost_of(usage, price) == pytest.approx(expected / 1_000_000)
    assert cost_of(usage, Price(2.0, 10.0)) == pytest.approx(1000 * 12 / 1_000_000)


def test_more_audio_than_tokens_is_not_charged():
    usage = Usage(input=10, cached_input=8, audio_input=10)
    price = Price(2.0, cached_input=1.0, audio_input=40.0)
    assert cost_of(usage, price) == pytest.approx((8 * 1.0 + 2 * 40.0) / 1_000_000)


def test_an_estimate_keeps_what_the_vendor_told_apart():
    known = Usage(input=70, output=1, audio_input=30, tier="flex")
    found = final_usage(known, 400, 50, complete=False, is_text=True)
    assert (found.audio_input, found.tier) == (30, "flex")
