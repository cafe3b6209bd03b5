"""What a head must be like, and how it is written for another parser."""

from __future__ import annotations

import pytest

from pilotfish.http1.callers import AllowedCallers
from pilotfish.http1.exchange import Exchange
from pilotfish.http1.request_head import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    check_head,
    check_unfinished_head,
    head_bytes,
    origin_form,
    wants_websocket,
    without_upgrade,
)

HOST = (b"host", b"x")


def exchange(*headers, method=b"POST", target=b"/a", handed_over=False, is_http10=False):
    made = Exchange(None, method, target, [HOST, *headers], is_http10=is_http10)
    made.handed_over = handed_over
    return made


def checked(*headers, version="1.1", at_most=0, **more):
    """The status of a refusal, or whether the client waits for `100 Continue`."""
    found = check_head(exchange(*headers, **more), version, at_most, 100, AllowedCallers())
    return found if isinstance(found, bool) else found.status


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0"])
def test_other_versions_are_not_served(version):
    assert checked(version=version) == 505


def test_a_body_of_any_declared_length_is_handed_over_and_a_larger_one_not_held():
    length = (b"content-length", b"101")
    assert checked(length) == 413
    assert checked(length, handed_over=True) is False
    assert checked((b"content-length", b"100")) is False


@pytest.mark.parametrize("name", [b"content-type", b"user-agent", b"etag"])
def test_what_the_other_parser_takes_once_is_handed_over_once(name):
    assert checked((name, b"a"), (name, b"a")) is False
    assert checked((name, b"a"), (name, b"a"), handed_over=True) == 400


def test_a_head_may_be_so_large():
    assert checked(*[(b"x", b"y")] * (MAX_HEADERS - 1)) is False
    assert checked(*[(b"x", b"y")] * MAX_HEADERS) == 431
    large = (b"x", b"y" * MAX_HEAD_BYTES)
    assert checked(large, at_most=MAX_HEAD_BYTES + 1) == 431
    assert check_unfinished_head(MAX_HEAD_BYTES, MAX_HEADERS) is None
    assert check_unfinished_head(MAX_HEAD_BYTES + 1, 1).status == 431
    assert check_unfinished_head(1, MAX_HEADERS + 1).status == 431


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ([(b"expect", b"100-Continue"), (b"content-length", b"1")], True),
        ([(b"expect", b"100-continue"), (b"transfer-encoding", b"chunked")], True),
        ([(b"expect", b"100-continue"), (b"content-length", b"0")], False),
        ([(b"expect", b"100-continue")], False),
        ([(b"expect", b"more"), (b"content-length", b"1")], False),
    ],
)
def test_who_waits_for_a_100(headers, waits):
    assert checked(*headers) is waits


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        (b"http://proxy.example/v1/x?y=1", b"/v1/x?y=1"),
        (b"http://proxy.example", b"/"),
        (b"http://proxy.example?y", b"/?y"),
        (b"*", b"*"),
    ],
)
def test_a_target_in_origin_form(target, seen):
    assert origin_form(target) == seen


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ([b"Upgrade, HTTP2-Settings"], []),
        ([b"keep-alive, Upgrade"], [b"keep-alive"]),
        ([b"upgrade", b" CLOSE\t"], [b"close"]),
        ([b"x-close"], []),
    ],
)
def test_of_what_a_client_wishes_for_its_connection_only_whether_it_is_kept_is_left(values, left):
    headers = [(b"connection", value) for value in values]
    more = [(b"upgrade", b"h2c"), (b"http2-settings", b"AA"), (b"x", b"1")]
    assert without_upgrade([*headers, *more]) == [
        (b"x", b"1"),
        *((b"connection", value) for value in left),
    ]


def test_a_head_is_written_as_it_was_understood():
    headers = [(b"a", b"1"), (b"a", b"2")]
    assert head_bytes(exchange(), headers) == b"POST /a HTTP/1.1\r\na: 1\r\na: 2\r\n\r\n"
    assert head_bytes(exchange(is_http10=True), []) == b"POST /a HTTP/1.0\r\n\r\n"


UPGRADE = (b"upgrade", b"WebSocket")


@pytest.mark.parametrize(
    ("headers", "more", "wanted"),
    [
        ([UPGRADE], {"method": b"GET"}, True),
        ([UPGRADE], {"method": b"POST"}, False),
        ([UPGRADE], {"method": b"GET", "is_http10": True}, False),
        ([(b"upgrade", b"h2c")], {"method": b"GET"}, False),
        ([UPGRADE, (b"content-length", b"0")], {"method": b"GET"}, False),
        ([UPGRADE, (b"transfer-encoding", b"chunked")], {"method": b"GET"}, False),
    ],
)
def test_who_wants_a_websocket(headers, more, wanted):
    assert wants_websocket(exchange(*headers, **more)) is wanted
