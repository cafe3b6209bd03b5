"""The same service once more: backoffs and their budgets, waits that a service asked for, places
within our limits.
"""

from __future__ import annotations

import pytest

from core.routing.playbook import House, Story
from pilotfish.core.model.outcome import Outcome

# ---- backoff


@pytest.mark.parametrize("outcome", [Outcome.OVERLOADED, Outcome.SERVER_ERROR])
def test_a_server_that_fails_is_asked_again_after_doubling_backoffs_and_then_the_next(
    outcome: Outcome,
) -> None:
    story = House("a b", "health: {consecutive_error_threshold: 9}").request()
    story.begins(0)
    assert story.fails(0, outcome, 1) == "wake 1.5"
    assert story.wakes(1.5) == "start 1 a"
    assert story.fails(1, outcome, 2) == "wake 3"
    assert story.wakes(3) == "start 2 a"
    assert story.fails(2, outcome, 4) == "start 3 b"
    assert (story.dispatch.retries, story.dispatch.fallbacks) == (2, 1)


def test_a_connection_that_failed_is_tried_once_more_at_once() -> None:
    story = House("a b").request()
    story.begins(0)
    assert story.fails(0, Outcome.CONNECT_FAILED, 1) == "start 1 a"
    assert story.fails(1, Outcome.CONNECT_FAILED, 2) == "start 2 b"


def goes_stale(story: Story, n: int, now: float) -> str:
    """The connection that was kept for this attempt had been closed."""
    return story.fails(n, Outcome.CONNECT_FAILED, now, resend=True, local=True)


def test_a_kept_connection_that_had_been_closed_is_made_good_once() -> None:
    story = House("a b").request()
    story.begins(0)
    assert goes_stale(story, 0, 1) == "start 1 a"
    assert story.fails(1, Outcome.CONNECT_FAILED, 1) == "start 2 b", "that was the one more"
    assert story.dispatch.retries == 1


def test_it_is_made_good_whatever_the_budgets_and_says_nothing_of_the_service() -> None:
    house = House("a b", "retries: {max_retries: 0}")
    story = house.request()
    story.begins(0)
    assert goes_stale(story, 0, 1) == "start 1 a"
    assert house.state("a").health.consecutive == 0
    story.speaks(1, 2)
    assert story.completes(1, 3) == "done 1"


def test_in_a_race_it_is_made_good_too() -> None:
    story = House("a b", "race: {strategy: first_wins, max_parallel: 2}").request()
    story.begins(0)
    assert goes_stale(story, 0, 1) == "start 2 a"
    assert story.speaks(2, 2) == "cancel 1 lost_race; relay 2"


def test_no_retries_means_none() -> None:
    story = House("a b", "retries: {max_retries: 0}").request()
    story.begins(0)
    assert story.fails(0, Outcome.CONNECT_FAILED, 1) == "start 1 b"
    assert story.fails(1, Outcome.SERVER_ERROR, 1) == "answer 500 server_error"


def test_a_backoff_is_capped() -> None:
    story = House(
        "a", "retries: {base_ms: 1000, max_ms: 1500}, health: {consecutive_error_threshold: 9}"
    ).request()
    story.begins(0)
    assert story.fails(0, Outcome.SERVER_ERROR, 0) == "wake 1"
    story.wakes()
    assert story.fails(1, Outcome.SERVER_ERROR, 1) == "wake 2.5"


def test_jitter_spreads_backoffs_by_a_quarter_to_both_sides() -> None:
    delays = []
    for seed in range(200):
        story = House("a", "retries: {jitter: 0.25}", seed=seed).request()
        story.begins(0)
        story.fails(0, Outcome.SERVER_ERROR, 0)
        assert story.wake is not None
        delays.append(story.wake)
    assert 0.375 <= min(delays) < 0.4
    assert 0.6 < max(delays) <= 0.625


