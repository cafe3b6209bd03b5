"""How long an upstream asks to be left alone: every form that vendors use, and everything that only
looks like one.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.state.retry_after import duration, value_of, wait_hint, wait_in_text, when

# 2015-10-21T07:28:00Z
NOW = 1445412480.0


def hint(*headers: tuple[str, str], **more: object) -> float | None:
    return wait_hint(
        [(name.encode(), value.encode("latin-1")) for name, value in headers], NOW, **more
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "",
        "nan",
        "inf",
        "1e9",
        "1_0",
        "\xb2",
        "99999999999999999",
        "Mon, 99 Foo",
        "12 parsecs",
        "--5",
        "m",
        ".",
    ],
)
def test_garbage_is_passed_over_and_the_next_hint_speaks(value):
    assert hint(("retry-after", value)) is None
    assert hint(("retry-after", value), ("x-ratelimit-reset", "7")) == 7.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("20", 20.0),
        ("1.5", 1.5),
        ("0", 0.0),
        (" 3 ", 3.0),
        ("-5", 0.0),
        ("-5s", 0.0),
        ("6ms", 0.006),
        ("1m2.5s", 62.5),
        ("2m59.56s", 179.56),
        ("1h", 3600.0),
        ("1d2h", 93600.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:27:30 GMT", 0.0),
        ("2015-10-21T07:29:00Z", 60.0),
        ("2015-10-21T09:29:00+02:00", 60.0),
        ("2015-10-21T07:29:00", 60.0),
        ("1445412490", 10.0),
        ("1445412490500", 10.5),
        ("1445412000", 0.0),
    ],
)
def test_every_form_of_a_time_is_read(value, seconds):
    assert when(value, NOW) == pytest.approx(seconds)


def test_hints_are_read_in_order():
    """The first that can be read wins, however the headers are ordered."""
    everything = [
        ("anthropic-ratelimit-tokens-reset", "2015-10-21T07:28:04Z"),
        ("x-ratelimit-reset", "3"),
        ("retry-after", "2"),
        ("retry-after-ms", "1000"),
    ]
    found = []
    while everything:
        found.append(hint(*everything, in_body=5.0, message="try again in 6s"))
        everything.pop()
    found.append(hint(in_body=5.0, message="try again in 6s"))
    found.append(hint(message="try again in 6s"))
    assert found == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_a_reset_counts_only_for_the_limit_that_is_used_up():
    headers = [
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "2s"),
        ("x-ratelimit-remaining-tokens", "100"),
        ("x-ratelimit-reset-tokens", "50s"),
    ]
    assert hint(*headers) == 2.0
    assert hint(*[h for h in headers if "remaining" not in h[0]]) == 50.0


def test_anthropics_resets_count_for_the_limit_that_is_used_up_too():
    assert (
        hint(
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", "2015-10-21T07:28:10Z"),
            ("anthropic-ratelimit-requests-remaining", "5"),
            ("anthropic-ratelimit-requests-reset", "2015-10-21T07:29:00Z"),
        )
        == 10.0
    )


def test_a_hint_in_the_body_is_never_negative_nor_infinite():
    assert hint(in_body=-3.0) == 0.0
    assert hint(in_body=float("inf")) is None


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        (
            "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000. Please try again in 2s.",
            2.0,
        ),
        ("Please try again in 1m2.5s. Visit the page", 62.5),
        ("Please try again in 6ms.", 0.006),
        ("Please retry in 35.264s.", 35.264),
        ("Please retry after 14 seconds.", 14.0),
        ("Try again in 3 minutes", 180.0),
        ("wait for 10 seconds before", 10.0),
        ("Please wait 10 seconds", 10.0),
        ("try again in 250 ms", 0.25),
        ("Try again in 22h33m12s", 81192.0),
        ("try again in 5 requests", None),
        ("try again later", None),
        ("the limit is 20s per request", None),
        ("", None),
    ],
)
def test_waits_in_words(message, seconds):
    assert wait_in_text(message) == (pytest.approx(seconds) if seconds is not None else None)


def test_a_long_message_is_not_searched_without_end():
    assert wait_in_text("x" * 5000 + " try again in 2s") is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_makes_a_parser_fail_or_answer_below_zero(value, message):
    got = wait_hint(
        [(b"retry-after", value.encode()), (b"x-ratelimit-reset-a", value.encode())],
        NOW,
        None,
        message,
    )
    assert got is None or got >= 0


def test_an_empty_duration_is_none():
    assert duration("") is None
    assert duration("-") is None


def test_a_header_is_found_by_its_lower_case_name():
    assert value_of([(b"a", b"1"), (b"b", b" 2 "), (b"b", b"3")], b"b") == "2"
    assert value_of([], b"b") is None
