"""Races: several services at once, one answer."""

from __future__ import annotations

import pytest

from core.routing.playbook import House, Story
from pilotfish.core.model.outcome import Outcome

FIRST = "race: {strategy: first_wins, timeout_ms: 5000, max_parallel: 2}"
WEIGHTED = "race: {strategy: weighted, timeout_ms: 5000, grace_period_ms: 1000, max_parallel: 3}"
QUALITY = "race: {strategy: quality, timeout_ms: 5000, max_parallel: 3}"


def begun(house: House, *, streams: bool = True) -> Story:
    story = house.request(streams=streams)
    story.begins(0)
    return story


def raced(house: House, service: str, *, wins: int = 0, losses: int = 0, at: float = 0.0) -> None:
    record = house.history.record("chat", f"{service}/m")
    for won in [True] * wins + [False] * losses:
        record.add(won, at)


# ---- who takes part


def test_a_race_starts_as_many_as_it_may_at_once_and_sets_its_time() -> None:
    assert House("a b c", FIRST).request().begins(0) == "start 0 a; start 1 b; wake 5"


def test_one_provider_may_take_part_with_several_models() -> None:
    assert House("a/x a/y", FIRST).request().begins(0) == "start 0 a/x; start 1 a/y; wake 5"


def test_participants_do_not_go_together_beyond_what_their_provider_may_take() -> None:
    alone = "no_key_required: true, limits: {concurrency: 1}"
    assert (
        House("a/x a/y b", FIRST, a=alone).request().begins(0) == "start 0 a/x; start 1 b; wake 5"
    )
    house = House("a/x a/y", FIRST, a=alone)
    assert house.request().begins(0) == "start 0 a/x; wake 5", (
        "a race of one is a race: another would wait for nothing"
    )


def test_who_fails_while_it_is_started_is_replaced_when_all_are() -> None:
    story = House("a b c", FIRST).request()
    story.failing_at_start = {"a": Outcome.CONNECT_FAILED}
    assert story.begins(0) == "start 0 a; start 1 b; wake 5; start 2 c"
    assert story.speaks(2, 1) == "cancel 1 lost_race; relay 2"


def test_when_all_fail_while_they_are_started_the_client_hears_of_it_once() -> None:
    story = House("a b", f"{FIRST}, retries: {{max_retries: 0}}").request()
    story.failing_at_start = {"a": Outcome.BAD_REQUEST, "b": Outcome.BAD_REQUEST}
    assert story.begins(0) == "start 0 a; start 1 b; wake 5; answer 400 bad_request"


def test_services_that_may_not_be_used_take_no_part() -> None:
    house = House("a b c", FIRST)
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=60)
    assert house.request(now=1).begins(1) == "start 0 b; start 1 c; wake 6"


def test_without_any_usable_participant_a_race_is_a_request_like_any_other() -> None:
    house = House("a b", FIRST)
    for name in "ab":
        house.happened(name, Outcome.SERVER_ERROR, 0, times=3)
    assert house.request(now=1).begins(1) == "start 0 a forced"


def test_a_race_has_no_more_participants_than_a_request_has_attempts() -> None:
    story = House("a b c", f"{QUALITY}, retries: {{max_attempts: 2}}").request()
    assert story.begins(0) == "start 0 a; start 1 b; wake 5"


def test_a_virtual_model_races_all_its_services() -> None:
    more = "virtual_models:\n  fastest: {strategy: first_wins, providers: [{name: a, model: x}, {name: b, model: y}, {name: a, model: z}]}"
    story = House("a b", more=more).request("fastest")
    story.begins(0)
    assert sorted(story.starts) == ["a/x", "a/z", "b/y"]


# ---- nobody, or too late


def test_a_race_that_nobody_wins_in_time_is_cancelled_and_told_as_a_timeout() -> None:
    story = begun(House("a b", FIRST))
    assert story.wakes() == "cancel 0 lost_race; cancel 1 lost_race; answer 504 timeout"


