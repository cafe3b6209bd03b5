"""Requests are read however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.simulated.http import HttpError, RequestParser, chunk, response_head

PIPELINED = (
    b"POST /v1/messages?beta=true&x= HTTP/1.1\r\nHost: h\r\nX-Api-Key: k\r\nContent-Length: 5\r\n\r\nhello"
    b"POST /model/a%3Ab/converse HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    b"GET /v1/models HTTP/1.1\r\n\r\n"
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"nonsense\r\n\r\n", "expected METHOD TARGET"),
        (b"GET / HTTP/2\r\n\r\n", "expected METHOD TARGET"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "without a colon"),
        (b"GET / HTTP/1.1\r\ncontent-length: many\r\n\r\n", "expected a number"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "chunk without a size"),
        (b"x" * 300_000, "head of more than"),
    ],
)
def test_what_is_not_http_is_refused(data, message):
    with pytest.raises(HttpError, match=message):
        RequestParser().feed(data)


@given(st.lists(st.integers(0, len(PIPELINED)), max_size=12))
def test_any_cutting_gives_the_same_requests(cuts):
    parser, found, last = RequestParser(), [], 0
    for cut in [*sorted(cuts), len(PIPELINED)]:
        found += parser.feed(PIPELINED[last:cut])
        last = cut
    assert [(r.method, r.path, r.body) for r in found] == [
        ("POST", "/v1/messages", b"hello"),
        ("POST", "/model/a:b/converse", b"abcde"),
        ("GET", "/v1/models", b""),
    ]
    assert found[0].query == {"beta": "true", "x": ""}
    assert found[0].headers["x-api-key"] == "k"


def test_a_body_that_waits_for_leave_is_noticed():
    parser = RequestParser()
    assert (
        parser.feed(b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n") == []
    )
    assert parser.awaits_body
    assert [r.body for r in parser.feed(b"x")] == [b"x"]
    assert not parser.awaits_body


def test_a_status_of_a_vendors_own_has_a_head_too():
    assert response_head(529, [("a", "b")]) == b"HTTP/1.1 529 Unknown\r\na: b\r\n\r\n"


def test_an_empty_chunk_is_not_written_since_it_would_end_the_body():
    assert chunk(b"") == b""
    assert chunk(b"ab") == b"2\r\nab\r\n"
