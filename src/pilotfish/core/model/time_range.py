"""The time of day as a condition of smart routing: `{"start": "22:00", "end": "06:00", "timezone":
"Europe/Berlin", "outside": false}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_KEYS = ("start", "end", "timezone", "outside")
_EXAMPLE = '{"start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"}'


def time_range(text: str) -> tuple[Callable[[float], bool], Callable[[float], str]]:
    """Two functions of an epoch time in seconds: whether it lies in the range, and the local time
    in words.

    The start belongs to the range, the end does not; a range whose end is before its start spans
    midnight. Without a time zone UTC is meant. Raises `ValueError` for text that is not such a
    range.
    """
    given = _object(text)
    start, end = _minutes(given, "start"), _minutes(given, "end")
    if start == end:
        raise ValueError(f"start and end are both {given['start']!r}, which leaves no time at all")
    zone = _zone(given.get("timezone", "UTC"))
    outside = given.get("outside", False)
    if not isinstance(outside, bool):
        raise ValueError(f"'outside' must be true or false, found {outside!r}")

    def inside(now: float) -> bool:
        local = datetime.fromtimestamp(now, zone)
        minute = local.hour * 60 + local.minute
        within = start <= minute < end if start < end else minute >= start or minute < end
        return within is not outside

    return inside, lambda now: f"{datetime.fromtimestamp(now, zone):%H:%M} in {zone.key}"


def _object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"expected JSON such as {_EXAMPLE}, found {text[:80]!r}") from None
    if not isinstance(given, dict):
        raise ValueError(f"expected JSON such as {_EXAMPLE}, found {text[:80]!r}")
    unknown = [key for key in given if key not in _KEYS]
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; known: {', '.join(_KEYS)}")
    return given


def _minutes(given: dict[str, Any], key: str) -> int:
    value = given.get(key)
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{key!r} must be a time such as "06:30", found {value!r}')
    return int(match[1]) * 60 + int(match[2])


def _zone(name: object) -> ZoneInfo:
    try:
        if isinstance(name, str) and name:
            return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        pass  # a path out of the database, a name that is not in it, a directory of it
    raise ValueError(
        f"unknown time zone {name!r}; expected a name such as 'Europe/Berlin' or 'UTC'"
    )
