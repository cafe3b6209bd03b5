"""A beaten trial runs on, unseen, for its service's sake."""

import pytest

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.proxy.unseen_trial import UnseenTrial


class Attempt:
    """Stands in for an attempt: what it is told, and nothing behind it."""

    def __init__(self):
        self.over, self.changes, self.told = False, ["changed"], []
        self.reader = self

    def detach(self, listener):
        self.listener = listener

    def cancel(self, outcome, now):
        self.over = True
        self.told.append(outcome)

    def tick(self, now):
        self.told.append("tick")


@pytest.fixture
def world():
    attempt, ended = Attempt(), []
    trial = UnseenTrial(attempt, 30.0, lambda one, changes: ended.append(changes))
    return attempt, trial, ended


def test_its_first_content_is_verdict_enough(world):
    attempt, trial, ended = world
    trial.on_first_token(attempt, 12.0)
    assert (attempt.told, ended) == ([Outcome.LOST_RACE], [["changed"]])


def test_a_failure_or_a_whole_answer_ends_it(world):
    attempt, trial, ended = world
    failure = Failure(outcome=Outcome.SERVER_ERROR, status=500, message="")
    trial.on_failure(attempt, failure, 3.0)
    trial.on_complete(attempt, 3.0)
    assert len(ended) == 2


def test_it_is_given_up_at_its_deadline_which_is_a_timeout(world):
    attempt, trial, ended = world
    trial.tick(29.9)
    assert (attempt.told, ended) == (["tick"], [])
    trial.tick(30.0)
    assert attempt.told[-1] is Outcome.TIMEOUT
    assert len(ended) == 1


def test_nobody_reads_what_it_says(world):
    attempt, trial, ended = world
    trial.on_data(b"words", 1.0)
    assert (attempt.told, ended) == ([], [])
