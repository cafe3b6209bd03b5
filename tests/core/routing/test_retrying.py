"""Whether and when the same service is asked again."""

from __future__ import annotations

import pytest

from core.routing.playbook import House, failure
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.routing.attempt_state import AttemptState
from pilotfish.core.routing.retrying import retry_delay


def delay(
    house: House,
    outcome: Outcome,
    *,
    again: int = 0,
    trial: bool = False,
    wait_s: float | None = None,
    deadline: float = 1000.0,
) -> float | None:
    attempt = AttemptState(0, house.candidate("a"), again, 0.0, trial=trial)
    plan = house.plan()
    plan.tried.append(attempt.candidate.state)
    return retry_delay(attempt, failure(outcome, wait_s=wait_s), plan, 0.0, deadline)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.AUTH_FAILED,
        Outcome.NOT_FOUND,
        Outcome.BAD_REQUEST,
        Outcome.TIMEOUT,
        Outcome.RATE_LIMITED,
        Outcome.BROKEN_STREAM,
    ],
)
def test_most_outcomes_are_not_better_the_second_time(outcome: Outcome) -> None:
    assert delay(House("a"), outcome) is None


def test_a_failed_connection_is_tried_again_at_once_and_once() -> None:
    assert delay(House("a"), Outcome.CONNECT_FAILED) == 0.0
    assert delay(House("a"), Outcome.CONNECT_FAILED, again=1) is None


def test_a_server_error_backs_off_and_doubles() -> None:
    assert [delay(House("a"), Outcome.SERVER_ERROR, again=n) for n in (0, 1, 2)] == [0.5, 1.0, None]


def test_zero_retries_means_none() -> None:
    house = House("a", "retries: {max_retries: 0}")
    assert delay(house, Outcome.SERVER_ERROR) is None
    assert delay(house, Outcome.CONNECT_FAILED) is None


def test_a_trial_that_failed_is_not_retried_where_another_is_usable() -> None:
    assert delay(House("a b"), Outcome.SERVER_ERROR, trial=True) is None
    assert delay(House("a"), Outcome.SERVER_ERROR, trial=True) == 0.5


def test_a_wait_that_it_asks_for_is_spent_only_where_nobody_else_is_usable() -> None:
    assert delay(House("a"), Outcome.OVERLOADED, wait_s=4) == 4
    assert delay(House("a b"), Outcome.OVERLOADED, wait_s=4) is None
    assert delay(House("a"), Outcome.OVERLOADED, wait_s=60) is None


def test_nothing_is_waited_for_beyond_the_deadline() -> None:
    assert delay(House("a"), Outcome.SERVER_ERROR, deadline=0.4) is None