def test_a_backoff_that_would_end_after_the_deadline_is_not_begun() -> None:
    story = House("a b", "timeouts: {total_s: 2}").request()
    story.begins(0)
    assert story.fails(0, Outcome.SERVER_ERROR, 1.5) == "start 1 b"
    assert story.fails(1, Outcome.SERVER_ERROR, 1.6) == "answer 500 server_error"


def test_the_last_allowed_attempt_has_no_backoff_after_it() -> None:
    story = House("a", "retries: {max_attempts: 1}").request()
    story.begins(0)
    assert story.fails(0, Outcome.SERVER_ERROR, 1) == "answer 500 server_error"


def test_a_service_that_tripped_is_left_for_another_but_asked_again_where_it_is_the_only_one() -> (
    None
):
    for services, expected in (("a b", "start 1 b"), ("a", "wake 1.5")):
        house = House(services)
        house.happened("a", Outcome.SERVER_ERROR, 0, times=2)
        story = house.request(now=1)
        story.begins(1)
        assert story.fails(0, Outcome.SERVER_ERROR, 1) == expected


def test_a_retry_is_not_sent_to_a_service_that_meanwhile_told_others_to_wait() -> None:
    house = House("a b@1")
    story = house.request()
    story.begins(0)
    assert story.fails(0, Outcome.SERVER_ERROR, 1) == "wake 1.5"
    house.happened("a", Outcome.RATE_LIMITED, 1.2, wait_s=30)
    assert story.wakes(1.5) == "start 1 b"


def test_a_retry_does_not_go_beyond_our_own_limits() -> None:
    house = House("a b", a="no_key_required: true, limits: {requests_per_minute: 1}")
    story = house.request()
    story.begins(0)
    assert story.fails(0, Outcome.SERVER_ERROR, 1) == "wake 1.5"
    assert story.wakes(1.5) == "start 1 b"


# ---- the budget: retries are at most a fifth of the requests


def test_an_outage_is_not_multiplied_by_retries() -> None:
    """A hundred requests in ten seconds, all of which fail: twenty retries, not two hundred."""
    house = House(
        "a",
        "health: {consecutive_error_threshold: 1000, error_ratio: 1.0}, cooldown: {base_delay_s: 0.001, multiplier: 1}",
    )
    retries = 0
    for i in range(100):
        now = i * 0.09
        story = house.request(now=now)
        story.begins(now)
        if story.fails(0, Outcome.SERVER_ERROR, now).startswith("wake"):
            retries += 1
            story.leaves(now)
    assert retries == 20


def test_three_retries_are_always_allowed_and_come_back_after_ten_seconds() -> None:
    house = House("a", "health: {consecutive_error_threshold: 1000}")

    def retried(now: float) -> bool:
        story = house.request(now=now)
        story.begins(now)
        wakes = story.fails(0, Outcome.SERVER_ERROR, now).startswith("wake")
        story.leaves(now)
        return wakes

    assert [retried(0.1) for _ in range(5)] == [True, True, True, False, False]
    assert [retried(10.1) for _ in range(4)] == [True, True, True, False]


def test_a_budget_that_is_used_up_goes_to_the_next_service_at_once() -> None:
    house = House("a b")
    for _ in range(3):
        house.rule_states["chat"].retries.take(0)
    story = house.request()
    story.begins(0)
    assert story.fails(0, Outcome.SERVER_ERROR, 0) == "start 1 b"


# ---- 429


def test_a_rate_limited_service_is_left_for_another_at_once_and_not_asked_before_its_time() -> None:
    house = House("a b")
    story = house.request()
    story.begins(0)
    assert story.fails(0, Outcome.RATE_LIMITED, 1, wait_s=7) == "start 1 b"
    story.completes(1, 2)
    assert house.request(now=7.9).begins(7.9) == "start 0 b"


def test_a_429_without_a_hint_goes_to_the_other_service_at_once() -> None:
    story = House("a b").request()
    story.begins(0)
    assert story.fails(0, Outcome.RATE_LIMITED, 1) == "start 1 b"


