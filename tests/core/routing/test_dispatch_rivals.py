"""Playbooks of silence and trials: a service that says nothing gets another one beside it, nobody
pays for a service's trial, and a slow good answer is never killed.
"""

from __future__ import annotations

import pytest

from core.routing.playbook import House, Story
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.state.health import COOLING, PROBING, SERVING


def silent(house: House, now: float = 0.0, *, streams: bool = True) -> Story:
    """A request whose first service says nothing until its patience is over."""
    story = house.request(now=now, streams=streams)
    assert story.begins(now) == "start 0 a"
    return story


def test_after_ten_seconds_without_content_another_service_is_asked_beside_the_silent_one() -> None:
    story = silent(House("a b"))
    assert story.dispatch.look_at == 10
    assert story.ticks() == "start 1 b beside silence"
    assert story.speaks(1, 10.4) == "cancel 0 lost_race silent; relay 1"


def test_the_first_one_goes_on_and_wins_if_it_speaks_first() -> None:
    house = House("a b")
    story = silent(house)
    story.ticks()
    assert story.speaks(0, 19) == "cancel 1 lost_race; relay 0"
    assert house.state("a").health.consecutive == 0


def test_a_whole_answer_shows_nothing_before_its_end_and_has_more_patience() -> None:
    story = silent(House("a b"), streams=False)
    assert story.dispatch.look_at == 30
    story.ticks()
    assert story.completes(1, 33) == "cancel 0 lost_race silent; relay 1; done 1"


def test_thinking_doubles_it() -> None:
    story = House("a b").request(thinking=True)
    story.begins(0)
    assert story.dispatch.look_at == 20


def test_a_service_that_is_known_to_be_slow_is_given_its_time() -> None:
    house = House("a b")
    house.happened("a", Outcome.SERVED, 0, times=20, ttft=12)
    story = silent(house, 1)
    assert story.ticks() == "", "1.5 times its p99 have not passed"
    assert story.dispatch.look_at == 1 + 18
    assert story.ticks() == "start 1 b beside silence"


def test_a_slow_good_service_stops_being_beaten_after_its_first_silence_was_measured() -> None:
    house = House("a b")
    story = silent(house)
    story.ticks()
    story.speaks(1, 20)
    again = silent(house, 100)
    assert again.ticks() == ""
    assert again.dispatch.look_at == 130


def test_one_that_hangs_is_beaten_three_times_and_goes_out() -> None:
    house = House("a b")
    for now in (0.0, 1000.0, 2000.0):
        story = silent(house, now)
        while not story.ticks():
            pass
        story.speaks(1, story.attempts[1].began + 0.2)
        story.completes(1, story.attempts[1].began + 1)
    assert house.ledger.state_of(house.state("a"), story.attempts[1].began + 1) == COOLING


def test_a_client_that_leaves_after_the_patience_is_evidence_and_one_that_leaves_before_is_not() -> (
    None
):
    house = House("a")
    for now in (0.0, 100.0, 200.0):
        story = silent(house, now)
        assert story.leaves(now + 9.9) == "cancel 0 client_gone"
    assert house.state("a").health.consecutive == 0
    for now in (300.0, 400.0, 500.0):
        story = silent(house, now)
        assert story.leaves(now + 60) == "cancel 0 client_gone silent"
    assert house.ledger.state_of(house.state("a"), 560) == COOLING


def test_a_request_that_stores_something_gets_no_rival() -> None:
    story = House("a b").request(may_double=False)
    story.begins(0)
    assert story.dispatch.look_at > 1e9


def test_where_nobody_else_is_usable_it_is_looked_for_again() -> None:
    house = House("a b")
    house.happened("b", Outcome.RATE_LIMITED, 0, wait_s=12)
    story = silent(house)
    assert story.ticks() == ""
    assert story.dispatch.look_at == 11
    house.state("b").health.reset(11)
    assert story.ticks() == "start 1 b beside silence"