def test_the_races_time_is_the_time_to_a_winner_and_never_cuts_the_answer() -> None:
    story = begun(House("a b", FIRST))
    story.speaks(1, 4.9)
    assert story.wakes(5) == ""
    assert story.completes(1, 60) == "done 1"


def test_a_failed_participant_is_replaced_while_there_are_others_to_ask() -> None:
    story = begun(House("a b c", FIRST))
    assert story.fails(0, Outcome.SERVER_ERROR, 1) == "start 2 c"
    assert story.fails(2, Outcome.SERVER_ERROR, 2) == ""
    assert story.speaks(1, 3) == "relay 1"


def test_when_all_have_failed_the_last_error_is_the_clients() -> None:
    story = begun(House("a b", f"{FIRST}, retries: {{max_retries: 0}}"))
    assert story.fails(1, Outcome.SERVER_ERROR, 1, status=502) == ""
    assert story.fails(0, Outcome.SERVER_ERROR, 2, status=507) == "answer 507 server_error"


def test_a_race_that_ends_between_two_attempts_tells_the_last_error() -> None:
    story = begun(House("a", f"{FIRST}, retries: {{base_ms: 8000}}"))
    assert story.fails(0, Outcome.SERVER_ERROR, 1, status=502) == "wake 5"
    assert story.wakes() == "answer 502 server_error"


def test_a_request_that_one_participant_refuses_brings_in_nobody_else() -> None:
    story = begun(House("a b c", FIRST))
    assert story.fails(0, Outcome.BAD_REQUEST, 1) == ""
    assert story.fails(1, Outcome.BAD_REQUEST, 2) == "answer 400 bad_request"


def test_a_request_too_long_for_one_participant_brings_in_one_that_is_marked_for_it() -> None:
    story = begun(House("a b c/large", f"{FIRST}, fallback_on: [context_length]"))
    assert story.fails(0, Outcome.BAD_REQUEST, 1, reason="context_length") == "start 2 c/large"


def test_a_client_that_leaves_cancels_them_all_and_nobodys_health_is_touched() -> None:
    house = House("a b", FIRST)
    story = begun(house)
    assert story.leaves(1) == "cancel 0 client_gone; cancel 1 client_gone"
    assert [house.state(name).health.consecutive for name in "ab"] == [0, 0]


def test_losing_is_no_failure() -> None:
    house = House("a b", FIRST)
    begun(house).speaks(0, 1)
    assert house.state("b").health.ratio.read(1) == (0, 0)
    assert house.state("b").in_flight == 0


# ---- first_wins


def test_the_first_content_wins_and_the_others_are_cancelled_at_once() -> None:
    story = begun(House("a b", FIRST))
    assert story.speaks(1, 0.3) == "cancel 0 lost_race; relay 1"
    assert story.completes(1, 2) == "done 1"


def test_whole_answers_win_when_they_are_complete() -> None:
    story = begun(House("a b", FIRST), streams=False)
    assert story.completes(1, 2) == "cancel 0 lost_race; relay 1; done 1"


def test_a_winner_that_breaks_is_not_replaced_by_a_loser() -> None:
    story = begun(House("a b", FIRST))
    story.speaks(0, 0.3)
    assert story.fails(0, Outcome.BROKEN_STREAM, 1, resumable=True) == "break 502 broken_stream"


def test_a_buffered_race_is_won_at_the_first_content_and_relayed_when_complete() -> None:
    story = begun(House("a b c", f"{FIRST}, buffer: true, on_stream_break: restart"))
    assert story.speaks(0, 0.3) == "cancel 1 lost_race"
    assert story.wakes(5) == ""
    assert story.completes(0, 9) == "relay 0; done 0"