def test_after_a_429_without_a_hint_our_own_step_is_waited_out_where_there_is_no_other() -> None:
    story = House("a").request()
    story.begins(0)
    assert story.fails(0, Outcome.RATE_LIMITED, 1) == "wake 6"
    assert story.wakes() == "start 1 a"
    assert story.fails(1, Outcome.RATE_LIMITED, 7) == "wake 17"
    assert story.wakes() == "start 2 a"
    assert story.fails(2, Outcome.RATE_LIMITED, 18) == "answer 429 rate_limited retry-after 20"


def test_clients_are_told_small_steps_however_many_ask_within_one() -> None:
    """A single service and 429 without a hint: clients were once told 60, 300, 1500, 3600 seconds
    within four requests.
    """
    house = House("a", "retries: {max_retries: 0, max_ms: 100}")
    said = []
    for now in (0.0, 1.0, 2.0, 3.0):
        story = house.request(now=now)
        words = story.begins(now)
        said.append(story.fails(0, Outcome.RATE_LIMITED, now) if words == "start 0 a" else words)
    assert said == [f"answer 429 rate_limited retry-after {s}" for s in (5, 4, 3, 2)]


def test_a_short_retry_after_is_waited_out_and_the_client_gets_its_answer() -> None:
    story = House("a").request()
    story.begins(0)
    assert story.fails(0, Outcome.RATE_LIMITED, 1, wait_s=7) == "wake 8"
    assert story.wakes() == "start 1 a"
    assert story.speaks(1, 9) == "relay 1"
    assert story.completes(1, 10) == "done 1"
    assert story.dispatch.retries == 1


def test_a_long_retry_after_is_the_clients_to_wait_for() -> None:
    story = House("a").request()
    story.begins(0)
    assert (
        story.fails(0, Outcome.RATE_LIMITED, 1, wait_s=11)
        == "answer 429 rate_limited retry-after 11"
    )


def test_with_all_told_to_wait_for_long_the_client_gets_the_smaller_retry_after() -> None:
    house = House("a b")
    story = house.request()
    story.begins(0)
    story.fails(0, Outcome.RATE_LIMITED, 1, wait_s=40)
    assert (
        story.fails(1, Outcome.RATE_LIMITED, 2, wait_s=90)
        == "answer 429 rate_limited retry-after 39"
    )
    assert house.request(now=3).begins(3) == "answer 429 rate_limited retry-after 38"


def test_a_request_that_finds_all_told_to_wait_shortly_waits_for_the_first() -> None:
    house = House("a b")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=8)
    house.happened("b", Outcome.RATE_LIMITED, 0, wait_s=5)
    story = house.request(now=1)
    assert story.begins(1) == "wake 5"
    assert story.wakes() == "start 0 b"
    assert story.dispatch.retries == 0


def test_no_wait_goes_beyond_the_deadline() -> None:
    story = House("a", "timeouts: {total_s: 6}").request()
    story.begins(0)
    assert (
        story.fails(0, Outcome.RATE_LIMITED, 1, wait_s=5) == "answer 429 rate_limited retry-after 5"
    )


def test_a_service_is_waited_for_no_more_often_than_it_is_retried() -> None:
    story = House("a").request()
    story.begins(0)
    assert story.fails(0, Outcome.RATE_LIMITED, 0, wait_s=1) == "wake 1"
    assert story.wakes() == "start 1 a"
    assert story.fails(1, Outcome.RATE_LIMITED, 1, wait_s=1) == "wake 2"
    assert story.wakes() == "start 2 a"
    assert (
        story.fails(2, Outcome.RATE_LIMITED, 2, wait_s=1) == "answer 429 rate_limited retry-after 1"
    )


def test_waits_and_backoffs_count_together() -> None:
    story = House("a").request()
    story.begins(0)
    assert story.fails(0, Outcome.RATE_LIMITED, 0, wait_s=1) == "wake 1"
    story.wakes()
    assert story.fails(1, Outcome.SERVER_ERROR, 1).startswith("wake")
    story.wakes()
    assert story.fails(2, Outcome.SERVER_ERROR, 3).startswith("answer 500")
    assert story.starts == ["a", "a", "a"]


