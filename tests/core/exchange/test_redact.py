"""What a vendor says, without the key that it was sent."""

from __future__ import annotations

import pytest

from pilotfish.core.exchange.redact import redact, redact_error, secrets_in
from pilotfish.core.formats.error_info import ErrorInfo
from planted import planted

KEY = planted().encode()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ((b"authorization", b"Bearer " + KEY), b"no such key: " + KEY),
        ((b"x-api-key", KEY), b'{"error": "' + KEY + b" and again " + KEY + b'"}'),
        ((b"authorization", b"Basic " + KEY), KEY),
        (
            (b"x-amz-security-token", b"hush+a/b=="),
            rb'{"message": "hush+a\/b== has expired, hush+a/b== too"}',
        ),
        (
            (
                b"authorization",
                b"AWS4-HMAC-SHA256 Credential=AKIDhush/2026/x, SignedHeaders=host, Signature=0123",
            ),
            b"AKIDhush may not",
        ),
    ],
)
def test_a_quoted_key_is_left_out_however_it_is_written(header, said):
    told = redact(said, secrets_in([header]))
    assert b"hush" not in told
    assert b"[key]" in told


def test_what_is_too_short_to_be_a_key_may_be_any_word():
    assert (
        redact(
            b"what a word", secrets_in([(b"x-api-key", b"word"), (b"authorization", b"Bearer a")])
        )
        == b"what a word"
    )


def test_a_key_that_is_the_beginning_of_another_does_not_leave_its_end_behind():
    secrets = secrets_in([(b"x-api-key", KEY), (b"authorization", b"Bearer " + KEY + b"-and-more")])
    assert redact(KEY + b"-and-more", secrets) == b"[key]"


def test_an_error_that_was_read_is_told_without_it_and_else_as_it_was():
    error = ErrorInfo(
        message=f"{KEY.decode()} caf\u00e9 \ud800",
        type=KEY.decode(),
        code=KEY.decode(),
        status=400,
        wait_s=2.0,
        failed_generation=f"f({KEY.decode()})",
    )
    assert redact_error(error, secrets_in([(b"x-api-key", KEY)])) == ErrorInfo(
        message="[key] caf\u00e9 \ud800",
        type="[key]",
        code="[key]",
        status=400,
        wait_s=2.0,
        failed_generation="f([key])",
    )
