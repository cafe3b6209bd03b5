"""Answers that were declined under status 200: another service where the rule says so, and else the
refusal as the vendor worded it.
"""

from __future__ import annotations

import pytest

from core.routing.playbook import House, Story
from pilotfish.core.model.outcome import Outcome

POLICY = "fallback_on: [content_policy]"
BOTH = "fallback_on: [content_policy, context_length]"
RACE = "race: {strategy: first_wins, max_parallel: 2}"


def declines(story: Story, n: int, now: float) -> str:
    return story.fails(n, Outcome.REFUSED, now, reason="content_policy")


def begun(house: House, now: float = 0) -> Story:
    story = house.request()
    story.begins(now)
    return story


def test_by_default_the_client_gets_the_refusal_as_it_is() -> None:
    story = begun(House("a b"))
    assert declines(story, 0, 1) == "relay 0; done 0"
    assert story.starts == ["a"]


def test_where_the_rule_says_so_the_next_service_is_asked() -> None:
    story = begun(House("a b/other", POLICY))
    assert declines(story, 0, 1) == "start 1 b/other"
    assert story.speaks(1, 2) == "relay 1"
    assert story.completes(1, 3) == "done 1"


def test_if_all_decline_the_client_gets_the_last_refusal() -> None:
    story = begun(House("a b/other", POLICY))
    declines(story, 0, 1)
    assert declines(story, 1, 2) == "relay 1; done 1"


def test_a_refusal_is_worth_more_than_the_error_of_who_was_asked_after_it() -> None:
    story = begun(House("a b/other", f"{POLICY}, retries: {{max_retries: 0}}"))
    declines(story, 0, 1)
    assert story.fails(1, Outcome.SERVER_ERROR, 2) == "relay 0; done 0"


def test_after_a_refusal_only_services_that_may_take_over_for_it_are_asked() -> None:
    services = (
        "services: [{provider: a, model: m}, {provider: b, model: n}, "
        "{provider: c, model: o, fallback_on: [context_length]}]"
    )
    house = House("", f"{services}, {BOTH}, retries: {{max_retries: 0}}", others="a b c")
    story = begun(house)
    declines(story, 0, 1)
    assert story.fails(1, Outcome.SERVER_ERROR, 2) == "relay 0; done 0"
    assert story.starts == ["a", "b/n"]


def test_the_same_model_elsewhere_would_say_the_same() -> None:
    story = begun(House("a/x b/x c/y", POLICY))
    assert declines(story, 0, 1) == "start 1 c/y"


def test_a_refusal_says_nothing_of_the_services_health() -> None:
    house = House("a b")
    for now in range(5):
        declines(begun(house, now), 0, now + 0.5)
    health = house.state("a").health
    assert (health.consecutive, health.trips) == (0, 0)
    assert house.state("a").latency.count(10) == 0
    assert house.state("a").ttft.count(10) == 0


@pytest.mark.parametrize("rule", [RACE, f"{RACE}, {POLICY}"])
def test_a_refusal_does_not_win_a_race_while_others_run(rule: str) -> None:
    story = begun(House("a b", rule))
    assert declines(story, 0, 1) == ""
    assert story.speaks(1, 2) == "relay 1"


def test_in_a_race_another_one_takes_its_place_where_the_rule_says_so() -> None:
    story = begun(House("a b/other c/third", f"{RACE}, {POLICY}"))
    assert declines(story, 0, 1) == "start 2 c/third"


def test_a_race_that_all_but_the_refusal_lost_is_the_refusals() -> None:
    story = begun(House("a b", RACE))
    declines(story, 0, 1)
    assert story.fails(1, Outcome.SERVER_ERROR, 2) == "relay 0; done 0"


def test_the_hedge_beside_it_goes_on() -> None:
    story = begun(House("a b", "hedge: {after: 500, min_ms: 0, budget_percent: 100}"))
    story.wakes()
    assert story.starts == ["a", "b"]
    assert declines(story, 0, 1) == ""
    assert story.speaks(1, 2) == "relay 1"


def test_at_the_deadline_a_refusal_is_better_than_nothing() -> None:
    story = begun(House("a b/other", f"{POLICY}, timeouts: {{total_s: 5}}"))
    declines(story, 0, 1)
    assert story.is_late(5) == "cancel 1 timeout; relay 0; done 0"


def test_at_the_deadline_a_stream_that_is_relayed_breaks_whoever_declined_before() -> None:
    story = begun(House("a b/other", f"{POLICY}, timeouts: {{total_s: 5}}"))
    declines(story, 0, 1)
    story.speaks(1, 2)
    assert story.is_late(5) == "cancel 1 timeout; break 504 timeout"


def test_a_continuation_that_is_declined_is_no_answer_to_the_client() -> None:
    story = begun(House("a b", "on_stream_break: continue"))
    story.speaks(0, 0.5)
    assert story.fails(0, Outcome.BROKEN_STREAM, 1, resumable=True) == "start 1 b rescue"
    assert declines(story, 1, 2).startswith("break 200 refused")