def test_a_retry_after_of_zero_ends_all_the_same() -> None:
    story = House("a").request()
    said = story.begins(0)
    for n in range(3):
        assert said == f"start {n} a"
        assert story.fails(n, Outcome.RATE_LIMITED, 0, wait_s=0) == (
            "wake 0" if n < 2 else "answer 429 rate_limited retry-after 0"
        )
        said = story.wakes() if n < 2 else ""


def test_an_overloaded_service_says_how_long_and_is_waited_for_only_where_nobody_else_is() -> None:
    story = House("a").request()
    story.begins(0)
    assert story.fails(0, Outcome.OVERLOADED, 1, wait_s=7) == "wake 8"
    story = House("a b").request()
    story.begins(0)
    assert story.fails(0, Outcome.OVERLOADED, 1, wait_s=7) == "start 1 b"


def test_an_overloaded_service_that_asks_for_long_is_not_waited_for() -> None:
    story = House("a").request()
    story.begins(0)
    assert story.fails(0, Outcome.OVERLOADED, 1, wait_s=30).startswith("answer 503 overloaded")


# ---- many who wait for one


def waiting(house: House, count: int, now: float) -> list[Story]:
    stories = [house.request(now=now) for _ in range(count)]
    for story in stories:
        assert story.begins(now).startswith("wake")
    return stories


def test_of_those_who_wait_for_a_service_one_goes_first_and_the_others_follow_its_success() -> None:
    house = House("a")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=5)
    first, *others = waiting(house, 5, 1)
    assert first.wakes(5) == "start 0 a"
    assert [s.wakes(5) for s in others] == ["wake 5.1"] * 4
    first.completes(0, 5.05)
    assert [s.wakes(5.1) for s in others] == ["start 0 a"] * 4


def test_if_the_first_is_told_to_wait_again_the_others_wait_with_it() -> None:
    house = House("a")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=5)
    first, other = waiting(house, 2, 1)
    first.wakes(5)
    other.wakes(5)
    assert first.fails(0, Outcome.RATE_LIMITED, 5.05, wait_s=4) == "wake 9.05"
    assert other.wakes(5.1) == "wake 9.05"


def test_the_first_ones_long_answer_does_not_keep_the_others_waiting() -> None:
    """Its word comes at its end, which may be minutes away; had it been refused, it would have been
    at once.
    """
    house = House("a")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=5)
    first, other = waiting(house, 2, 1)
    first.wakes(5)
    first.speaks(0, 5.5)
    while (said := other.wakes()).startswith("wake"):
        assert other.wake is not None
        assert other.wake < 6.2
    assert said == "start 0 a"


def test_nobody_waits_for_a_service_whose_key_has_been_refused_meanwhile() -> None:
    """It would be due and never usable: the request must not spin until its patience ends."""
    house = House("a a/other", a="token: {env: KEY}")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=5)
    house.happened("a/other", Outcome.RATE_LIMITED, 0, wait_s=5)
    [story] = waiting(house, 1, 1)
    house.happened("a/other", Outcome.AUTH_FAILED, 2)
    assert story.wakes(5).startswith("answer")


def test_who_waits_for_a_service_that_comes_back_full_waits_for_its_room_too() -> None:
    house = House("a", a="no_key_required: true, limits: {concurrency: 1}")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=5)
    first, other = waiting(house, 2, 1)
    assert first.wakes(5) == "start 0 a"
    assert other.wakes(5) == "wake 5.1"
    first.completes(0, 5.05)
    assert other.wakes() == "start 0 a"


def test_who_was_refused_and_finds_the_service_back_before_its_time_counts_a_retry() -> None:
    """A background probe, or another proxy's word, may bring it back while a request waits."""
    house = House("a")
    story = house.request()
    story.begins(0)
    assert story.fails(0, Outcome.RATE_LIMITED, 0, wait_s=5) == "wake 5"
    house.state("a").health.come_back(6)
    assert story.wakes() == "start 1 a"
    assert (story.dispatch.retries, story.dispatch.fallbacks) == (1, 0)


