"""The story of one request, from its first service to its answer: who is asked next, who is not,
and what the client is told.
"""

from __future__ import annotations

import pytest

from core.routing.playbook import House
from pilotfish.core.model.outcome import Outcome

TRANSIENT = [
    Outcome.OVERLOADED,
    Outcome.SERVER_ERROR,
    Outcome.CONNECT_FAILED,
    Outcome.TIMEOUT,
    Outcome.NOT_FOUND,
    Outcome.AUTH_FAILED,
    Outcome.RATE_LIMITED,
]
NO_RETRIES = "retries: {max_retries: 0}"


# ---- no service, or none left


def test_without_any_usable_service_the_client_is_told_so_and_nobody_is_asked() -> None:
    house = House("a", a="token: {env: KEY}")
    house.happened("a", Outcome.AUTH_FAILED, 0)
    assert house.request(now=1).begins(1) == "answer 503 connect_failed"


def test_the_last_error_is_the_clients_when_all_services_have_failed() -> None:
    story = House("a b", NO_RETRIES).request()
    assert story.begins() == "start 0 a"
    assert story.fails(0, Outcome.SERVER_ERROR, 1, status=502) == "start 1 b"
    assert story.fails(1, Outcome.SERVER_ERROR, 2, status=507) == "answer 507 server_error"
    assert story.dispatch.fallbacks == 1


@pytest.mark.parametrize("outcome", TRANSIENT)
def test_every_transient_outcome_goes_on_to_the_next_service(outcome: Outcome) -> None:
    story = House("a b", NO_RETRIES).request()
    story.begins()
    assert story.fails(0, outcome, 1) == "start 1 b"


def test_a_bad_request_is_the_clients_fault_and_goes_nowhere_else() -> None:
    house = House("a b")
    story = house.request()
    story.begins()
    assert story.fails(0, Outcome.BAD_REQUEST, 1) == "answer 400 bad_request"
    assert house.state("a").health.consecutive == 0


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.NOT_FOUND, Outcome.AUTH_FAILED])
def test_a_service_that_was_silent_unknown_or_refusing_is_not_asked_again(outcome: Outcome) -> None:
    story = House("a").request()
    story.begins()
    assert story.fails(0, outcome, 1).startswith("answer")
    assert story.starts == ["a"]


def test_attempts_of_one_request_are_capped() -> None:
    story = House("a b c d", "retries: {max_retries: 0, max_attempts: 3}").request()
    story.begins()
    story.fails(0, Outcome.TIMEOUT, 1)
    assert story.fails(1, Outcome.TIMEOUT, 2) == "start 2 c"
    assert story.fails(2, Outcome.TIMEOUT, 3) == "answer 504 timeout"


# ---- tiers, fallbacks, health


def test_a_higher_tier_is_asked_only_when_the_lower_one_is_used_up() -> None:
    story = House("a b@1 c", NO_RETRIES).request()
    assert story.begins() == "start 0 a"
    assert story.fails(0, Outcome.TIMEOUT, 1) == "start 1 c"
    assert story.fails(1, Outcome.TIMEOUT, 2) == "start 2 b"


def test_fallbacks_are_asked_in_their_order_after_the_services() -> None:
    story = House("a", "fallbacks: [z/m, y/m], retries: {max_retries: 0}", others="y z").request()
    story.begins()
    assert story.fails(0, Outcome.TIMEOUT, 1) == "start 1 z"
    assert story.fails(1, Outcome.TIMEOUT, 2) == "start 2 y"


def test_a_cooling_service_is_passed_over() -> None:
    house = House("a b")
    house.happened("a", Outcome.SERVER_ERROR, 0, times=3)
    assert house.request(now=1).begins(1) == "start 0 b"


def test_with_all_cooling_after_errors_the_one_that_comes_back_first_is_tried_anyway() -> None:
    house = House("a b")
    house.happened("b", Outcome.SERVER_ERROR, 0, times=3)
    house.happened("a", Outcome.SERVER_ERROR, 2, times=3)
    story = house.request(now=3)
    assert story.begins(3) == "start 0 b forced"
    assert story.fails(0, Outcome.TIMEOUT, 4) == "start 1 a forced"
    assert story.dispatch.last_resort


def test_a_service_whose_credentials_were_refused_is_not_even_tried_by_force() -> None:
    house = House("a b", a="token: {env: KEY}")
    house.happened("a", Outcome.AUTH_FAILED, 0)
    house.happened("b", Outcome.SERVER_ERROR, 0, times=3)
    story = house.request(now=1)
    assert story.begins(1) == "start 0 b forced"
    assert story.fails(0, Outcome.TIMEOUT, 2) == "answer 504 timeout"


