"""Requests that hang, before they end."""

from __future__ import annotations

import pytest

from pilotfish.admin.in_flight import LATE_S, LISTED, late_requests, oldest_by_service
from telemetry.rules import STARTED, attempt, request, rule, snapshot

RULE = snapshot(rule("chat", "p/m", "q/m")).rules[0]
P, Q = RULE.services
NOW = STARTED + 60.0


def under_way(service, **fields):
    """An attempt that nothing has come of yet."""
    given = {"head_at": 0.0, "first_at": 0.0, "last_at": 0.0, "over_at": 0.0, **fields}
    return attempt(service, None, **given)


def test_a_request_that_is_being_answered_is_not_late():
    assert late_requests([request(RULE, under_way(P, last_at=NOW - 1.0))], NOW) == {
        "count": 0,
        "requests": [],
    }


def test_a_request_that_hears_nothing_is_late_with_its_rule_service_and_age():
    found = late_requests([request(RULE, under_way(P, began=STARTED + 1.0))], NOW)
    assert found["count"] == 1
    (late,) = found["requests"]
    assert (late["rule"], late["model"], late["age_s"], late["silent_s"]) == (
        "chat",
        "ask-chat",
        60.0,
        60.0,
    )
    assert late["answering"] is False
    assert late["attempts"] == [
        {"service": "p/m", "age_s": 59.0, "waits_for": "the head of its answer"}
    ]


@pytest.mark.parametrize(
    ("fields", "stream", "words"),
    [
        ({"sent_at": 0.0}, True, "a connection"),
        ({}, True, "the head of its answer"),
        ({}, False, "its answer"),
        ({"head_at": STARTED + 1}, True, "its first content"),
        ({"head_at": STARTED + 1, "last_at": STARTED + 2}, True, "more content"),
    ],
)
def test_what_it_waits_for_is_said(fields, stream, words):
    (late,) = late_requests([request(RULE, under_way(P, **fields), stream=stream)], NOW)["requests"]
    assert late["attempts"][0]["waits_for"] == words


def test_a_stream_that_stalled_in_its_middle_is_late_since_its_last_content():
    stalled = under_way(P, head_at=STARTED + 1, last_at=NOW - LATE_S - 1, relayed=True)
    (late,) = late_requests([request(RULE, stalled)], NOW)["requests"]
    assert (late["silent_s"], late["answering"]) == (LATE_S + 1, True)


def test_attempts_that_are_over_are_not_waited_for():
    made = request(RULE, attempt(P, relayed=False, last_at=0.0), under_way(Q))
    (late,) = late_requests([made], NOW)["requests"]
    assert [a["service"] for a in late["attempts"]] == ["q/m"]


def test_the_longest_come_first_and_a_crowd_is_counted_whole():
    crowd = [request(RULE, under_way(P), started=STARTED + n) for n in range(LISTED + 10)]
    found = late_requests(crowd, NOW)
    assert (found["count"], len(found["requests"])) == (LISTED + 10, LISTED)
    assert [late["age_s"] for late in found["requests"][:2]] == [60.0, 59.0]


def test_the_oldest_of_a_service_is_of_those_under_way():
    records = [
        request(RULE, attempt(P, began=STARTED - 100), under_way(P, began=STARTED + 9)),
        request(RULE, under_way(P, began=STARTED + 3), under_way(Q, began=STARTED + 5)),
    ]
    assert oldest_by_service(records) == {("p", "m"): STARTED + 3, ("q", "m"): STARTED + 5}
