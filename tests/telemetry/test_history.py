"""A quarter of an hour of traffic, in slots."""

import sys

import pytest

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Outcome
from pilotfish.telemetry.history import SAMPLES, SLOT_S, SLOTS, TrafficHistory
from telemetry.rules import attempt, request, snapshot

RULE = snapshot("chat").rules[0]
SERVICE = RULE.services[0]
BEGAN = 1000.0


@pytest.fixture
def history():
    return TrafficHistory(BEGAN)


def over(history, at, *, ttft_s=0.2, tokens=10, cost_usd=0.0, code=200, stream=True):
    served = attempt(
        SERVICE, usage=Usage(output=tokens), first_at=1000.0 + ttft_s, cost_usd=cost_usd
    )
    history.observe(request(RULE, served, code=code, stream=stream, finished_at=at))


def test_before_the_first_request_there_is_nothing_to_be_wrong(history):
    assert history.now(BEGAN) == {
        "requests_per_second": 0.0,
        "error_share": None,
        "ttft_p50_ms": None,
        "ttft_p95_ms": None,
        "tokens_per_second": 0.0,
        "usd_per_hour": 0.0,
        "unpriced_tokens": 0,
    }
    assert history.points(BEGAN)["requests_per_second"] == []


@pytest.mark.parametrize("code", [429, 500, 503])
def test_errors_are_what_the_alerts_count_as_such(history, code):
    over(history, BEGAN + 1, code=code)
    for fine in (200, 400, 404, 499):
        over(history, BEGAN + 1, code=fine)
    assert history.now(BEGAN + 2)["error_share"] == 0.2


def test_a_young_proxys_rates_are_those_of_its_time_and_not_of_a_minute(history):
    for _ in range(20):
        over(history, BEGAN + 1, tokens=30, cost_usd=0.01)
    now = history.now(BEGAN + 10)
    assert (now["requests_per_second"], now["tokens_per_second"]) == (2.0, 60.0)
    assert now["usd_per_hour"] == pytest.approx(0.2 * 360)


def test_what_is_older_than_a_minute_is_not_now(history):
    over(history, BEGAN + 1, code=500)
    over(history, BEGAN + 100)
    now = history.now(BEGAN + 101)
    assert now["error_share"] == 0.0
    assert 0 < now["requests_per_second"] < 0.02


def test_times_to_first_token_are_of_streams_that_were_served(history):
    for n in range(1, 101):
        over(history, BEGAN + 1, ttft_s=n / 100)
    over(history, BEGAN + 1, ttft_s=50.0, stream=False)
    now = history.now(BEGAN + 2)
    assert now["ttft_p50_ms"] == pytest.approx(505.0)
    assert now["ttft_p95_ms"] == pytest.approx(950.5)


def test_tokens_and_costs_are_those_of_all_attempts(history):
    lost = attempt(SERVICE, Outcome.LOST_RACE, usage=Usage(output=5), cost_usd=0.25)
    served = attempt(SERVICE, usage=Usage(output=5), cost_usd=0.5)
    history.observe(request(RULE, lost, served, finished_at=BEGAN + 1))
    points = history.points(BEGAN + SLOT_S)
    assert points["tokens_per_second"] == [2.0]
    assert points["usd_per_hour"] == [pytest.approx(0.75 * 3600 / SLOT_S)]


def test_a_local_reply_is_a_request_too(history):
    history.local_reply(503, BEGAN + 1)
    history.local_reply(404, BEGAN + 1)
    assert history.points(BEGAN + SLOT_S)["error_share"] == [0.5]


def test_slots_without_a_request_are_drawn_as_nothing(history):
    over(history, BEGAN + 1)
    over(history, BEGAN + 1 + 3 * SLOT_S)
    points = history.points(BEGAN + 4 * SLOT_S)
    assert points["requests_per_second"] == [0.2, 0.0, 0.0, 0.2]
    assert points["error_share"] == [0.0, None, None, 0.0]
    assert points["ttft_p50_ms"] == [200.0, None, None, 200.0]


def test_a_pause_of_days_costs_no_more_than_a_quarter_of_an_hour(history):
    over(history, BEGAN + 1)
    over(history, BEGAN + 500_000)
    points = history.points(BEGAN + 500_000 + SLOT_S)
    assert len(points["requests_per_second"]) == points["most"] == SLOTS - 1
    assert sum(points["requests_per_second"]) == 0.2


def test_it_stays_small_whatever_the_traffic(history):
    for n in range(SLOTS + 20):
        for _ in range(3 * SAMPLES):
            over(history, BEGAN + n * SLOT_S)
    slots = history._slots
    kept = [len(slot.ttft_s) for slot in slots]
    assert max(kept) == SAMPLES
    assert sum(kept) <= 14 * SAMPLES
    size = sum(sys.getsizeof(slot) + sys.getsizeof(slot.ttft_s) for slot in slots)
    assert size + sum(kept) * sys.getsizeof(1.0) < 300 * 1024
    assert history.points(BEGAN + (SLOTS + 20) * SLOT_S)["ttft_p50_ms"][0] == 200.0


def test_a_clock_that_two_look_at_does_not_go_back(history):
    over(history, BEGAN + 12)
    over(history, BEGAN + 1)
    assert sum(history.points(BEGAN + 20)["requests_per_second"]) == pytest.approx(0.4)
