"""Health: serving -> cooling until T -> probing -> serving."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.snapshot import CooldownRules, HealthRules
from pilotfish.core.state.health import COOLING, PROBING, SERVING, Health, cooldown_delay

ERROR, LIMITED, REFUSED = Outcome.SERVER_ERROR, Outcome.RATE_LIMITED, Outcome.AUTH_FAILED


def fail(
    health: Health,
    outcome: Outcome,
    now: float,
    /,
    *,
    wait_s: float | None = None,
    began: float | None = None,
    **rules: Any,
) -> bool:
    return health.failed(
        outcome,
        wait_s=wait_s,
        reason="",
        began=now if began is None else began,
        now=now,
        health=rules.get("health", HealthRules()),
        cooldown=rules.get("cooldown", CooldownRules()),
    )


def tripped(now: float = 0.0) -> Health:
    health = Health()
    for _ in range(3):
        fail(health, ERROR, now)
    assert health.state == COOLING
    return health


def test_it_takes_three_errors_in_a_row() -> None:
    health = Health()
    assert [fail(health, ERROR, t) for t in (0.0, 1.0, 2.0)] == [False, False, True]
    assert (health.state, health.until) == (COOLING, 62.0)


def test_a_success_between_errors_clears_the_count() -> None:
    health = Health()
    for now in range(10):
        fail(health, ERROR, now + 0.1)
        fail(health, ERROR, now + 0.2)
        health.succeeded(now + 0.3, now + 0.3)
        if now == 5:
            break
    assert health.state == SERVING
    assert health.consecutive == 0


def test_half_of_at_least_twenty_attempts_in_thirty_seconds_is_too_many_even_if_never_in_a_row() -> (
    None
):
    health = Health()
    changes = []
    for i in range(10):
        health.succeeded(i, i)
        changes.append(fail(health, ERROR, i + 0.5))
    assert changes == [False] * 9 + [True]


def test_errors_of_long_ago_do_not_count_into_the_ratio() -> None:
    health = Health()
    for i in range(9):
        health.succeeded(i, i)
        fail(health, ERROR, i + 0.5)
    for i in range(2):
        health.succeeded(100 + i, 100 + i)
        assert fail(health, ERROR, 100.5 + i) is False


@pytest.mark.parametrize("outcome", [LIMITED, REFUSED])
def test_a_429_or_refused_credentials_trip_at_once(outcome: Outcome) -> None:
    health = Health()
    assert fail(health, outcome, 0.0) is True
    assert health.state == COOLING
    assert health.refused is (outcome is REFUSED)


@pytest.mark.parametrize("outcome", [Outcome.BAD_REQUEST, Outcome.CLIENT_GONE, Outcome.LOST_RACE])
def test_what_is_the_clients_doing_never_trips(outcome: Outcome) -> None:
    health = Health()
    assert not any(fail(health, outcome, t / 10) for t in range(100))
    assert health.consecutive == 0


def test_the_service_is_left_alone_as_long_as_it_asked_but_not_longer_than_the_maximum() -> None:
    health = Health()
    fail(health, LIMITED, 10.0, wait_s=7)
    assert (health.until, health.retry_after_given) == (17.0, True)
    forever = Health()
    fail(forever, LIMITED, 10.0, wait_s=1e9)
    assert forever.until == 3610.0


def test_without_a_hint_each_trip_in_a_row_cools_longer() -> None:
    health = tripped(0.0)
    untils = [health.until]
    for _ in range(3):
        now = health.until
        health.probe()
        fail(health, ERROR, now)
        untils.append(health.until - now)
    assert untils == [60.0, 300.0, 1500.0, 3600.0]


def test_a_fixed_recovery_time_replaces_the_growing_one() -> None:
    health, rules = Health(), HealthRules(recovery_timeout_s=300)
    for _ in range(3):
        fail(health, ERROR, 0.0, health=rules)
    assert health.until == 300.0
    fail(health, ERROR, 300.0, health=rules)
    assert health.until == 600.0


def test_a_burst_of_failures_sent_before_the_trip_is_one_trip() -> None:
    """A hundred requests were on their way when it went down: it cools for a minute, not for an
    hour.
    """
    health = tripped(10.0)
    for _ in range(100):
        assert fail(health, ERROR, 11.0, began=9.0) is False
    assert (health.trips, health.until) == (1, 70.0)


def test_a_longer_wait_learnt_late_still_counts_and_a_shorter_one_does_not() -> None:
    health = Health()
    fail(health, LIMITED, 10.0, wait_s=20)
    fail(health, LIMITED, 11.0, wait_s=60, began=9.0)
    assert health.until == 71.0
    fail(health, LIMITED, 12.0, wait_s=1, began=9.0)
    assert health.until == 71.0


def test_a_deadline_only_grows_while_it_cools() -> None:
    health = Health()
    fail(health, LIMITED, 0.0, wait_s=100)
    fail(health, LIMITED, 1.0, wait_s=2)
    assert health.until == 100.0


def test_a_late_success_of_a_request_sent_before_the_trip_ends_no_cooling() -> None:
    health = tripped(10.0)
    assert health.succeeded(9.0, 12.0) is False
    assert health.state == COOLING


def test_a_forced_success_ends_it() -> None:
    health = tripped(10.0)
    assert health.succeeded(11.0, 12.0) is True
    assert (health.state, health.trips, health.consecutive) == (SERVING, 0, 0)


def test_it_is_due_when_its_time_is_over_and_only_one_probes() -> None:
    health = tripped(0.0)
    assert not health.is_due(59.9)
    assert health.is_due(60.0)
    health.probe()
    assert health.state == PROBING
    assert not health.is_due(61.0)
    health.abandon_probe()
    assert health.is_due(61.0)


def test_only_a_service_that_said_when_to_come_back_or_refused_us_is_out_for_good_reason() -> None:
    assert not tripped().is_out(1.0)
    told = Health()
    fail(told, LIMITED, 0.0, wait_s=10)
    assert told.is_out(9.9)
    assert not told.is_out(10.0)
    refused = Health()
    fail(refused, REFUSED, 0.0)
    assert refused.is_out(1e9)


def test_errors_that_follow_a_recovery_count_from_nothing() -> None:
    health = tripped(0.0)
    health.recover()
    assert fail(health, ERROR, 61.0) is False
    assert health.state == SERVING


def test_what_another_replica_was_told_holds_here_too() -> None:
    health = Health()
    assert health.force_cooldown(50.0, "told to another replica", 10.0) is True
    assert (health.state, health.retry_after_given, health.until) == (COOLING, True, 50.0)
    assert health.force_cooldown(40.0, "shorter", 11.0) is False
    assert health.force_cooldown(5.0, "over", 11.0) is False
    assert health.until == 50.0


def test_a_hold_does_not_interrupt_with_an_earlier_end_nor_forget_a_refusal() -> None:
    health = Health()
    fail(health, REFUSED, 0.0)
    health.force_cooldown(1000.0, "told to another replica", 1.0)
    assert health.refused


def test_the_delay_stays_finite_whatever_the_count() -> None:
    assert cooldown_delay(10_000, CooldownRules(60, 1e9, 3600)) == 3600
    assert cooldown_delay(1, CooldownRules(60, 5, 3600)) == 60


EVENTS = st.lists(
    st.tuples(
        st.sampled_from([*Outcome, "probe", "abandon_probe", "hold", "recover"]),
        st.floats(0, 100),
        st.floats(0, 50),
        st.none() | st.floats(0, 1e5),
    ),
    max_size=40,
)


@given(EVENTS)
def test_whatever_happens_it_is_in_one_of_three_states_and_a_cooling_one_comes_back_in_bounded_time(
    events: list[tuple[Any, float, float, Any]],
) -> None:
    health, now = Health(), 0.0
    for what, pause, age, wait_s in events:
        now += pause
        if what is Outcome.SERVED:
            health.succeeded(now - age, now)
        elif isinstance(what, Outcome):
            fail(health, what, now, wait_s=wait_s, began=now - age)
        elif what == "hold":
            health.force_cooldown(now + age, "another", now)
        else:
            getattr(health, what)()
        assert health.state in (SERVING, COOLING, PROBING)
        if health.state == COOLING:
            assert health.until <= now + 3600
            assert health.is_due(health.until)
        assert health.trips >= 0
