"""What a request cost, told in its line of the log: never $0 where nobody knows the price."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Outcome
from pilotfish.telemetry.access_log import line_of
from pilotfish.telemetry.record import cost_of_attempts
from telemetry.rules import attempt, request, rule, snapshot

PRICED, UNPRICED = (
    snapshot(rule("chat", "p/m", "q/m", race={"strategy": "first_wins"})).rules[0].services
)
RULE = snapshot("chat").rules[0]
USAGE = Usage(input=100, output=10)


def line(*attempts):
    return line_of(request(RULE, *attempts))


def test_a_model_without_a_price_is_not_said_to_cost_nothing():
    told = line(attempt(UNPRICED, usage=USAGE))
    assert (told["cost_usd"], told["unit_price_source"]) == (None, "unpriced")


def test_a_priced_one_says_where_its_price_is_from():
    told = line(attempt(PRICED, usage=USAGE, cost_usd=0.25))
    assert (told["cost_usd"], told["unit_price_source"]) == (0.25, "rules")


def test_what_took_no_tokens_costs_nothing_whatever_its_price():
    for service in (PRICED, UNPRICED):
        told = line(attempt(service, Outcome.CONNECT_FAILED, usage=None, relayed=False))
        assert (told["cost_usd"], told["unit_price_source"]) == (0.0, None)


def test_losers_cost_too_and_each_attempt_says_what():
    told = line(
        attempt(PRICED, usage=USAGE, cost_usd=0.25),
        attempt(PRICED, Outcome.LOST_RACE, usage=USAGE, cost_usd=0.125, relayed=False),
    )
    assert told["cost_usd"] == pytest.approx(0.375)
    assert [a["cost_usd"] for a in told["attempts"]] == [0.25, 0.125]


def test_a_part_that_nobody_knows_is_said_beside_the_part_that_is_known():
    known = attempt(PRICED, usage=USAGE, cost_usd=0.25)
    unknown = attempt(UNPRICED, Outcome.LOST_RACE, usage=USAGE, relayed=False)
    assert cost_of_attempts([known, unknown]) == (0.25, "unpriced")
    assert cost_of_attempts([unknown, unknown]) == (None, "unpriced")
    assert [a["cost_usd"] for a in line(known, unknown)["attempts"]] == [0.25, None]
