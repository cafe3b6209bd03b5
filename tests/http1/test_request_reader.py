"""Requests as they are read: floods, slow and large bodies, upgrades that are declined, `Expect`."""

from __future__ import annotations

import pytest

from http1.parties import CHUNKED_POST, GET, MAX_BODY, POST, echo, feed, settle, with_length

# ---- upgrades


@pytest.mark.parametrize("framing", ["length", "chunks", "none"])
@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
@pytest.mark.parametrize("bytewise", [False, True])
async def test_an_upgrade_is_declined_and_the_body_that_follows_is_still_the_requests(
    piped, answering, framing, protocol, bytewise
):
    """What follows such a head must not be taken for the next request: it is the client's to
    choose.
    """
    hidden = b"GET /hidden HTTP/1.1\r\nhost: x\r\n\r\n"
    body = {
        "length": b"content-length: %d\r\n\r\n%b" % (len(hidden), hidden),
        "chunks": b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
        % (len(hidden), hidden),
        "none": b"\r\n",
    }[framing]
    upgrade = (
        POST
        + b"connection: Upgrade, HTTP2-Settings\r\nupgrade: %b\r\nhttp2-settings: AAMAAABk\r\nx: 1\r\n%b"
        % (protocol, body)
    )
    connection, pipe = piped()
    feed(connection, upgrade + GET, bytewise)
    await settle()
    assert [(x.target, x.body) for x in answering.taken] == [
        (b"/a", b"" if framing == "none" else hidden),
        (b"/b", b""),
    ]
    assert (b"x", b"1") in answering.taken[0].headers
    assert not answering.refused
    assert not pipe.closed


@pytest.mark.parametrize("count", [10, 5000])
async def test_a_flood_of_upgrades_in_one_read_neither_nests_nor_costs_much(
    piped, answering, count
):
    """Each is read once more by a parser of its own."""
    connection, _ = piped()
    connection.data_received(
        (b"GET /a HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n") * count
    )
    while len(answering.taken) < min(count, 15):
        await settle()
    await settle()
    assert [s for s, _ in answering.refused] == ([400] if count > 16 else [])


async def test_a_declined_upgrade_keeps_the_wish_to_close(piped, answering):
    connection, pipe = piped()
    connection.data_received(
        POST + b"connection: close, upgrade\r\nupgrade: h2c\r\ncontent-length: 1\r\n\r\nz"
    )
    assert [x.body for x in answering.taken] == [b"z"]
    assert pipe.closed


# ---- floods


async def test_a_head_of_too_many_headers_is_refused(piped, answering):
    connection, _ = piped()
    connection.data_received(POST + b"".join(b"x-%d: y\r\n" % n for n in range(128)) + b"\r\n")
    assert [s for s, _ in answering.refused] == [431]


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(
    "flood",
    [
        POST + b"x: " + b"y" * 65_536 + b"\r\n\r\n",
        POST + b"x" * 65_536 + b": y\r\n\r\n",
        b"GET /" + b"a" * 65_536 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        POST + b"".join(b"x%03d: %b\r\n" % (n, b"y" * 1000) for n in range(70)) + b"\r\n",
    ],
    ids=["value", "name", "target", "headers"],
)
async def test_a_head_that_is_too_large_is_refused_however_it_comes(
    piped, answering, flood, bytewise
):
    connection, _ = piped()
    feed(connection, flood, bytewise)
    assert [s for s, _ in answering.refused] == [431]
    assert answering.taken == []


async def test_a_head_that_never_ends_is_refused_before_it_is_large(piped, answering):
    connection, pipe = piped()
    connection.data_received(POST)
    for _ in range(70):
        connection.data_received(b"y" * 1000)
    assert [s for s, _ in answering.refused] == [431]
    assert pipe.ended or pipe.closed


async def test_a_large_head_behind_a_large_body_is_measured_by_itself(server, piped, answering):
    """A read may hold the end of one message and the beginning of the next."""
    server.max_body_bytes = 100_000
    connection, _ = piped()
    first = with_length(b"b" * 90_000)
    connection.data_received(first[:1000])
    connection.data_received(first[1000:] + GET[:20])
    connection.data_received(GET[20:])
    await settle()
    assert [x.target for x in answering.taken] == [b"/a", b"/b"]
    assert not answering.refused


@pytest.mark.parametrize("expect", [b"", b"expect: 100-continue\r\n"])
async def test_a_body_declared_too_large_is_refused_before_any_of_it_is_read(
    piped, answering, expect
):
    connection, pipe = piped()
    connection.data_received(POST + expect + b"content-length: %d\r\n\r\n" % (MAX_BODY + 1))
    assert [s for s, _ in answering.refused] == [413]
    assert pipe.written.startswith(b"HTTP/1.1 413 "), "no 100 Continue before it"


