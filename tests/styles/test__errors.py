"""Errors as all vendors word them."""

from __future__ import annotations

import json

import pytest

from pilotfish.styles._errors import error_from, error_from_body, wait_in


class TestABodyThatIsNoError:
    def test_no_body_says_that_there_was_none(self):
        assert error_from_body(502, b"").message == "upstream answered 502 without a body"

    def test_html_is_given_as_it_is_and_cut(self):
        found = error_from_body(503, b"<html>" + b"x" * 10_000)
        assert found.message.startswith("<html>x")
        assert len(found.message) == 500

    def test_bytes_that_are_no_text_do_not_fail(self):
        assert error_from_body(500, b"\xff\xfe").message == "\ufffd\ufffd"


@pytest.mark.parametrize(
    ("body", "message", "kind", "code"),
    [
        ({"error": {"message": "m", "type": "t", "code": "c"}}, "m", "t", "c"),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            "m",
            "overloaded_error",
            "",
        ),
        ({"error": "m"}, "m", "", ""),
        (
            {"object": "error", "message": "m", "type": "BadRequestError", "code": 400},
            "m",
            "BadRequestError",
            "400",
        ),
        ({"detail": "m"}, "m", "", ""),
        ({"detail": [{"loc": ["body"], "msg": "x"}]}, '[{"loc":["body"],"msg":"x"}]', "", ""),
        ([{"error": {"message": "m", "code": 400, "status": "INVALID_ARGUMENT"}}], "m", "", "400"),
        ({"error": {}}, '{"error":{}}', "", ""),
    ],
)
def test_message_type_and_code_are_found_wherever_a_vendor_puts_them(body, message, kind, code):
    found = error_from_body(400, json.dumps(body).encode())
    assert (found.message, found.type, found.code, found.status) == (message, kind, code, 400)


@pytest.mark.parametrize(
    ("value", "status"),
    [({"code": 429}, 429), ({"code": "503"}, 503), ({"code": 7}, None), ({"code": "x"}, None)],
)
def test_an_error_in_a_stream_has_the_status_that_it_names(value, status):
    assert error_from(value | {"message": "m"}).status == status


@pytest.mark.parametrize(
    ("sentence", "seconds"),
    [
        ("Rate limit reached. Please try again in 20s.", 20.0),
        ("Please try again in 1m2.5s. Visit", 62.5),
        ("try again in 345ms", 0.345),
        ("Please retry after 30 seconds.", 30.0),
        ("try again in 6 minutes", 360.0),
        ("try again later", None),
        ("retry in a moment", None),
        ("", None),
    ],
)
def test_a_wait_is_read_out_of_a_sentence(sentence, seconds):
    assert wait_in(sentence) == (pytest.approx(seconds) if seconds is not None else None)
