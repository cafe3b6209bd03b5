"""What a vendor says, without the key that it was sent."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from urllib.parse import quote, unquote_to_bytes

import pytest

from pilotfish.core.exchange.redact import redact, redact_error, redact_headers, secrets_in
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


ODD = b"sk-hush+a=b/c.d_e~f"


def spellings() -> dict[str, bytes]:
    """One key in the forms in which vendors, gateways and web servers quote it."""
    escaped = b"".join(b"\\u%04X" % c if not chr(c).isalnum() else b"%c" % c for c in ODD)
    return {
        "as JSON escapes it": escaped,
        "in lower case": escaped.replace(b"002B", b"002b"),
        "every letter": b"".join(b"\\u%04x" % c for c in ODD),
        "JSON in JSON": escaped.replace(b"\\", b"\\\\"),
        "a slash alone": ODD.replace(b"/", b"\\/"),
        "as URLs do": quote(ODD, safe="").encode(),
        "in lower case, too": quote(ODD, safe="").lower().encode(),
        "twice": quote(quote(ODD, safe=""), safe="").encode(),
        "as HTML does": ODD.replace(b"+", b"&#43;").replace(b"=", b"&#x3D;"),
        "as shells do": ODD.replace(b"=", b"\\x3d"),
        "in base64": b64encode(ODD),
        "behind a name": b64encode(b"user:" + ODD + b":x"),
        "in base64 of URLs": urlsafe_b64encode(b"\xff" + ODD),
    }


@pytest.mark.parametrize("spelling", spellings())
def test_a_key_is_left_out_in_whatever_spelling(spelling: str) -> None:
    said = spellings()[spelling]
    told = redact(b'{"error": "the key ' + said + b' is wrong"}', [ODD])
    assert b"[key]" in told
    assert b"hush" not in unquote_to_bytes(told)
    for word in re.findall(rb"[\w+/=-]{6,}", told):
        assert b"hush" not in b64decode(word + b"=" * (-len(word) % 4), validate=False)


@pytest.mark.parametrize("spelling", spellings())
def test_a_header_gives_no_key_away_on_a_good_answer_either(spelling: str) -> None:
    debugged = b"authorization: Bearer " + spellings()[spelling]
    headers = [(b"x-debug-request", debugged), (b"x-other", b"50% of it & more \\")]
    cleaned = redact_headers(headers, ((b"authorization", b"Bearer " + ODD),))
    assert b"[key]" in dict(cleaned)[b"x-debug-request"]
    assert dict(cleaned)[b"x-other"] == b"50% of it & more \\"


def test_headers_without_a_key_are_the_same_list() -> None:
    headers = [(b"x-ratelimit-remaining-requests", b"99"), (b"content-type", b"text/event-stream")]
    assert redact_headers(headers, ((b"x-api-key", ODD),)) is headers
    assert redact_headers(headers, ()) is headers


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