@pytest.mark.parametrize("size", [1, 100, 2000])
async def test_a_chunked_body_that_grows_too_large_is_refused(piped, answering, size):
    connection, _ = piped()
    connection.data_received(CHUNKED_POST)
    for _ in range(MAX_BODY // size + 1):
        connection.data_received(b"%x\r\n%b\r\n" % (size, b"z" * size))
    assert [s for s, _ in answering.refused] == [413]
    assert answering.taken == []


async def test_a_chunked_body_too_large_in_one_read_is_refused(piped, answering):
    connection, _ = piped()
    connection.data_received(
        CHUNKED_POST + b"%x\r\n%b\r\n0\r\n\r\n" % (MAX_BODY + 1, b"z" * (MAX_BODY + 1)) + GET
    )
    assert [s for s, _ in answering.refused] == [413]
    assert answering.taken == []


async def test_a_body_of_exactly_the_limit_is_taken(piped, answering):
    connection, _ = piped()
    connection.data_received(CHUNKED_POST + b"%x\r\n%b\r\n0\r\n\r\n" % (MAX_BODY, b"z" * MAX_BODY))
    assert [len(x.body) for x in answering.taken] == [MAX_BODY]


@pytest.mark.parametrize("tail", [b"3;", b"3\r\nabc\r\n0\r\nx: "], ids=["extension", "trailer"])
async def test_endless_chunk_extensions_and_trailers_are_refused(piped, answering, tail):
    connection, _ = piped()
    connection.data_received(CHUNKED_POST + tail)
    for _ in range(30):
        connection.data_received(b"e" * 1000)
    assert [s for s, _ in answering.refused] == [400]


async def test_short_chunk_extensions_are_read_over(piped, answering):
    connection, _ = piped()
    connection.data_received(CHUNKED_POST + b'3;name=value;q="a b"\r\nabc\r\n0\r\n\r\n')
    assert [x.body for x in answering.taken] == [b"abc"]


async def test_a_body_in_a_thousand_pieces_is_kept_in_few(server, piped, answering):
    server.max_body_bytes = 100_000
    connection, _ = piped()
    connection.data_received(POST + b"content-length: 50000\r\n\r\n")
    for _ in range(49_999):
        connection.data_received(b"z")
    assert len(connection._reader._parts) < 10
    connection.data_received(b"z")
    assert answering.taken[0].body == b"z" * 50_000


async def test_who_is_refused_in_mid_upload_can_still_read_why(connect, answering):
    """Closing on unread data would reset the connection, and the reset may overtake the answer."""
    client = await connect()
    client.writer.write(POST + b"content-length: 5000000\r\n\r\n" + b"z" * 5_000_000)
    status, message = await client.answer()
    assert status == 413
    assert b"1000 bytes" in message
    assert await client.release() == b""


# ---- Expect


async def test_a_client_that_waits_for_100_continue_gets_it_once(piped, answering):
    connection, pipe = piped()
    connection.data_received(POST + b"expect: 100-Continue\r\ncontent-length: 4\r\n\r\n")
    assert pipe.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.data_received(b"ab")
    connection.data_received(b"cd")
    assert pipe.written.count(b"100 Continue") == 1
    assert [x.body for x in answering.taken] == [b"abcd"]


@pytest.mark.parametrize(
    "request_",
    [
        POST.replace(b"1.1", b"1.0") + b"expect: 100-continue\r\ncontent-length: 4\r\n\r\n",
        POST + b"expect: 100-continue\r\ncontent-length: 4\r\n\r\nab",
        POST + b"expect: 100-continue\r\ncontent-length: 4\r\n\r\nabcd",
        POST + b"expect: 100-continue\r\n\r\n",
        POST + b"expect: 100-continue\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
    ids=["HTTP/1.0", "half is here", "all is here", "no body", "smuggling"],
)
async def test_no_100_is_sent_where_none_is_due(piped, request_):
    connection, pipe = piped()
    connection.data_received(request_)
    assert b"100 Continue" not in pipe.written


async def test_a_100_never_comes_into_the_answer_before_it(piped, answering):
    answering.answer = None
    connection, pipe = piped()
    connection.data_received(GET + POST + b"expect: 100-continue\r\ncontent-length: 1\r\n\r\n")
    assert pipe.written == b""
    echo(answering.taken[0])
    await settle()
    assert pipe.written.endswith(b"GET /b HTTP/1.1 100 Continue\r\n\r\n")
    connection.data_received(b"z")
    assert answering.taken[1].body == b"z"
