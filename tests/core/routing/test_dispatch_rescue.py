"""Streams that break after their first content: the client gets an error event, another service
continues the stream, or another service begins anew.
"""

from __future__ import annotations

import pytest

from core.routing.playbook import House, Story
from pilotfish.core.model.outcome import Outcome

CONTINUE = "retries: {max_retries: 0}"  # the default
RESTART = "on_stream_break: restart, buffer: true"


def speaking(house: House) -> Story:
    story = house.request()
    story.begins(0)
    assert story.speaks(0, 0.5) == "relay 0"
    return story


# ---- error


def test_where_the_rule_says_so_a_broken_stream_is_told_and_ended() -> None:
    assert (
        speaking(House("a b", "on_stream_break: error")).fails(
            0, Outcome.BROKEN_STREAM, 1, resumable=True
        )
        == "break 502 broken_stream"
    )


def test_a_broken_stream_is_an_error_of_its_service() -> None:
    house = House("a b")
    speaking(house).fails(0, Outcome.BROKEN_STREAM, 1)
    assert house.state("a").health.consecutive == 1


# ---- continue


def test_the_next_service_goes_on_from_where_the_stream_broke() -> None:
    story = speaking(House("a b", CONTINUE))
    assert story.fails(0, Outcome.BROKEN_STREAM, 1, resumable=True) == "start 1 b rescue"
    assert story.speaks(1, 1.5) == "relay 1"
    assert story.completes(1, 2) == "done 1"
    assert story.dispatch.resumes == 1


def test_what_cannot_be_continued_is_told() -> None:
    """A tool call has begun, or the thinking is signed: no other service can go on from there."""
    assert (
        speaking(House("a b", CONTINUE)).fails(0, Outcome.BROKEN_STREAM, 1, resumable=False)
        == "break 502 broken_stream"
    )


def test_without_another_usable_service_a_broken_stream_is_told() -> None:
    house = House("a b", CONTINUE)
    house.happened("b", Outcome.SERVER_ERROR, 0, times=3)
    assert (
        speaking(house).fails(0, Outcome.BROKEN_STREAM, 1, resumable=True)
        == "break 502 broken_stream"
    )


def test_several_services_may_go_on_one_after_the_other() -> None:
    story = speaking(House("a b c", CONTINUE))
    story.fails(0, Outcome.BROKEN_STREAM, 1, resumable=True)
    story.speaks(1, 1.5)
    assert story.fails(1, Outcome.BROKEN_STREAM, 2, resumable=True) == "start 2 c rescue"
    story.speaks(2, 2.5)
    assert story.fails(2, Outcome.BROKEN_STREAM, 3, resumable=True) == "break 502 broken_stream"
    assert story.dispatch.resumes == 2


def test_a_rescuer_that_fails_before_it_speaks_is_followed_by_the_next() -> None:
    story = speaking(House("a b c", CONTINUE))
    story.fails(0, Outcome.BROKEN_STREAM, 1, resumable=True)
    assert story.fails(1, Outcome.SERVER_ERROR, 2) == "start 2 c rescue"
    assert story.fails(2, Outcome.TIMEOUT, 3) == "break 504 timeout"


def test_a_rescuer_is_retried_like_any_other_and_still_told_to_go_on() -> None:
    story = speaking(House("a b", "on_stream_break: continue"))
    story.fails(0, Outcome.BROKEN_STREAM, 1, resumable=True)
    assert story.fails(1, Outcome.OVERLOADED, 2) == "wake 2.5"
    assert story.wakes() == "start 2 b rescue"


def test_a_service_that_refuses_the_prefill_is_asked_the_other_way() -> None:
    story = speaking(House("a b c", CONTINUE))
    story.fails(0, Outcome.BROKEN_STREAM, 1, resumable=True)
    assert story.fails(1, Outcome.BAD_REQUEST, 2, other_way=True) == "start 2 b rescue"
    assert story.speaks(2, 3) == "relay 2"


def test_a_service_that_refuses_both_ways_ends_it() -> None:
    story = speaking(House("a b", CONTINUE))
    story.fails(0, Outcome.BROKEN_STREAM, 1, resumable=True)
    story.fails(1, Outcome.BAD_REQUEST, 2, other_way=True)
    assert story.fails(2, Outcome.BAD_REQUEST, 3) == "break 400 bad_request"


def test_a_rescue_is_an_attempt_and_capped_like_one() -> None:
    story = speaking(House("a b", "on_stream_break: continue, retries: {max_attempts: 1}"))
    assert story.fails(0, Outcome.BROKEN_STREAM, 1, resumable=True) == "break 502 broken_stream"


def test_a_rescue_has_no_more_time_than_the_request() -> None:
    house = House("a b", f"{CONTINUE}, timeouts: {{total_s: 10}}")
    assert (
        speaking(house).fails(0, Outcome.BROKEN_STREAM, 10, resumable=True)
        == "break 502 broken_stream"
    )
    story = speaking(house)
    story.fails(0, Outcome.BROKEN_STREAM, 9, resumable=True)
    assert story.is_late(10) == "cancel 1 timeout; break 504 timeout"


def test_a_client_that_leaves_during_a_rescue_cancels_it() -> None:
    story = speaking(House("a b", CONTINUE))
    story.fails(0, Outcome.BROKEN_STREAM, 1, resumable=True)
    assert story.leaves(2) == "cancel 1 client_gone"


def test_a_rescuer_with_nothing_to_add_ends_the_answer_well() -> None:
    story = speaking(House("a b", CONTINUE))
    story.fails(0, Outcome.BROKEN_STREAM, 1, resumable=True)
    assert story.completes(1, 2) == "relay 1; done 1"


@pytest.mark.parametrize("rule", [CONTINUE, RESTART])
def test_a_stream_that_breaks_before_its_first_content_fails_over_like_anything(rule: str) -> None:
    story = House("a b", rule).request()
    story.begins(0)
    assert story.fails(0, Outcome.TIMEOUT, 1) == "start 1 b"


def test_a_race_is_not_run_again_to_rescue_its_winner() -> None:
    story = House("a b c", f"{CONTINUE}, race: {{max_parallel: 2}}").request()
    story.begins(0)
    story.speaks(0, 0.5)
    assert story.fails(0, Outcome.BROKEN_STREAM, 1, resumable=True) == "start 2 c rescue"
    assert story.speaks(2, 2) == "relay 2"


# ---- restart


def test_a_buffered_stream_is_relayed_only_when_it_is_complete() -> None:
    story = House("a b", RESTART).request()
    story.begins(0)
    assert story.speaks(0, 0.5) == ""
    assert story.completes(0, 2) == "relay 0; done 0"


def test_a_buffered_stream_that_breaks_is_begun_anew_by_the_next_service() -> None:
    story = House("a b", RESTART).request()
    story.begins(0)
    story.speaks(0, 0.5)
    assert story.fails(0, Outcome.BROKEN_STREAM, 1) == "start 1 b"
    assert story.completes(1, 2) == "relay 1; done 1"


def test_a_buffered_stream_that_nobody_completes_is_an_error_with_a_status() -> None:
    story = House("a b", RESTART).request()
    story.begins(0)
    story.speaks(0, 0.5)
    story.fails(0, Outcome.BROKEN_STREAM, 1)
    assert story.fails(1, Outcome.BROKEN_STREAM, 2) == "answer 502 broken_stream"


def test_a_whole_answer_knows_no_buffer() -> None:
    story = House("a", RESTART).request(streams=False)
    story.begins(0)
    assert story.completes(0, 2) == "relay 0; done 0"