def test_a_buffered_winner_that_breaks_is_replaced_since_the_client_has_seen_nothing() -> None:
    story = begun(House("a b c", f"{FIRST}, buffer: true, on_stream_break: restart"))
    story.speaks(0, 0.3)
    assert story.fails(0, Outcome.BROKEN_STREAM, 1) == "start 2 c"


# ---- weighted


def test_weighted_waits_its_grace_for_a_better_one_and_takes_the_best_score() -> None:
    house = House("a b c", WEIGHTED)
    raced(house, "a", losses=8)
    raced(house, "b", wins=8)
    story = begun(house)
    assert story.speaks(0, 0.2) == "wake 1.2"
    assert story.speaks(1, 0.9) == ""
    assert story.wakes() == "cancel 0 lost_race; cancel 2 lost_race; relay 1"


def test_weighted_takes_latency_against_the_rate_of_wins() -> None:
    """Nobody has a history: 0.5 / (1 + latency), so the faster one is the better."""
    story = begun(House("a b c", WEIGHTED))
    story.speaks(2, 0.2)
    story.speaks(1, 0.9)
    assert story.wakes() == "cancel 0 lost_race; cancel 1 lost_race; relay 2"


def test_weighted_does_not_wait_when_all_have_spoken() -> None:
    story = begun(House("a b", WEIGHTED))
    story.speaks(0, 0.2)
    assert story.speaks(1, 0.4) == "cancel 1 lost_race; relay 0"


def test_weighted_does_not_wait_for_those_that_have_failed() -> None:
    story = begun(House("a b", WEIGHTED))
    story.speaks(0, 0.2)
    assert story.fails(1, Outcome.TIMEOUT, 0.4) == "relay 0"


def test_one_that_spoke_and_failed_within_the_grace_is_no_winner() -> None:
    story = begun(House("a b c", WEIGHTED))
    story.speaks(0, 0.2)
    assert story.fails(0, Outcome.BROKEN_STREAM, 0.5) == ""
    assert story.wakes(1.2) == "wake 5"
    assert story.speaks(1, 2) == "wake 3"
    assert story.wakes() == "cancel 2 lost_race; relay 1"


def test_a_grace_without_length_is_none() -> None:
    story = begun(House("a b", "race: {strategy: weighted, grace_period_ms: 0}"))
    assert story.speaks(0, 0.2) == "wake 0.2"
    assert story.wakes() == "cancel 1 lost_race; relay 0"


def test_the_races_end_ends_the_grace() -> None:
    story = begun(
        House("a b", "race: {strategy: weighted, timeout_ms: 1000, grace_period_ms: 1000}")
    )
    assert story.speaks(0, 0.5) == "wake 1"
    assert story.wakes() == "cancel 1 lost_race; relay 0"


def test_a_complete_answer_that_waited_in_vain_is_served_and_the_one_it_beat_is_cancelled() -> None:
    story = begun(House("a b", WEIGHTED), streams=False)
    assert story.completes(0, 0.5) == "wake 1.5"
    assert story.wakes() == "cancel 1 lost_race; relay 0; done 0"


def test_a_complete_answer_that_loses_is_not_cancelled_any_more() -> None:
    house = House("a b", WEIGHTED)
    raced(house, "a", losses=50)
    raced(house, "b", wins=50)
    story = begun(house, streams=False)
    story.completes(0, 0.5)
    assert story.completes(1, 1.0) == "relay 1; done 1"


def test_at_the_requests_end_a_complete_answer_is_served_rather_than_a_timeout() -> None:
    story = begun(House("a b", f"{QUALITY}, timeouts: {{total_s: 3}}"), streams=False)
    story.completes(0, 0.5)
    assert story.is_late(3) == "cancel 1 lost_race; relay 0; done 0"


def test_a_client_that_leaves_cancels_only_what_still_runs() -> None:
    story = begun(House("a b", WEIGHTED), streams=False)
    story.completes(0, 0.5)
    assert story.leaves(0.6) == "cancel 1 client_gone"


# ---- quality