# ---- our own limits


FULL = "no_key_required: true, limits: {concurrency: 1}"


def test_at_a_limit_of_ours_the_next_service_is_asked() -> None:
    house = House("a b", a=FULL)
    assert house.request().begins(0) == "start 0 a"
    assert house.request().begins(0) == "start 0 b"


def test_at_all_limits_and_without_a_queue_the_client_is_told_429() -> None:
    house = House("a", a=FULL)
    house.request().begins(0)
    assert house.request().begins(0) == "answer 429 rate_limited retry-after 1"


def test_a_request_per_minute_too_many_is_told_when_there_is_room_again() -> None:
    house = House("a", a="no_key_required: true, limits: {requests_per_minute: 1}")
    house.request(now=0.5).begins(0.5)
    assert house.request(now=10).begins(10) == "answer 429 rate_limited retry-after 51"


def test_a_place_that_becomes_free_in_time_is_taken() -> None:
    house = House("a", "queue_ms: 1000", a=FULL)
    first, second = house.request(), house.request()
    first.begins(0)
    assert second.begins(0) == "wake 0.02"
    assert second.wakes() == "wake 0.04"
    first.completes(0, 0.05)
    assert second.wakes(0.06) == "start 0 a"


def test_a_queue_has_an_end() -> None:
    house = House("a", "queue_ms: 100", a=FULL)
    house.request().begins(0)
    story = house.request()
    said = story.begins(0)
    while said.startswith("wake"):
        assert story.wake is not None
        assert story.wake <= 0.12
        said = story.wakes()
    assert said.startswith("answer 429 rate_limited")


def test_room_that_comes_after_the_queues_end_is_not_waited_for() -> None:
    house = House(
        "a", "queue_ms: 5000", a="no_key_required: true, limits: {requests_per_minute: 1}"
    )
    house.request().begins(0)
    assert house.request(now=1).begins(1) == "answer 429 rate_limited retry-after 60"


def test_a_queue_ends_with_the_requests_own_time() -> None:
    house = House("a", "queue_ms: 60000, timeouts: {total_s: 0.05}", a=FULL)
    house.request().begins(0)
    story = house.request()
    said = story.begins(0)
    while said.startswith("wake"):
        said = story.wakes()
    assert said.startswith("answer 429")


# ---- services that were out lately


def test_a_service_that_was_out_lately_is_not_waited_for_where_another_one_is_usable() -> None:
    house = House("a b")
    house.happened("a", Outcome.SERVER_ERROR, 0, times=3)
    back = house.state("a").health.until
    house.happened("a", Outcome.SERVED, back)
    story = house.request(now=back + 1)
    assert story.begins(back + 1) == "start 0 a"
    assert story.fails(0, Outcome.SERVER_ERROR, back + 2) == "start 1 b"


def test_a_service_that_has_served_for_a_minute_since_is_asked_again() -> None:
    house = House("a b")
    house.happened("a", Outcome.SERVER_ERROR, 0, times=3)
    back = house.state("a").health.until
    house.happened("a", Outcome.SERVED, back)
    story = house.request(now=back + 61)
    story.begins(back + 61)
    assert story.fails(0, Outcome.SERVER_ERROR, back + 62).startswith("wake")
    assert story.wakes() == "start 1 a"


def test_a_service_that_goes_out_during_a_backoff_is_not_asked_again() -> None:
    house = House("a b")
    story = house.request()
    story.begins()
    assert story.fails(0, Outcome.SERVER_ERROR, 1).startswith("wake")
    house.happened("a", Outcome.SERVER_ERROR, 1, times=3)
    assert story.wakes() == "start 1 b"


def test_the_only_service_is_asked_again_even_if_it_goes_out_meanwhile() -> None:
    house = House("a")
    story = house.request()
    story.begins()
    story.fails(0, Outcome.SERVER_ERROR, 1)
    house.happened("a", Outcome.SERVER_ERROR, 1, times=3)
    assert story.wakes().startswith("start 1 a")
