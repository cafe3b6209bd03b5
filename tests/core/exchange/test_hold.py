from __future__ import annotations

from types import SimpleNamespace

import pytest

from pilotfish.core.exchange.hold import (
    CANNED_HOLD_S,
    HOLD_BYTES,
    HOLD_EVENTS,
    is_for_the_client,
)


def stream(contents: int = 0, events: int = 0, *, declined: bool = False, canned: bool = False):
    return SimpleNamespace(
        contents=contents, events=events, declined=declined, may_be_canned=canned
    )


@pytest.mark.parametrize(
    ("of", "shown"),
    [
        (stream(), False),
        (stream(contents=1, events=1), True),
        (stream(events=HOLD_EVENTS), False),
        (stream(events=HOLD_EVENTS + 1), True),
        (stream(events=HOLD_EVENTS + 1, declined=True), False),
    ],
)
@pytest.mark.parametrize("refusals_matter", [True, False])
def test_a_stream_is_held_until_it_has_content_or_says_too_much(of, shown, refusals_matter):
    assert is_for_the_client(of, 0, 0.0, refusals_matter=refusals_matter) is shown


def test_more_than_the_most_is_never_held():
    assert not is_for_the_client(stream(), HOLD_BYTES, 0.0, refusals_matter=True)
    assert is_for_the_client(stream(), HOLD_BYTES + 1, 0.0, refusals_matter=True)


def test_what_may_be_a_guardrails_own_text_waits_where_another_would_take_over():
    words = stream(contents=1, events=1, canned=True)
    assert is_for_the_client(words, 9, 0.0, refusals_matter=False)
    assert not is_for_the_client(words, 9, CANNED_HOLD_S - 0.01, refusals_matter=True)
    assert is_for_the_client(words, 9, CANNED_HOLD_S, refusals_matter=True)
