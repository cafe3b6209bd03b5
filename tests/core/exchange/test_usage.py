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
