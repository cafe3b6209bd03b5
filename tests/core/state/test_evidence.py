"""What counts against a service."""

from __future__ import annotations

from typing import Any

import pytest

from fleet import failure
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.state.evidence import evidence_of

PLAIN: dict[str, Any] = {"silent": False, "counted": False, "last_resort": False, "trial": False}


def found(outcome: Outcome, **flags: bool) -> Outcome | None:
    return evidence_of(outcome, failure(outcome), **{**PLAIN, **flags})


@pytest.mark.parametrize(
    "outcome", [Outcome.BAD_REQUEST, Outcome.CLIENT_GONE, Outcome.LOST_RACE, Outcome.SERVED]
)
def test_what_the_client_does_is_none(outcome: Outcome) -> None:
    assert found(outcome) is None
    assert evidence_of(outcome, None, **PLAIN) is None


def test_want_of_something_on_this_machine_is_none() -> None:
    local = Failure(outcome=Outcome.CONNECT_FAILED, status=503, message="no descriptor", local=True)
    assert evidence_of(local.outcome, local, **PLAIN) is None


def test_silence_is_a_timeout_whoever_ended_the_attempt() -> None:
    for outcome in (Outcome.LOST_RACE, Outcome.CLIENT_GONE):
        assert evidence_of(outcome, None, **{**PLAIN, "silent": True}) is Outcome.TIMEOUT


def test_a_request_counts_once_but_each_trial_has_its_verdict() -> None:
    assert found(Outcome.SERVER_ERROR, counted=True) is None
    assert found(Outcome.SERVER_ERROR, counted=True, trial=True) is Outcome.SERVER_ERROR


def test_a_forced_attempt_is_none_but_for_what_takes_effect_at_once() -> None:
    assert found(Outcome.SERVER_ERROR, last_resort=True) is None
    assert found(Outcome.RATE_LIMITED, last_resort=True) is Outcome.RATE_LIMITED
    assert found(Outcome.AUTH_FAILED, counted=True) is Outcome.AUTH_FAILED
