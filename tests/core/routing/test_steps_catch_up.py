"""The machine takes over from a first attempt that was begun without it, and goes on as if it had
begun that attempt itself."""

import math

import pytest

from core.routing.playbook import House, failure, short
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.routing.commands import BreakStream, Done, Relay, StartAttempt
from pilotfish.core.routing.dispatch import Dispatch


def taken_over(house, *, began=0.0, relayed=False, may_double=True):
    plan = house.plan()
    first = plan.next(began)
    assert first is not None
    dispatch = Dispatch(plan, deadline=600.0, streams=True, may_double=may_double)
    dispatch.catch_up(first, began, relayed=relayed)
    return dispatch


def started(commands):
    return [short(c.candidate.service) for c in commands if isinstance(c, StartAttempt)]


def test_after_a_failure_the_next_service_is_asked_as_a_fallback():
    dispatch = taken_over(House("a@0 b@1"))
    commands = dispatch.on_failure(0, failure(Outcome.AUTH_FAILED), 1.0)
    assert started(commands) == ["b"]
    assert (dispatch.attempts, dispatch.retries, dispatch.fallbacks) == (2, 0, 1)


def test_a_service_that_failed_once_is_asked_again_as_a_retry_while_no_other_is_there():
    dispatch = taken_over(House("a"))
    dispatch.on_failure(0, failure(Outcome.OVERLOADED), 1.0)
    assert started(dispatch.on_timer(10.0)) == ["a"]
    assert (dispatch.retries, dispatch.fallbacks) == (1, 0)


def test_silence_is_looked_at_from_the_attempts_own_beginning():
    dispatch = taken_over(House("a@0 b@1"), began=5.0)
    patience = dispatch.look_at - 5.0
    assert 0.0 < patience < math.inf
    assert dispatch.on_tick(5.0 + patience / 2) == []
    assert started(dispatch.on_tick(5.0 + 2 * patience)) == ["b"]


@pytest.mark.parametrize("options", [{"relayed": True}, {"may_double": False}])
def test_nobody_is_asked_beside_what_is_shown_already_or_may_not_run_twice(options):
    assert taken_over(House("a@0 b@1"), **options).look_at == math.inf


def test_what_was_not_relayed_yet_wins_when_it_has_something_to_show():
    dispatch = taken_over(House("a@0 b@1"))
    assert dispatch.on_first_token(0, 1.0) == [Relay(0)]
    assert dispatch.on_complete(0, 2.0) == [Done(0)]


def test_what_was_relayed_ends_or_breaks():
    assert taken_over(House("a"), relayed=True).on_complete(0, 2.0) == [Done(0)]
    broken = failure(Outcome.BROKEN_STREAM)
    assert taken_over(House("a"), relayed=True).on_failure(0, broken, 2.0) == [BreakStream(broken)]
