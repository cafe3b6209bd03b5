"""An attempt as the dispatch machine sees it, and the failures that the machine itself reports."""

from __future__ import annotations

import pytest

from fleet import candidate
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.routing import attempt_state

OWN = [
    (attempt_state.NO_SERVICE, 503),
    (attempt_state.RATE_LIMITED, 429),
    (attempt_state.LATE, 504),
    (attempt_state.RACE_LATE, 504),
]


@pytest.mark.parametrize(("failure", "status"), OWN)
def test_a_client_can_tell_the_proxys_own_failures_apart(failure: Failure, status: int) -> None:
    assert failure.status == status
    assert failure.code
    assert failure.message


def test_no_own_failure_has_a_message_of_another() -> None:
    assert len({failure.message for failure, _ in OWN}) == len(OWN)


def test_only_what_may_be_gone_a_moment_later_is_asked_again_at_the_same_service() -> None:
    assert {Outcome.OVERLOADED, Outcome.SERVER_ERROR} == attempt_state.SAME_AGAIN


def test_an_attempt_begins_without_content_and_unfinished() -> None:
    attempt = attempt_state.AttemptState(2, candidate("m"), 1, 5.0, extra="hedge")
    assert (attempt.n, attempt.again, attempt.began, attempt.extra == "hedge") == (2, 1, 5.0, True)
    assert not attempt.complete
