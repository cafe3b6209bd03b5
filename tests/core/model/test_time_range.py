"""The time of day as a condition."""

from __future__ import annotations

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from pilotfish.core.model.time_range import time_range


def at(clock: str, zone: str = "Europe/Berlin", day: str = "2026-06-15") -> float:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo(zone)).timestamp()


def test_a_range_holds_its_start_and_not_its_end() -> None:
    inside, local = time_range('{"start": "09:00", "end": "17:00", "timezone": "Europe/Berlin"}')
    assert [inside(at(t)) for t in ("08:59:59", "09:00", "16:59:59", "17:00")] == [
        False,
        True,
        True,
        False,
    ]
    assert local(at("16:59")) == "16:59 in Europe/Berlin"


def test_a_range_may_go_over_midnight() -> None:
    inside, _ = time_range('{"start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"}')
    assert [inside(at(t)) for t in ("21:59", "22:00", "00:00", "05:59", "06:00")] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_outside_turns_it_round() -> None:
    inside, _ = time_range(
        '{"start": "22:00", "end": "06:00", "timezone": "Europe/Berlin", "outside": true}'
    )
    assert [inside(at(t)) for t in ("23:00", "12:00")] == [False, True]


def test_the_zone_is_utc_where_none_is_given() -> None:
    inside, _ = time_range('{"start": "12:00", "end": "13:00"}')
    assert inside(at("12:30", "UTC"))
    assert not inside(at("12:30", "Europe/Berlin"))


def test_summer_time_moves_the_range_with_the_clocks_of_the_place() -> None:
    inside, _ = time_range('{"start": "08:00", "end": "09:00", "timezone": "America/New_York"}')
    assert inside(at("12:30", "UTC", "2026-07-01"))
    assert inside(at("13:30", "UTC", "2026-12-01"))


GOOD = {"start": "22:00", "end": "06:00", "timezone": "UTC"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"start": "24:00"}, "'start' must be a time"),
        ({"start": "9:00"}, "'start' must be a time"),
        ({"end": 6}, "'end' must be a time"),
        ({"end": None}, "'end' must be a time"),
        ({"end": "22:00"}, "no time at all"),
        ({"timezone": "Mars/Olympus"}, "unknown time zone 'Mars/Olympus'"),
        ({"timezone": "../../etc/passwd"}, "unknown time zone"),
        ({"timezone": "Europe"}, "unknown time zone"),
        ({"timezone": ""}, "unknown time zone"),
        ({"timezone": 3}, "unknown time zone"),
        ({"outside": "yes"}, "'outside' must be true or false"),
        ({"days": "weekend"}, "unknown key 'days'"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        time_range(json.dumps({**GOOD, **change}))


@pytest.mark.parametrize("text", ["", "22:00-06:00", "[]", '{"start"', "[" * 100_000])
def test_a_text_that_is_no_object_shows_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="expected JSON such as"):
        time_range(text)