def test_refused_credentials_take_out_all_services_of_their_provider() -> None:
    house = House("a a/other b", a="token: {env: KEY}")
    story = house.request()
    story.begins()
    assert story.fails(0, Outcome.AUTH_FAILED, 1) == "start 1 b"


# ---- several keys


@pytest.mark.parametrize("outcome", [Outcome.AUTH_FAILED, Outcome.RATE_LIMITED])
def test_a_refusal_of_one_key_is_followed_by_the_other_key_of_the_same_service(
    outcome: Outcome,
) -> None:
    house = House("a b", a="tokens: [{env: ONE}, {env: TWO}]")
    story = house.request()
    assert story.begins() == "start 0 a"
    assert story.fails(0, outcome, 1, wait_s=20) == "start 1 a key 1"
    assert story.fails(1, outcome, 2, wait_s=20) == "start 2 b"


def test_a_later_request_starts_with_the_key_that_still_serves() -> None:
    house = House("a", a="tokens: [{env: ONE}, {env: TWO}]")
    story = house.request()
    story.begins()
    story.fails(0, Outcome.AUTH_FAILED, 1)
    assert house.request(now=2).begins(2) == "start 0 a key 1"


def test_each_other_key_is_taken_once_even_if_keys_are_told_to_wait_for_no_time() -> None:
    """`Retry-After: 0` on every answer: the first key is as good as another at once, but it is not
    another.
    """
    story = House("a b", a="tokens: [{env: ONE}, {env: TWO}]").request()
    story.begins()
    story.fails(0, Outcome.RATE_LIMITED, 1, wait_s=0)
    assert story.fails(1, Outcome.RATE_LIMITED, 1, wait_s=0) == "start 2 b"


def test_another_key_is_an_attempt_like_any_other_and_capped_like_one() -> None:
    story = House("a", "retries: {max_attempts: 1}", a="tokens: [{env: ONE}, {env: TWO}]").request()
    story.begins()
    assert story.fails(0, Outcome.AUTH_FAILED, 1).startswith("answer 401 auth_failed")


def test_another_key_is_not_tried_beyond_our_own_limits() -> None:
    story = House(
        "a b", a="tokens: [{env: ONE}, {env: TWO}], limits: {requests_per_minute: 1}"
    ).request()
    story.begins()
    assert story.fails(0, Outcome.AUTH_FAILED, 1) == "start 1 b"


def test_another_key_is_not_tried_on_a_service_that_told_others_to_wait() -> None:
    house = House(
        "a b", "health: {consecutive_error_threshold: 1}", a="tokens: [{env: ONE}, {env: TWO}]"
    )
    story = house.request()
    story.begins()
    house.happened("a", Outcome.OVERLOADED, 0.5, wait_s=30)
    assert story.fails(0, Outcome.RATE_LIMITED, 1) == "start 1 b"


# ---- refusals that a larger or more liberal model may not share


@pytest.mark.parametrize("reason", ["context_length", "content_policy"])
def test_a_reason_of_fallback_on_goes_to_a_service_marked_for_it(reason: str) -> None:
    rule = f"""fallback_on: [context_length, content_policy], services: [
        {{provider: a, model: m}},
        {{provider: b, model: small, fallback_on: [{"content_policy" if reason == "context_length" else "context_length"}]}},
        {{provider: c, model: large, fallback_on: [{reason}]}}]"""
    story = House("", rule, others="a b c").request()
    story.begins()
    assert story.fails(0, Outcome.BAD_REQUEST, 1, reason=reason) == "start 1 c/large"
    assert story.fails(1, Outcome.BAD_REQUEST, 2, reason=reason) == "answer 400 bad_request"


def test_a_reason_that_the_rule_does_not_name_is_told_to_the_client() -> None:
    story = House("a b/large", "fallback_on: [context_length]").request()
    story.begins()
    assert (
        story.fails(0, Outcome.BAD_REQUEST, 1, reason="content_policy") == "answer 400 bad_request"
    )


def test_what_is_too_long_for_a_model_is_not_sent_to_the_same_model_elsewhere() -> None:
    story = House("a b c/large", "fallback_on: [context_length]").request()
    story.begins()
    assert story.fails(0, Outcome.BAD_REQUEST, 1, reason="context_length") == "start 1 c/large"


def test_a_refused_request_is_not_forced_upon_a_cooling_service() -> None:
    house = House("a b/large", "fallback_on: [context_length]")
    house.happened("b/large", Outcome.SERVER_ERROR, 0, times=3)
    story = house.request(now=1)
    story.begins(1)
    assert (
        story.fails(0, Outcome.BAD_REQUEST, 2, reason="context_length") == "answer 400 bad_request"
    )


