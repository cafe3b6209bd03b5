"""Samples, windows and ratios: what was measured, and how fast it is forgotten."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.state.statistics import SAMPLES, FirstTokenWaits, Ratio, Samples, Window


def samples(*values: float, at: float = 0.0) -> Samples:
    found = Samples()
    for v in values:
        found.add(v, at)
    return found


def test_nothing_measured_is_none_and_not_zero() -> None:
    empty = Samples()
    assert (empty.average(0.0), empty.percentile(0.95, 0.0), empty.recent, empty.count(0.0)) == (
        None,
        None,
        None,
        0,
    )
    assert empty.summary(0.0) == {"avg": None, "p50": None, "p95": None, "p99": None, "samples": 0}


def test_percentiles_are_interpolated_between_ranks() -> None:
    found = samples(*range(1, 101))
    assert found.percentile(0.50, 0.0) == 50.5
    assert found.percentile(0.95, 0.0) == pytest.approx(95.05)
    assert found.percentile(0.99, 0.0) == pytest.approx(99.01)
    assert (found.percentile(0.0, 0.0), found.percentile(1.0, 0.0)) == (1, 100)
    assert samples(7).percentile(0.99, 0.0) == 7


def test_only_the_last_hundred_count() -> None:
    found = samples(*[1000.0] * 50, *[1.0] * 100)
    assert (found.count(0.0), found.average(0.0), found.percentile(1.0, 0.0)) == (SAMPLES, 1.0, 1.0)


def test_what_is_older_than_ten_minutes_is_gone() -> None:
    found = samples(100.0, at=0.0)
    found.add(2.0, 500.0)
    assert found.average(600.0) == 51.0
    assert found.average(600.1) == 2.0
    assert found.percentile(0.5, 600.1) == 2.0
    assert found.average(1200.0) is None


def test_figures_of_only_the_last_few_may_be_asked_for() -> None:
    found = samples(100, 100, 1, 2, 3)
    assert found.average(0.0, last=3) == 2.0
    assert found.percentile(1.0, 0.0, last=3) == 3
    assert found.percentile(1.0, 0.0) == 100, "and then those of all again"
    assert found.average(0.0, last=50) == pytest.approx(41.2)


def test_a_percentile_sees_a_value_added_after_it_was_last_asked_for() -> None:
    found = samples(1, 1, 1)
    assert found.percentile(1.0, 0.0) == 1
    found.add(9, 0.0)
    assert found.percentile(1.0, 0.0) == 9


def test_how_it_is_now_is_known_seconds_after_a_change_whatever_was_before() -> None:
    found = Samples()
    for i in range(100):
        found.add(0.2, i / 10)
    for i in range(30):
        found.add(5.0, 10 + i / 10)
    assert found.recent == pytest.approx(5.0, rel=0.1)
    found.add(0.2, 30.0)
    assert found.recent == pytest.approx(0.2, abs=0.2), (
        "one value after a long silence says nearly all"
    )


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300))
def test_averages_and_percentiles_are_those_of_the_values_kept(values: list[float]) -> None:
    found, kept = samples(*values), values[-SAMPLES:]
    assert found.average(0.0) == pytest.approx(statistics.fmean(kept), abs=1e-6)
    for q in (0.5, 0.95, 0.99):
        percentile = found.percentile(q, 0.0)
        assert percentile is not None
        assert min(kept) <= percentile <= max(kept)
    if len(kept) > 1:
        assert found.percentile(0.5, 0.0) == pytest.approx(statistics.median(kept), abs=1e-6)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 300)), max_size=150))
def test_no_figure_is_ever_negative(steps: list[tuple[float, float]]) -> None:
    found, now = Samples(), 0.0
    for value, pause in steps:
        now += pause
        found.add(value, now)
        average = found.average(now)
        assert average is not None
        assert average >= 0
        assert found.recent is not None
        assert found.recent >= 0


def test_samples_survive_a_dump() -> None:
    found = samples(1, 2, 3, at=5.0)
    other = Samples()
    other.load(found.dump())
    assert other.summary(5.0) == found.summary(5.0)
    assert (other.last_at, other.recent) == (5.0, 2.0)


def test_a_window_is_empty_again_once_its_length_has_passed() -> None:
    window = Window(300, 0.0)
    window.requests, window.input_tokens, window.output_tokens = 3, 100, 20
    assert window.turn(299.9).tokens() == 120
    assert window.turn(300.0).tokens() == 0
    assert window.started_at == 300.0


def test_the_cache_hit_rate_is_unknown_before_the_first_answer() -> None:
    window = Window(300, 0.0)
    assert window.cache_hit_rate() is None
    window.cache_hits, window.cache_misses = 1, 3
    assert window.cache_hit_rate() == 0.25
    assert window.summary(1.0)["cache_hit_rate"] == 0.25


def test_a_ratio_counts_the_last_thirty_seconds() -> None:
    ratio = Ratio()
    ratio.add(True, 0.0)
    ratio.add(False, 29.0)
    assert ratio.read(29.9) == (2, 1)
    assert ratio.read(30.0) == (1, 0)
    assert ratio.read(1e6) == (0, 0)


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=80))
def test_a_ratio_is_that_of_a_list_of_all_attempts(steps: list[tuple[float, bool]]) -> None:
    ratio, now, seen = Ratio(), 0.0, []
    for pause, is_error in steps:
        now += pause
        ratio.add(is_error, now)
        seen.append((int(now / 3), is_error))
        kept = [e for slot, e in seen if slot > int(now / 3) - 10]
        assert ratio.read(now) == (len(kept), sum(kept))


def test_a_service_that_hangs_is_noticed_while_its_first_slow_answer_is_still_awaited() -> None:
    waiting = FirstTokenWaits()
    for i in range(20):
        waiting.begin(i / 2)
        waiting.on_first_token(i / 2, i / 2 + 0.3)
    assert waiting.expected(10.0) == pytest.approx(0.3)
    for i in range(4):
        waiting.begin(10.0 + i)
    assert waiting.expected(14.0) == pytest.approx(4.0), "the oldest has been waiting since 10"


def test_requests_that_have_just_been_sent_do_not_make_a_service_look_fast() -> None:
    waiting = FirstTokenWaits()
    waiting.begin(0.0)
    waiting.on_first_token(0.0, 5.0)
    waiting.begin(5.0)
    assert waiting.expected(5.1) == 5.0


def test_streams_that_will_not_speak_any_more_are_not_waited_for() -> None:
    waiting = FirstTokenWaits()
    waiting.begin(0.0)
    waiting.begin(1.0)
    waiting.abandon(0.0)
    assert waiting.expected(3.0) == 2.0
    waiting.abandon(1.0)
    assert (waiting.count, waiting.expected(1000.0)) == (0, None)
