"""Bedrock's errors, whose names are in a header, in the body or in a frame."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import EventStreamError
from botocore.parsers import create_parser

from bedrock_wire import events, exception, operation, parsed_stream
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.styles.bedrock import STYLE
from pilotfish.styles.bedrock.errors import STATUSES, bare_type, frame_error, type_for


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"[]", b'{"message":7}', b'{"message":null}']
)
def test_any_body_gives_an_error_with_its_status(body):
    error = STYLE.read_error(503, body)
    assert (error.status, error.type) == (503, "ServiceUnavailableException")
    assert error.message


def test_the_header_names_the_exception():
    error = STYLE.read_error(
        429, b'{"message":"wait"}', "ModelNotReadyException:http://internal.amazon.com/coral/"
    )
    assert (error.type, error.code, error.message) == (
        "ModelNotReadyException",
        "ModelNotReadyException",
        "wait",
    )


@pytest.mark.parametrize(
    "body",
    [
        {"__type": "com.amazon.coral#AccessDeniedException", "Message": "no"},
        {"code": "AccessDeniedException", "message": "no"},
    ],
)
def test_without_the_header_the_body_may(body):
    error = STYLE.read_error(403, json.dumps(body).encode())
    assert (error.type, error.message) == ("AccessDeniedException", "no")


def test_without_both_the_status_does():
    assert STYLE.read_error(429, b'{"message":"wait"}').type == "ThrottlingException"


@pytest.mark.parametrize(("given", "expected"), [("a#X:http://b", "X"), ("X", "X"), ("", "")])
def test_names_are_bare(given, expected):
    assert bare_type(given) == expected


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "ValidationException"),
        (401, "AccessDeniedException"),
        (413, "ValidationException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (502, "InternalServerException"),
        (504, "ModelTimeoutException"),
        (529, "ServiceUnavailableException"),
        (None, "InternalServerException"),
    ],
)
def test_every_status_has_an_exception(status, name):
    assert type_for(status) == name


@pytest.mark.parametrize("name", STATUSES)
def test_boto_reads_the_exceptions_that_are_written(name):
    body = STYLE.write_error(STATUSES[name], ErrorInfo(message="m", type=name))
    parsed = create_parser("rest-json").parse(
        {"status_code": STATUSES[name], "headers": {}, "body": body},
        operation("Converse").output_shape,
    )
    assert parsed["Error"] == {"Code": name, "Message": "m"}


def test_another_vendors_error_gets_bedrocks_name():
    assert (
        json.loads(STYLE.write_error(429, ErrorInfo(message="m", type="rate_limit_error")))[
            "__type"
        ]
        == "ThrottlingException"
    )


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "validationException"),
        (404, "validationException"),
        (424, "modelStreamErrorException"),
        (429, "throttlingException"),
        (500, "internalServerException"),
        (503, "serviceUnavailableException"),
        (529, "serviceUnavailableException"),
        (None, "internalServerException"),
    ],
)
def test_boto_raises_what_a_stream_can_say(status, name):
    frame = STYLE.error_event(ErrorInfo(message="m", status=status))
    assert events(frame) == [(name, {"message": "m"})]
    (parsed,) = parsed_stream(frame)
    assert EventStreamError(parsed, "ConverseStream").response["Error"] == {
        "Code": name,
        "Message": "m",
    }


def test_a_frames_exception_has_the_status_it_would_have_had():
    ((_, payload),) = events(exception("throttlingException", "slow down, retry in 3s"))
    error = frame_error("throttlingException", json.dumps(payload).encode())
    assert (error.type, error.status, error.wait_s) == ("ThrottlingException", 429, 3.0)
    assert frame_error("newException", b"{}").status == 500
