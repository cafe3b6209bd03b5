"""Google's errors, read with their reasons and hints, and written for Google's clients."""

from __future__ import annotations

import json

import pytest
from google.genai import errors as genai_errors

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.styles.google import STYLE
from pilotfish.styles.google.errors import STATUSES, word_for

QUOTA = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota. Please retry in 47.4s.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "45.837906927s"},
        ],
    }
}


def test_how_long_to_wait_is_read_to_the_fraction():
    """Whole seconds alone would miss nearly every real delay."""
    error = STYLE.read_error(429, json.dumps(QUOTA).encode())
    assert (error.type, error.status, error.wait_s) == ("RESOURCE_EXHAUSTED", 429, 45.837906927)


def test_without_details_the_sentence_says_how_long():
    body = {"error": QUOTA["error"] | {"details": []}}
    assert STYLE.read_error(429, json.dumps(body).encode()).wait_s == 47.4


def test_an_error_in_a_list_is_the_same_error():
    """That is how it comes where an array was to be streamed."""
    assert STYLE.read_error(429, json.dumps([QUOTA]).encode()) == STYLE.read_error(
        429, json.dumps(QUOTA).encode()
    )


def test_a_wrong_key_is_told_from_other_bad_arguments_by_its_reason():
    body = {
        "error": {
            "code": 400,
            "message": "API key not valid.",
            "status": "INVALID_ARGUMENT",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            ],
        }
    }
    error = STYLE.read_error(400, json.dumps(body).encode())
    assert (error.type, error.code) == ("INVALID_ARGUMENT", "API_KEY_INVALID")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b"null",
        b"[]",
        b"[1]",
        b'{"error":{"details":7}}',
        b'{"error":"no"}',
    ],
)
def test_any_body_gives_an_error_with_its_status(body):
    error = STYLE.read_error(503, body)
    assert error.status == 503
    assert error.message


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (404, "NOT_FOUND"),
        (418, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (502, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (529, "UNAVAILABLE"),
        (None, "INTERNAL"),
    ],
)
def test_every_status_has_a_word(status, word):
    assert word_for(status) == word


def test_another_vendors_error_is_reworded_and_keeps_its_hint():
    body = json.loads(
        STYLE.write_error(429, ErrorInfo(message="slow down", type="rate_limit_error", wait_s=20.0))
    )
    assert body["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert STYLE.read_error(429, json.dumps(body).encode()).wait_s == 20.0
    with pytest.raises(genai_errors.ClientError, match="slow down") as caught:
        raise genai_errors.ClientError(429, body)
    assert caught.value.status == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("word", STATUSES)
def test_googles_own_words_stay(word):
    body = STYLE.write_error(STATUSES[word], ErrorInfo(message="m", type=word))
    assert STYLE.read_error(STATUSES[word], body).type == word


def test_an_error_event_is_one_of_the_stream():
    event = STYLE.error_event(ErrorInfo(message="broke", status=503))
    assert STYLE.stream_reader().feed(event)[0].error.type == "UNAVAILABLE"


@pytest.mark.parametrize("first", [True, False])
def test_an_error_closes_an_array(first):
    event = STYLE.error_event(ErrorInfo(message="broke", status=503), array=True, first=first)
    found = json.loads(event if first else b"[{}" + event)
    assert found[-1]["error"]["code"] == 503


def test_a_status_word_nobody_knows_leaves_the_code():
    error = (
        STYLE.stream_reader()
        .feed(b'data: {"error":{"code":503,"status":"NEW","message":"m","details":[7]}}\n\n')[0]
        .error
    )
    assert (error.status, error.type) == (503, "NEW")
