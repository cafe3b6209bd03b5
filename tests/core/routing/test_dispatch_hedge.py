"""Hedges: a second attempt, only when the first is late, and only for a small share of requests."""

from __future__ import annotations

from core.routing.playbook import House, Story
from pilotfish.core.model.outcome import Outcome

AFTER_1S = "hedge: {after: 1000, min_ms: 0, budget_percent: 100}"


def begun(
    house: House, now: float = 0.0, *, may_double: bool = True, streams: bool = True
) -> Story:
    story = house.request(now=now, may_double=may_double, streams=streams)
    story.begins(now)
    return story


# ---- not


def test_without_samples_nobody_knows_what_late_is() -> None:
    house = House("a b", "hedge: {after: p95}")
    assert house.request().begins(0) == "start 0 a"
    house.happened("a", Outcome.SERVED, 0, times=9)
    assert house.request().begins(0) == "start 0 a"


def test_a_request_that_stores_something_is_never_sent_twice() -> None:
    assert House("a b", AFTER_1S).request(may_double=False).begins(0) == "start 0 a"


def test_an_attempt_that_has_spoken_is_not_late() -> None:
    story = begun(House("a b", AFTER_1S))
    story.speaks(0, 0.9)
    assert story.wakes(1) == ""


def test_an_attempt_that_has_spoken_into_a_buffer_is_not_late_either() -> None:
    story = begun(House("a b", f"{AFTER_1S}, buffer: true"))
    assert story.speaks(0, 0.9) == ""
    assert story.wakes(1) == ""


def test_without_another_usable_service_there_is_no_hedge() -> None:
    story = begun(House("a", AFTER_1S))
    assert story.wakes() == ""


def test_the_last_allowed_attempt_is_not_hedged() -> None:
    story = begun(House("a b", f"{AFTER_1S}, retries: {{max_attempts: 1}}"))
    assert story.wakes() == ""


def test_hedges_are_a_small_share_of_the_requests() -> None:
    """One in a minute is always allowed, more only as 5 % of the requests."""
    house = House("a b", "hedge: {after: 1000, min_ms: 0, budget_percent: 5}")
    hedged = 0
    for i in range(100):
        story = begun(house, i * 0.1)
        hedged += "hedge" in story.wakes()
        story.leaves(i * 0.1 + 1)
    assert 1 <= hedged <= 5


def test_a_failed_attempt_takes_its_hedge_with_it() -> None:
    """The next service has been running for a moment only when the first one's time is up."""
    house = House("a b c", "hedge: {after: p95, min_ms: 0, budget_percent: 100}")
    house.happened("a", Outcome.SERVED, 0, times=10, ttft=1.0)
    story = house.request()
    assert story.begins(0) == "start 0 a; wake 1"
    assert story.fails(0, Outcome.TIMEOUT, 0.9) == "start 1 b"
    assert story.wakes(1) == ""


def test_a_stream_that_is_being_rescued_is_not_hedged() -> None:
    story = begun(House("a b c", f"{AFTER_1S}, on_stream_break: continue"))
    story.speaks(0, 0.5)
    assert story.fails(0, Outcome.BROKEN_STREAM, 2, resumable=True) == "start 1 b rescue"
    assert story.wakes(3) == ""


# ---- when


def test_late_is_the_95th_percentile_of_the_services_own_time_to_first_token() -> None:
    house = House("a b", "hedge: {after: p95, min_ms: 0, budget_percent: 100}")
    for i in range(100):
        house.happened("a", Outcome.SERVED, 0, ttft=(i + 1) / 100)
    assert house.request().begins(0) == "start 0 a; wake 0.9505"


def test_for_whole_answers_late_goes_by_the_whole_duration() -> None:
    house = House("a b", "hedge: {after: p95, min_ms: 0, budget_percent: 100}")
    house.happened("a", Outcome.SERVED, 0, times=10, ttft=0.7)
    assert house.request(streams=False).begins(0) == "start 0 a; wake 1.4"


def test_never_before_min_ms() -> None:
    house = House("a b", "hedge: {after: p95, min_ms: 500, budget_percent: 100}")
    house.happened("a", Outcome.SERVED, 0, times=10, ttft=0.01)
    assert house.request().begins(0) == "start 0 a; wake 0.5"
    assert (
        House("a b", "hedge: {after: 100, min_ms: 500}").request().begins(0)
        == "start 0 a; wake 0.5"
    )


# ---- how it ends


def test_a_hedge_that_speaks_first_is_the_answer_and_the_late_one_is_cancelled() -> None:
    story = begun(House("a b", AFTER_1S))
    assert story.wakes() == "start 1 b hedge"
    assert story.speaks(1, 1.2) == "cancel 0 lost_race; relay 1"
    assert story.completes(1, 3) == "done 1"
    assert story.dispatch.hedges == 1


def test_a_late_one_that_speaks_before_its_hedge_is_the_answer() -> None:
    story = begun(House("a b", AFTER_1S))
    story.wakes()
    assert story.speaks(0, 1.1) == "cancel 1 lost_race; relay 0"


def test_whole_answers_are_hedged_by_whole_answers() -> None:
    story = begun(House("a b", AFTER_1S), streams=False)
    story.wakes()
    assert story.completes(1, 2) == "cancel 0 lost_race; relay 1; done 1"


def test_one_of_the_two_that_fails_leaves_the_request_to_the_other() -> None:
    story = begun(House("a b c", AFTER_1S))
    story.wakes()
    assert story.fails(0, Outcome.SERVER_ERROR, 1.5) == ""
    assert story.speaks(1, 2) == "relay 1"


def test_both_failed_the_request_goes_on_as_ever() -> None:
    story = begun(House("a b c", f"{AFTER_1S}, retries: {{max_retries: 0}}"))
    story.wakes()
    story.fails(0, Outcome.TIMEOUT, 1.5)
    assert story.fails(1, Outcome.TIMEOUT, 1.6) == "start 2 c; wake 2.6"


def test_a_request_has_one_hedge_at_a_time() -> None:
    story = begun(House("a b c", AFTER_1S))
    story.wakes()
    assert story.wakes(5) == ""


def test_a_client_that_leaves_cancels_both() -> None:
    story = begun(House("a b", AFTER_1S))
    story.wakes()
    assert story.leaves(1.5) == "cancel 0 client_gone; cancel 1 client_gone"
