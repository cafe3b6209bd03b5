"""Errors in OpenAI's words."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.style import ERROR, TERMINAL
from pilotfish.styles import get
from pilotfish.styles.openai.errors import status_for, type_for


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "invalid_request_error"),
        (418, "invalid_request_error"),
        (401, "authentication_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (502, "server_error"),
        (529, "service_unavailable_error"),
        (None, "server_error"),
    ],
)
def test_every_status_has_a_type(status, word):
    assert type_for(status) == word


@pytest.mark.parametrize("style", ["openai", "openai_responses"])
def test_another_vendors_words_are_kept_where_openai_has_no_list_of_them(style):
    body = json.loads(get(style).write_error(529, ErrorInfo(message="m", type="overloaded_error")))
    assert body == {
        "error": {"message": "m", "type": "overloaded_error", "param": None, "code": None}
    }


def test_what_is_written_is_read_back():
    style = get("openai")
    error = ErrorInfo(message="m", type="t", code="c", status=429, failed_generation="f(")
    assert style.read_error(429, style.write_error(429, error)) == error


def test_an_error_event_is_an_error_to_a_watcher_and_no_end():
    style = get("openai")
    inspector = style.inspector()
    bits = inspector.event(style.error_event(ErrorInfo(message="m", code="rate_limit_exceeded")))
    assert bits & ERROR
    assert not bits & TERMINAL
    assert inspector.error.status == 429


def test_a_status_is_known_by_code_then_by_type():
    assert status_for(ErrorInfo(message="", code="insufficient_quota", type="x")) == 429
    assert status_for(ErrorInfo(message="", code="x", type="invalid_request_error")) == 400
    assert status_for(ErrorInfo(message="", code="x")) is None
