"""The circuit breaker: what takes a service out, for how long, and what brings it back. Its first
promise is that it never makes an outage longer than the upstream does, plus one step.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.snapshot import CooldownRules, HealthRules
from pilotfish.core.state.health import (
    CLEAN_AFTER_S,
    COOLING,
    MAX_PROLONGED,
    MAX_RETRY_AFTER_S,
    PROBING,
    SERVING,
    Health,
    cooldown_delay,
)

RULES, COOLDOWN = HealthRules(), CooldownRules()
ERROR, LIMITED = Outcome.SERVER_ERROR, Outcome.RATE_LIMITED


def fail(
    health: Health,
    outcome: Outcome,
    now: float,
    *,
    wait_s: float | None = None,
    began: float | None = None,
    trial: bool = False,
    rules: HealthRules = RULES,
) -> bool:
    return health.failed(
        outcome,
        wait_s=wait_s,
        reason="",
        began=now if began is None else began,
        now=now,
        trial=trial,
        health=rules,
        cooldown=COOLDOWN,
    )


def tripped(now: float) -> Health:
    health = Health()
    for _ in range(3):
        fail(health, ERROR, now)
    return health


def test_it_takes_three_requests_in_a_row() -> None:
    health = Health()
    assert [fail(health, ERROR, t) for t in (0.0, 1.0, 2.0)] == [False, False, True]
    assert (health.state(2.0), health.until) == (COOLING, 7.0)


def test_a_success_between_errors_clears_the_count() -> None:
    health = Health()
    for now in range(10):
        fail(health, ERROR, now)
        fail(health, ERROR, now + 0.1)
        health.succeeded(now, now + 0.2, trial=False)
    assert health.state(10) == SERVING


def test_half_of_at_least_twenty_requests_in_thirty_seconds_is_too_many() -> None:
    health = Health()
    for i in range(9):
        health.succeeded(i, i, trial=False)
        assert not fail(health, ERROR, i)
    health.succeeded(9, 9, trial=False)
    assert fail(health, ERROR, 9.5)


def test_errors_of_long_ago_do_not_count_into_the_ratio() -> None:
    health = Health()
    for i in range(9):
        health.succeeded(i, i, trial=False)
        fail(health, ERROR, i)
    health.succeeded(60, 60, trial=False)
    assert not fail(health, ERROR, 61)


@pytest.mark.parametrize("outcome", [LIMITED, Outcome.AUTH_FAILED])
def test_a_429_or_refused_credentials_take_it_out_at_once(outcome: Outcome) -> None:
    health = Health()
    assert fail(health, outcome, 0.0)
    assert (health.state(0), health.refused) == (COOLING, outcome is Outcome.AUTH_FAILED)


@pytest.mark.parametrize("outcome", [Outcome.BAD_REQUEST, Outcome.CLIENT_GONE, Outcome.LOST_RACE])
def test_what_is_the_clients_doing_never_takes_it_out(outcome: Outcome) -> None:
    health = Health()
    assert not any(fail(health, outcome, t / 10) for t in range(100))
    assert health.state(10) == SERVING


def test_it_is_left_alone_exactly_as_long_as_it_asked_and_at_most_an_hour() -> None:
    health = Health()
    fail(health, LIMITED, 10.0, wait_s=700)
    assert (health.until, health.retry_after_given) == (710.0, True)
    other = Health()
    fail(other, LIMITED, 0.0, wait_s=1e9)
    assert other.until == MAX_RETRY_AFTER_S


def test_after_a_429_without_a_hint_our_own_step_is_taken_for_the_hint() -> None:
    health = Health()
    fail(health, LIMITED, 0.0)
    assert (health.until, health.must_wait(4.9), health.must_wait(5.0)) == (5.0, True, False)


def test_the_next_step_is_taken_only_when_a_trial_has_failed() -> None:
    health = tripped(0.0)
    assert health.until == 5.0
    steps = []
    for _ in range(6):
        now = health.until
        health.begin_trial(now)
        assert fail(health, ERROR, now, trial=True)
        steps.append(health.until - now)
    assert steps == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]


def test_forced_requests_neither_escalate_nor_prolong() -> None:
    """With everything out, requests are sent all the same: they must not keep it out."""
    health = tripped(0.0)
    for now in (0.5, 1.0, 2.0, 4.0):
        assert not fail(health, ERROR, now)
    assert (health.until, health.step) == (5.0, 0)


def test_a_burst_of_failures_sent_before_it_went_out_is_one_time_out() -> None:
    health = tripped(10.0)
    for i in range(100):
        assert not fail(health, ERROR, 11.0 + i / 100, began=9.0)
    assert (health.trips, health.until) == (1, 15.0)


def test_a_longer_wait_learnt_late_still_counts_and_a_shorter_one_does_not() -> None:
    health = Health()
    fail(health, LIMITED, 10.0, wait_s=20)
    fail(health, LIMITED, 11.0, wait_s=30, began=9.0)
    assert health.until == 41.0
    fail(health, LIMITED, 12.0, wait_s=1, began=9.0)
    assert health.until == 41.0


def test_one_trial_at_a_time_when_its_time_has_come() -> None:
    health = tripped(0.0)
    assert (health.may_be_asked(4.9), health.state(4.9)) == (False, COOLING)
    assert (health.may_be_asked(5.0), health.state(5.0)) == (True, PROBING)
    health.begin_trial(5.0)
    assert not health.may_be_asked(5.1)
    health.end_trial()
    assert health.may_be_asked(5.2)


def test_a_trial_that_is_served_brings_it_back() -> None:
    health = tripped(0.0)
    health.begin_trial(5.0)
    assert health.succeeded(5.0, 5.4, trial=True)
    assert (health.state(5.4), health.consecutive, health.reason) == (SERVING, 0, "")


def test_a_late_success_of_a_request_sent_before_it_went_out_ends_no_cooling() -> None:
    health = tripped(10.0)
    assert not health.succeeded(9.0, 11.0, trial=False)
    assert health.state(11.0) == COOLING


def test_a_success_as_the_last_resort_brings_it_back() -> None:
    health = tripped(10.0)
    assert health.succeeded(11.0, 12.0, trial=False)
    assert health.state(12.0) == SERVING


def test_a_vendor_that_flaps_begins_where_it_was_and_one_that_holds_begins_anew() -> None:
    health = tripped(0.0)
    health.begin_trial(5.0)
    fail(health, ERROR, 5.0, trial=True)  # the second step: 10 s, until 15
    health.begin_trial(15.0)
    health.succeeded(15.0, 15.5, trial=True)
    for _ in range(3):
        fail(health, ERROR, 20.0)
    assert health.until == 30.0, "soon after: at the step it had"
    health.begin_trial(30.0)
    health.succeeded(30.0, 30.5, trial=True)
    later = 30.5 + CLEAN_AFTER_S
    for _ in range(3):
        fail(health, ERROR, later)
    assert (health.until, health.trips) == (later + 5.0, 1), "after a minute: at the first"


def test_a_fixed_recovery_time_replaces_the_growing_one() -> None:
    health, rules = Health(), HealthRules(recovery_timeout_s=33.0)
    for _ in range(3):
        fail(health, ERROR, 0.0, rules=rules)
    health.begin_trial(33.0)
    fail(health, ERROR, 33.0, trial=True, rules=rules)
    assert health.until == 66.0


def test_a_probe_may_only_say_not_yet_and_three_times_in_a_row() -> None:
    """A list of models that is broken must not keep a model out that serves."""
    health = tripped(0.0)
    for _ in range(MAX_PROLONGED):
        assert health.prolong(health.until, RULES, COOLDOWN)
    assert health.until == 20.0, "each time by the same step"
    assert not health.prolong(20.0, RULES, COOLDOWN)
    assert health.may_be_asked(20.0)


def test_a_probe_says_nothing_while_a_request_tries_it() -> None:
    health = tripped(0.0)
    health.begin_trial(5.0)
    assert not health.prolong(5.5, RULES, COOLDOWN)


def test_only_a_service_that_asked_for_it_or_refused_the_key_must_wait() -> None:
    assert not tripped(0.0).must_wait(1.0)
    asked = Health()
    fail(asked, LIMITED, 0.0, wait_s=9)
    assert (asked.must_wait(8.9), asked.must_wait(9.0)) == (True, False)
    refused = Health()
    fail(refused, Outcome.AUTH_FAILED, 0.0)
    assert refused.must_wait(1e9)


def test_by_hand_it_begins_with_a_clean_record() -> None:
    health = tripped(0.0)
    health.begin_trial(5.0)
    fail(health, ERROR, 5.0, trial=True)
    health.reset(6.0)
    assert (health.state(6.0), health.step, health.trips) == (SERVING, 0, 0)


def test_what_another_replica_was_told_holds_here_too() -> None:
    health = Health()
    assert health.force_cooldown(50.0, "rate_limited elsewhere", 10.0)
    assert (health.state(10.0), health.retry_after_given, health.until) == (COOLING, True, 50.0)
    assert not health.force_cooldown(40.0, "an earlier end", 11.0)
    assert not health.force_cooldown(9.0, "over already", 11.0)


def test_the_delay_stays_finite_whatever_the_count() -> None:
    assert cooldown_delay(10_000, COOLDOWN) == 60.0
    assert [cooldown_delay(n, COOLDOWN) for n in range(5)] == [5.0, 10.0, 20.0, 40.0, 60.0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*Outcome]),
            st.one_of(st.none(), st.floats(0, 1e5)),
            st.floats(0, 5),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_whatever_happens_it_may_be_tried_again_in_bounded_time(
    events: list[tuple[Outcome, float | None, float, bool]],
) -> None:
    health, now = Health(), 0.0
    for outcome, wait_s, pause, tries in events:
        now += pause
        trial = tries and health.is_due(now) and not health.trial
        if trial:
            health.begin_trial(now)
        if outcome is Outcome.SERVED:
            health.succeeded(now, now, trial=trial)
        else:
            fail(health, outcome, now, wait_s=wait_s, trial=trial)
        health.end_trial()
        assert health.state(now) in (SERVING, COOLING, PROBING)
        assert health.until <= now + MAX_RETRY_AFTER_S
        assert health.may_be_asked(max(now, health.until))