def test_rivals_are_a_share_of_the_requests_but_for_the_first_three() -> None:
    house = House("a b")
    said = []
    for _ in range(6):
        story = silent(house)
        said.append(story.ticks(10.0))
    assert said.count("start 1 b beside silence") == 3


def test_there_is_one_rival_a_request() -> None:
    story = silent(House("a b c"))
    story.ticks()
    assert story.ticks(60) == ""


def test_a_rival_that_fails_leaves_the_request_to_the_silent_one() -> None:
    story = silent(House("a b"))
    story.ticks()
    assert story.fails(1, Outcome.SERVER_ERROR, 11) == ""
    assert story.speaks(0, 15) == "relay 0"


# ---- trials


@pytest.fixture
def house() -> House:
    """`a` went out at 0 and is on trial from 5 on."""
    house = House("a b@1")
    house.happened("a", Outcome.SERVER_ERROR, 0, times=3)
    return house


def test_nobody_pays_for_a_trial(house: House) -> None:
    story = house.request(now=6)
    assert story.begins(6) == "start 0 a; wake 8"
    assert story.wakes() == "start 1 b beside trial"
    assert story.speaks(1, 8.3) == "detach 0; relay 1"
    assert story.completes(1, 9) == "done 1"


def test_a_known_service_is_asked_sooner_beside_it() -> None:
    house = House("a b@1")
    house.happened("a", Outcome.SERVED, 0, times=20, ttft=0.3)
    house.happened("a", Outcome.SERVER_ERROR, 1, times=3)
    story = house.request(now=7)
    assert story.begins(7) == "start 0 a; wake 7.3"


def test_the_first_content_of_a_trial_brings_the_service_back(house: House) -> None:
    story = house.request(now=6)
    story.begins(6)
    assert story.speaks(0, 6.4) == "relay 0"
    assert house.ledger.state_of(house.state("a"), 6.4) == SERVING


def test_while_it_is_tried_others_go_elsewhere(house: House) -> None:
    house.request(now=6).begins(6)
    assert house.request(now=6).begins(6) == "start 0 b"


def test_a_trial_that_fails_goes_on_to_the_next_service_at_once_and_takes_the_next_step(
    house: House,
) -> None:
    story = house.request(now=6)
    story.begins(6)
    assert story.fails(0, Outcome.SERVER_ERROR, 6.1) == "start 1 b"
    assert house.state("a").health.until == pytest.approx(16.1)


def test_a_beaten_trial_gets_its_verdict_unseen(house: House) -> None:
    story = house.request(now=6)
    story.begins(6)
    story.wakes()
    story.speaks(1, 8.3)
    story.completes(1, 9)
    assert house.ledger.state_of(house.state("a"), 9) == PROBING
    story._finish(0, Outcome.SERVED, None, 20)
    assert house.ledger.state_of(house.state("a"), 20) == SERVING


def test_six_seconds_of_500s_are_felt_for_six_seconds_and_a_step() -> None:
    """Both tiers fail under ten requests: the vendor was once kept out for an hour."""
    house = House("a b@1", "retries: {max_retries: 0}")
    now = 0.0
    for _ in range(10):
        story = house.request(now=now)
        words = story.begins(now)
        while "start" in words:
            words = story.fails(len(story.attempts) - 1, Outcome.SERVER_ERROR, now)
        now += 0.6
    back = max(house.state(name).health.until for name in "ab")
    assert back <= 6.0 + 10.0
    story = house.request(now=back)
    assert story.begins(back).startswith("start 0 a")
    story.speaks(0, back + 0.2)
    assert house.ledger.state_of(house.state("a"), back + 0.2) == SERVING


def test_one_request_does_not_trip_a_service_by_its_own_three_attempts() -> None:
    house = House("a")
    story = house.request()
    story.begins(0)
    for n, now in enumerate((0.1, 1.0, 3.0)):
        words = story.fails(n, Outcome.SERVER_ERROR, now)
        if words.startswith("wake"):
            story.wakes()
    assert story.ended.startswith("answer 500")
    assert (house.state("a").health.consecutive, house.state("a").health.out) == (1, False)
