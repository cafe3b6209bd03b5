"""Who won races: a memory that fades."""

from __future__ import annotations

import pytest

from pilotfish.core.state.race_history import HALF_LIFE_S, RaceHistory, RaceRecord, score


def test_who_has_never_raced_wins_half_of_the_time() -> None:
    assert RaceRecord().win_rate(0) == 0.5


def test_one_race_does_not_decide_everything() -> None:
    record = RaceRecord()
    record.add(True, 0)
    assert record.win_rate(0) == pytest.approx(2 / 3)
    record.add(False, 0)
    assert record.win_rate(0) == 0.5


def test_losses_count() -> None:
    record = RaceRecord()
    for _ in range(8):
        record.add(False, 0)
    assert record.win_rate(0) == pytest.approx(0.1)


def test_what_was_counts_half_after_an_hour() -> None:
    record = RaceRecord()
    for _ in range(4):
        record.add(True, 0)
    record.add(False, HALF_LIFE_S)
    assert record.dump(HALF_LIFE_S) == pytest.approx((2, 1))
    assert record.dump(2 * HALF_LIFE_S) == pytest.approx((1, 0.5))


def test_what_was_long_ago_is_as_good_as_unknown() -> None:
    record = RaceRecord()
    for _ in range(20):
        record.add(True, 0)
    assert record.win_rate(30 * HALF_LIFE_S) == pytest.approx(0.5, abs=0.001)


def test_a_clock_that_steps_back_changes_nothing() -> None:
    record = RaceRecord()
    record.add(True, 1000)
    assert record.dump(0) == (1, 0)


def test_a_record_outlives_a_restart() -> None:
    kept, loaded = RaceRecord(), RaceRecord()
    kept.add(True, 0)
    kept.add(False, 50)
    loaded.load(*kept.dump(100), now=5)
    assert loaded.dump(5) == pytest.approx(kept.dump(100))
    assert loaded.dump(5 + HALF_LIFE_S) == pytest.approx(kept.dump(100 + HALF_LIFE_S))


def test_records_are_kept_by_rule_and_service_and_go_with_their_rule() -> None:
    history = RaceHistory()
    history.record("fast", "a/m").add(True, 0)
    history.record("slow", "a/m").add(False, 0)
    assert history.record("fast", "a/m").dump(0) == (1, 0)
    history.keep({"slow"})
    assert list(history.records) == [("slow", "a/m")]


def test_scores() -> None:
    """Weighted: win rate over one plus the latency in seconds; quality: win rate squared, however
    long it took.
    """
    assert score("weighted", 0.6, 0.5) == pytest.approx(0.4)
    assert score("quality", 0.6, 0.5) == score("quality", 0.6, 9.0) == pytest.approx(0.36)


def test_how_long_it_took_when_and_how_often_is_kept_beside_what_fades() -> None:
    record = RaceRecord()
    assert (record.total, record.latency_s, record.last_at) == (0, None, None)
    record.add(True, 1.0, 2.0)
    record.add(False, 5.0, 4.0)
    record.win_rate(5.0 + 10 * HALF_LIFE_S)
    assert (record.total, record.latency_s, record.last_at) == (2, pytest.approx(2.2), 5.0)
