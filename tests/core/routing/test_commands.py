"""The commands of the dispatch machine are plain values, told apart by their type."""

from __future__ import annotations

import pytest

from fleet import candidate
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.routing import commands

FAILURE = Failure(outcome=Outcome.TIMEOUT, status=504, message="late")


def test_an_attempt_is_an_ordinary_one_unless_it_says_otherwise() -> None:
    start = commands.StartAttempt(0, candidate("m"))
    assert not any(start[2:])


def test_a_command_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        commands.Relay(0).n = 1  # type: ignore[misc]


def test_every_command_is_of_the_union_that_the_request_path_handles() -> None:
    given = [
        commands.StartAttempt(0, candidate("m")),
        commands.Relay(0),
        commands.Cancel(0, Outcome.LOST_RACE),
        commands.Detach(0),
        commands.WakeAt(1.0),
        commands.ReplyFailure(FAILURE, None),
        commands.BreakStream(FAILURE),
        commands.Done(0),
    ]
    assert [type(c) for c in given] == list(commands.Command.__args__)
