"""What is left of a vendor's limits: read from headers, asked before an attempt."""

from __future__ import annotations

import pytest

from pilotfish.core.model.provider import OPENAI_LIMITS, LimitHeaders
from pilotfish.core.state.headroom import RESET_UNKNOWN_S, Headroom, VendorLimits, read_limits

NOW = 1445412480.0


def read(headers: dict[str, str], limits: LimitHeaders = OPENAI_LIMITS) -> VendorLimits | None:
    return read_limits(
        limits, [(name.encode(), value.encode()) for name, value in headers.items()], NOW
    )


def test_an_answer_without_quota_headers_tells_nothing():
    assert read({"content-type": "application/json", "date": "today"}) is None
    assert read({"x-ratelimit-remaining-requests": "9"}, LimitHeaders()) is None


@pytest.mark.parametrize("value", ["", "many", "-1", "nan", "inf", "9" * 30, "\u0669"])
def test_a_count_that_is_none_is_left_out(value):
    assert read({"x-ratelimit-remaining-requests": value}) is None


def test_openais_headers():
    told = read(
        {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-limit-tokens": "150000",
            "x-ratelimit-remaining-tokens": "149984",
            "x-ratelimit-reset-tokens": "6m0s",
        }
    )
    assert told == VendorLimits(
        remaining={"requests": 59.0, "tokens": 149984.0},
        limit={"requests": 60.0, "tokens": 150000.0},
        reset_s={"requests": 1.0, "tokens": 360.0},
    )


def test_two_answers_do_not_share_what_they_told():
    first, second = (
        read({"x-ratelimit-remaining-requests": "1"}),
        read({"x-ratelimit-limit-requests": "2"}),
    )
    assert first is not None
    assert second is not None
    assert second.remaining == {}


def test_traffic_leaves_before_the_limit_is_reached():
    room = Headroom()
    assert room.covers(10**9, now=0.0)
    room.observe(VendorLimits(remaining={"tokens": 500.0}, reset_s={"tokens": 30.0}), now=100.0)
    assert room.covers(500, now=100.0)
    assert not room.covers(501, now=100.0)
    assert room.usable_at(501, now=100.0) == 130.0


def test_after_its_reset_a_limit_is_taken_for_full():
    room = Headroom()
    room.observe(VendorLimits(remaining={"requests": 0.0}, reset_s={"requests": 5.0}), now=0.0)
    assert not room.covers(1, now=4.9)
    assert room.covers(1, now=5.0)


def test_requests_sent_since_the_last_answer_count():
    """Otherwise a burst would pass on the strength of one old header."""
    room = Headroom()
    room.observe(
        VendorLimits(
            remaining={"requests": 2.0, "tokens": 1000.0},
            reset_s={"requests": 60.0, "tokens": 60.0},
        ),
        now=0.0,
    )
    room.take(600)
    assert room.remaining == {"requests": 1.0, "tokens": 400.0}
    assert not room.covers(600, now=1.0)
    room.take(600)
    assert room.remaining == {"requests": 0.0, "tokens": 0.0}
    assert not room.covers(0, now=1.0)


def test_a_used_up_limit_that_names_no_reset_is_asked_again_soon():
    room = Headroom()
    room.observe(VendorLimits(remaining={"requests": 0.0}), now=0.0)
    assert room.usable_at(1, now=0.0) == RESET_UNKNOWN_S


def test_of_output_tokens_one_must_be_left():
    room = Headroom()
    room.observe(
        VendorLimits(
            remaining={"output_tokens": 1.0, "input_tokens": 10.0},
            reset_s={"output_tokens": 9.0, "input_tokens": 9.0},
        ),
        now=0.0,
    )
    assert room.covers(10, now=0.0)
    assert not room.covers(11, now=0.0)