# ---- the request's own time, and a client that leaves


def test_total_time_over_before_the_answer_began_cancels_and_answers_504() -> None:
    house = House("a", "timeouts: {total_s: 10}")
    story = house.request()
    story.begins()
    assert story.is_late(10) == "cancel 0 timeout; answer 504 timeout"
    assert story.is_late(11) == ""


def test_total_time_over_in_mid_answer_breaks_it_off() -> None:
    story = House("a", "timeouts: {total_s: 10}").request()
    story.begins()
    story.speaks(0, 1)
    assert story.is_late(10) == "cancel 0 timeout; break 504 timeout"


def test_time_over_between_two_attempts_tells_what_the_upstream_said_last() -> None:
    story = House("a", "timeouts: {total_s: 10}").request()
    story.begins()
    story.fails(0, Outcome.SERVER_ERROR, 9, status=502)
    assert story.is_late(10) == "answer 502 server_error"


def test_nobody_is_asked_any_more_once_the_time_is_over() -> None:
    story = House("a b", "timeouts: {total_s: 10}, retries: {max_retries: 0}").request()
    story.begins()
    assert story.fails(0, Outcome.SERVER_ERROR, 10) == "answer 500 server_error"


def test_a_client_that_leaves_cancels_the_attempt_and_touches_no_health() -> None:
    house = House("a b")
    house.happened("a", Outcome.SERVER_ERROR, 0, times=2)
    story = house.request(now=1)
    story.begins(1)
    assert story.leaves(2) == "cancel 0 client_gone"
    assert (house.state("a").health.state(0), house.state("a").health.consecutive) == ("serving", 2)


def test_a_client_that_leaves_during_a_backoff_leaves_nothing_behind() -> None:
    story = House("a").request()
    story.begins()
    story.fails(0, Outcome.SERVER_ERROR, 1)
    assert story.leaves(1.2) == ""
    assert (story.wakes(1.5), story.leaves(2), story.is_late(3)) == ("", "", "")


def test_a_probe_whose_client_left_is_due_again_at_once() -> None:
    house = House("a", "health: {probe_enabled: false}")
    house.happened("a", Outcome.SERVER_ERROR, 0, times=3)
    story = house.request(now=60)
    assert story.begins(60) == "start 0 a"
    story.leaves(61)
    assert house.request(now=62).begins(62) == "start 0 a"


# ---- what goes well


def test_a_streamed_answer_is_relayed_at_its_first_content_and_done_at_its_end() -> None:
    story = House("a b").request()
    assert story.begins() == "start 0 a"
    assert story.speaks(0, 0.3) == "relay 0"
    assert story.speaks(0, 0.4) == ""
    assert story.completes(0, 2) == "done 0"


def test_a_whole_answer_is_relayed_when_it_is_complete() -> None:
    story = House("a").request(streams=False)
    story.begins()
    assert story.completes(0, 2) == "relay 0; done 0"


def test_an_empty_stream_is_an_answer_too() -> None:
    story = House("a").request()
    story.begins()
    assert story.completes(0, 2) == "relay 0; done 0"


@pytest.mark.parametrize("outcome", [*TRANSIENT, Outcome.BAD_REQUEST, Outcome.BROKEN_STREAM])
def test_nothing_is_retried_once_the_client_has_a_byte(outcome: Outcome) -> None:
    story = House("a b", "on_stream_break: error").request()
    story.begins()
    story.speaks(0, 0.3)
    assert story.fails(0, outcome, 1, resumable=True).startswith("break")
    assert story.starts == ["a"]


def test_events_of_attempts_that_are_over_or_never_were_mean_nothing() -> None:
    story = House("a b", NO_RETRIES).request()
    story.begins()
    story.fails(0, Outcome.TIMEOUT, 1)
    for n in (0, 7):
        assert (story.speaks(n, 2), story.completes(n, 2), story.fails(n, Outcome.TIMEOUT, 2)) == (
            "",
            "",
            "",
        )
    assert story.completes(1, 3) == "relay 1; done 1"
    assert (story.speaks(1, 4), story.fails(1, Outcome.TIMEOUT, 4), story.wakes(5)) == ("", "", "")


# ---- smart routing


def test_a_blocks_services_come_first_and_the_rules_own_follow() -> None:
    block = "{ops: [{position: stream, operation: equals, value: 'true'}], services: [{provider: c, model: m}]}"
    house = House("a b", f"smart_routing: [{block}], retries: {{max_retries: 0}}", others="c")
    story = house.request(block=0)
    assert story.begins() == "start 0 c"
    assert story.fails(0, Outcome.TIMEOUT, 1) == "start 1 a"
