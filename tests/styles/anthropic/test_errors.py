"""Errors in Anthropic's words."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.style import ERROR, TERMINAL
from pilotfish.styles import get
from pilotfish.styles.anthropic.errors import STATUSES, type_for


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "invalid_request_error"),
        (418, "invalid_request_error"),
        (503, "overloaded_error"),
        (529, "overloaded_error"),
        (502, "api_error"),
        (504, "timeout_error"),
        (None, "api_error"),
    ],
)
def test_every_status_has_a_type(status, word):
    assert type_for(status) == word


def test_another_vendors_type_becomes_the_statuss_own():
    body = json.loads(
        get("anthropic").write_error(429, ErrorInfo(message="m", type="insufficient_quota"))
    )
    assert body == {"type": "error", "error": {"type": "rate_limit_error", "message": "m"}}


@pytest.mark.parametrize("word", STATUSES)
def test_its_own_types_are_kept(word):
    style = get("anthropic")
    assert (
        style.read_error(
            STATUSES[word], style.write_error(500, ErrorInfo(message="m", type=word))
        ).type
        == word
    )


def test_an_error_event_is_an_error_to_a_watcher_and_no_end():
    style = get("anthropic")
    inspector = style.inspector()
    bits = inspector.event(style.error_event(ErrorInfo(message="m", status=529)))
    assert bits & ERROR
    assert not bits & TERMINAL
    assert (inspector.error.type, inspector.error.status) == ("overloaded_error", 529)