def test_quality_waits_for_all_and_takes_the_one_that_wins_most() -> None:
    house = House("a b c", QUALITY)
    raced(house, "b", wins=5)
    story = begun(house)
    for n, now in ((0, 0.2), (1, 1.0), (2, 1.5)):
        assert story.speaks(n, now) == ""
    assert story.completes(0, 2.0) == ""
    assert story.completes(1, 3.0) == ""
    assert story.completes(2, 3.5) == "relay 1; done 1"


def test_quality_waits_no_longer_than_the_races_time() -> None:
    house = House("a b c", QUALITY)
    raced(house, "c", wins=5)
    story = begun(house)
    story.speaks(0, 0.2)
    assert story.wakes() == "cancel 1 lost_race; cancel 2 lost_race; relay 0"


def test_the_better_of_two_whole_answers_wins_whatever_they_won_before() -> None:
    house = House("a b c", QUALITY)
    raced(house, "a", wins=5)
    story = begun(house, streams=False)
    story.completes(0, 1.0, quality=8.0)
    story.completes(1, 2.0, quality=16.0)
    assert story.completes(2, 3.0, quality=4.0) == "relay 1; done 1"


@pytest.mark.parametrize("strategy", [WEIGHTED, QUALITY])
def test_after_the_races_time_the_first_whole_answer_wins(strategy: str) -> None:
    story = begun(House("a b c", strategy), streams=False)
    assert story.wakes() == ""
    assert story.completes(1, 60.0).endswith("relay 1; done 1")


@pytest.mark.parametrize(("priorities", "winner"), [((0, 1), "b"), ((2, 1), "a"), ((1, 1), "a")])
def test_quality_breaks_ties_by_priority_and_then_by_time(
    priorities: tuple[int, int], winner: str
) -> None:
    providers = ", ".join(
        f"{{name: {name}, model: m, priority: {p}}}"
        for name, p in zip("ab", priorities, strict=True)
    )
    story = House(
        "a b", more=f"virtual_models:\n  best: {{strategy: quality, providers: [{providers}]}}"
    ).request("best")
    story.begins(0)
    story.completes(story.starts.index("a"), 0.2)
    story.completes(story.starts.index("b"), 0.4)
    assert story.relayed is not None
    assert story.starts[story.relayed] == winner


# ---- history


@pytest.mark.parametrize("strategy", [FIRST, WEIGHTED, QUALITY])
def test_each_participant_wins_or_loses_once(strategy: str) -> None:
    house = House("a b c", strategy.replace("max_parallel: 2", "max_parallel: 3"))
    story = begun(house)
    story.fails(1, Outcome.SERVER_ERROR, 0.1)
    story.speaks(0, 0.2)
    story.speaks(2, 0.3)
    if story.relayed is None:
        story.wakes()
    story.completes(0, 1)
    totals = {name: house.history.record("chat", f"{name}/m").dump(0) for name in "abc"}
    assert totals == {"a": (1, 0), "b": (0, 1), "c": (0, 1)}


def test_all_lose_a_race_that_nobody_won() -> None:
    house = House("a b", FIRST)
    begun(house).wakes()
    assert [house.history.record("chat", f"{name}/m").dump(5) for name in "ab"] == [(0, 1), (0, 1)]


def test_a_client_that_left_decides_nothing() -> None:
    house = House("a b", FIRST)
    begun(house).leaves(1)
    assert [house.history.record("chat", f"{name}/m").dump(1) for name in "ab"] == [(0, 0), (0, 0)]


def test_old_wins_fade() -> None:
    """Five wins of a week ago weigh less than one of today."""
    house = House("a b", QUALITY)
    raced(house, "a", wins=5, at=0)
    week = 7 * 24 * 3600.0
    raced(house, "b", wins=1, at=week)
    story = house.request(now=week)
    story.begins(week)
    story.completes(0, week + 0.1)
    assert story.completes(1, week + 0.2) == "relay 1; done 1"
