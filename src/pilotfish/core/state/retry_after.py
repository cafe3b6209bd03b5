"""Parses the retry-after that an upstream gives, in every form that vendors use: headers, a field
of the error body, words in the error message.

Durations are in seconds. A hint that cannot be parsed is skipped, so that the next one counts; a
time that has passed gives 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime

Headers = Iterable[tuple[bytes, bytes]]

# A bare number from EPOCH_S on (three years as a duration) is an epoch time in seconds; from
# EPOCH_MS on, in milliseconds.
EPOCH_S = 1e8
EPOCH_MS = 1e11

# Longer waits, which only a broken or hostile vendor asks for, are taken for this one: a year.
LONGEST_S = 366 * 86400.0

# ASCII only, since float() also takes '1_0', 'infinity' and the digits of other alphabets.
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})")
_DURATION = re.compile(
    r"(?=[0-9.])(?:(?P<d>[0-9]{1,9})d)?(?:(?P<h>[0-9]{1,9})h)?"
    r"(?:(?P<m>[0-9]{1,9}(?:\.[0-9]{1,9})?)m(?!s))?"
    r"(?:(?P<s>[0-9]{1,9}(?:\.[0-9]{1,9})?)s)?(?:(?P<ms>[0-9]{1,9}(?:\.[0-9]{1,9})?)ms)?"
)
_UNIT_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
# Seen: "try again in 20s", "retry after 14 seconds", "Please retry in 1m2.5s", "wait 6ms", "within
# 3 minutes".
_IN_TEXT = re.compile(
    r"\b(?:(?:again|retry|retrying|wait|available|resets?)\b[a-z ,]{0,24}?"
    r"\b(?:in|after|for|within)|wait)\s+(?:at least |about |another )?"
    r"(?:(?P<compact>(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|[dhms])){1,5})(?![a-z0-9])"
    r"|(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?) ?(?P<unit>milli|ms|sec|min|hour))",
    re.IGNORECASE,
)
_WORDS_S = {"milli": 0.001, "ms": 0.001, "sec": 1.0, "min": 60.0, "hour": 3600.0}
_LONGEST_TEXT = 4096


def value_of(headers: Headers, name: bytes) -> str | None:
    """The first value of a header, by its lower-case name; None if it is absent."""
    for known, value in headers:
        if known == name:
            return value.decode("latin-1").strip()
    return None


def wait_hint(
    headers: Headers,
    now_wall: float,
    in_body: float | None = None,
    message: str = "",
    *,
    resets: bool = True,
) -> float | None:
    """Seconds to wait, from the first hint that can be parsed; None if there is none.

    Order: `retry-after-ms`, `retry-after`, `x-ratelimit-reset*`, `anthropic-ratelimit-*-reset`,
    `in_body` (the field of the error body that the style read), the words of `message`. `now_wall`:
    epoch seconds. `resets`: whether the reset headers count. Vendors send them with every response,
    so they are a retry-after only where a limit was hit.
    """
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name.startswith((b"retry-after", b"x-ratelimit-", b"anthropic-ratelimit-")):
            found.setdefault(name, value.decode("latin-1").strip())
    if found:
        wait = _milliseconds(found.get(b"retry-after-ms"))
        if wait is None:
            wait = when(found.get(b"retry-after", ""), now_wall)
        if wait is None and resets:
            wait = _reset(found, b"x-ratelimit-reset", b"", now_wall)
        if wait is None and resets:
            wait = _reset(found, b"anthropic-ratelimit-", b"-reset", now_wall)
        if wait is not None:
            return wait
    if in_body is not None and math.isfinite(in_body):
        return _bounded(in_body)
    return wait_in_text(message)


def when(text: str, now_wall: float) -> float | None:
    """Seconds from `now_wall` until the time that a header value gives: a number of seconds, an
    epoch time in seconds or milliseconds, a duration such as `1m2.5s`, an RFC 3339 time or an HTTP
    date. None if it is none of these.
    """
    text = text.strip()
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number >= EPOCH_MS:
            return _bounded(number / 1000 - now_wall)
        return _bounded(number - now_wall if number >= EPOCH_S else number)
    seconds = duration(text)
    return seconds if seconds is not None else _until_date(text, now_wall)


def duration(text: str) -> float | None:
    """Seconds of a duration such as `1h2m3.5s`, `6ms` or `1d`; 0 for a negative one, None for text
    that is not a duration.
    """
    if text.startswith("-"):
        return 0.0 if duration(text[1:]) is not None else None
    m = _DURATION.fullmatch(text)
    if m is None or not any(m.groups()):
        return None
    return _bounded(
        sum(float(number) * _UNIT_S[unit] for unit, number in m.groupdict().items() if number)
    )


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), LONGEST_S)


def wait_in_text(message: str) -> float | None:
    """The seconds in the words of an error message: "Please try again in 20s." gives 20.0."""
    m = _IN_TEXT.search(message[:_LONGEST_TEXT])
    if m is None:
        return None
    return (
        duration(m["compact"].lower())
        if m["compact"]
        else _bounded(float(m["number"]) * _WORDS_S[m["unit"].lower()])
    )


def _milliseconds(text: str | None) -> float | None:
    return _bounded(float(text) / 1000) if text is not None and _NUMBER.fullmatch(text) else None


def _until_date(text: str, now_wall: float) -> float | None:
    # Imported on use: few vendors write dates, and this imports many modules.
    from email.utils import parsedate_to_datetime

    try:
        date = datetime.fromisoformat(text) if text[:1].isdigit() else parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)  # both formats mean UTC without a zone
        return _bounded(date.timestamp() - now_wall)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _reset(found: dict[bytes, str], prefix: bytes, suffix: bytes, now_wall: float) -> float | None:
    """Seconds to the latest reset among these headers. If the matching `remaining` headers tell
    which limits are used up, only those count.
    """
    waits = {}
    for name, text in found.items():
        if name.startswith(prefix) and name.endswith(suffix):
            wait = when(text, now_wall)
            if wait is not None:
                waits[name] = wait
    if not waits:
        return None
    used_up = [
        wait
        for name, wait in waits.items()
        if found.get(name.replace(b"reset", b"remaining")) in ("0", "0.0")
    ]
    return max(used_up or waits.values())
