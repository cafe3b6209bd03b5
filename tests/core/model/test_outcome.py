"""Outcomes and failures."""

from __future__ import annotations

import pytest

from pilotfish.core.model.outcome import Failure, Outcome

# The names that logs, metrics and the page show; dashboards and alerts are written for them.
NAMES = """served rate_limited overloaded auth_failed bad_request not_found timeout connect_failed
    server_error broken_stream client_gone lost_race"""


def test_a_failure_cannot_be_changed_since_several_readers_share_it() -> None:
    failure = Failure(outcome=Outcome.TIMEOUT, status=504, message="late")
    with pytest.raises(AttributeError):
        failure.status = 200  # type: ignore[misc]


def test_a_failure_needs_an_outcome_a_status_and_a_message() -> None:
    with pytest.raises(TypeError):
        Failure(outcome=Outcome.TIMEOUT, status=504)  # type: ignore[call-arg]


def test_by_default_the_upstream_gave_no_retry_after_and_this_machine_is_not_the_cause() -> None:
    failure = Failure(outcome=Outcome.TIMEOUT, status=504, message="late")
    assert (failure.wait_s, failure.local, failure.reason) == (None, False, "")


def test_the_documented_names_are_there() -> None:
    assert set(NAMES.split()) <= set(Outcome)


def test_an_outcome_is_written_by_its_name() -> None:
    assert f"{Outcome.LOST_RACE}" == "lost_race"
