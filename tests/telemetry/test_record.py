"""Plain data of requests and attempts."""

import pytest

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Outcome
from pilotfish.telemetry.record import DROPPED_CHARS
from telemetry.rules import attempt, request, snapshot

RULE = snapshot("chat").rules[0]
SERVICE = RULE.services[0]
SOME = Usage(input=10, output=5)


@pytest.mark.parametrize(
    ("usage", "last_at"),
    [(None, 1001.2), (Usage(input=1, output=1), 1001.2), (Usage(output=9), 1000.2)],
)
def test_an_answer_of_one_token_or_of_one_moment_has_no_speed(usage, last_at):
    assert attempt(SERVICE, usage=usage, last_at=last_at).speed() is None


def test_speed_is_tokens_by_the_time_between_first_and_last_content():
    assert attempt(SERVICE, usage=Usage(output=30)).speed() == pytest.approx(30.0)


def test_a_dropped_fields_path_is_cut_where_a_client_made_up_a_long_one():
    made = request(RULE)
    made.note_dropped(("n", "tools." + "x" * 200))
    assert made.dropped_fields[0] == "n"
    assert len(made.dropped_fields[1]) == DROPPED_CHARS + 3
    assert made.dropped_fields[1].endswith("...")


def test_usage_is_that_of_the_attempts_which_the_client_got_something_of():
    lost = attempt(SERVICE, Outcome.LOST_RACE, usage=Usage(input=7))
    failed = attempt(SERVICE, Outcome.SERVER_ERROR, usage=Usage(input=8))
    broke = attempt(SERVICE, Outcome.BROKEN_STREAM, usage=SOME, relayed=True)
    served = attempt(SERVICE, usage=SOME)
    assert request(RULE, failed).usage() is None
    assert request(RULE, served).usage() is SOME
    assert request(RULE, lost, failed, broke, served).usage() == Usage(input=20, output=10)


def test_a_client_that_left_had_what_it_had():
    left = attempt(SERVICE, Outcome.CLIENT_GONE, usage=SOME)
    assert request(RULE, left).usage() == SOME
