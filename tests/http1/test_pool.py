"""Which connection a request goes by, and when one is made, kept, replaced or given up."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import socket

import pytest

from http1.parties import (
    CHUNKED,
    EMPTY,
    HEAD,
    REQUEST,
    WHOLE,
    Heard,
    Pipe,
    Raw,
    ask,
    emptied,
    in_flight,
    on_kept_connection,
    piped_pool,
    read_request,
)
from pilotfish.http1 import pool as limits
from pilotfish.http1 import upstream as connection_limits
from pilotfish.http1.origin import Origin
from pilotfish.http1.pool import Pool

# ---- keeping connections


async def test_connections_are_reused_not_made_anew_for_each_request(vendor, pool_to):
    """Counted, because it once went wrong unnoticed: llhttp knows about keep-alive only while it
    ends a message.
    """

    async def play(raw: Raw) -> None:
        while True:
            await read_request(raw)
            await raw.send(CHUNKED if len(made.connections) % 2 else WHOLE)

    made = await vendor(play)
    pool = pool_to(made.port)
    left = 1000

    async def client() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            assert (await ask(pool)).body == b"hello"

    await asyncio.gather(*(client() for _ in range(64)))
    assert pool.made <= 64
    assert len(made.connections) == pool.made


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    ],
)
async def test_a_vendor_that_will_close_is_not_asked_again_on_the_same_connection(
    vendor, pool_to, answer
):
    async def play(raw: Raw) -> None:
        await read_request(raw)
        await raw.send(answer)
        await raw.release()

    made = await vendor(play)
    pool = pool_to(made.port)
    await ask(pool)
    await ask(pool)
    assert pool.made == 2


@pytest.mark.parametrize(
    "more", [WHOLE, HEAD, b"HTT", b"junk"], ids=["an answer", "a head", "a few bytes", "not HTTP"]
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_an_answer_that_nobody_asked_for_is_never_taken_for_the_next_requests(
    vendor, pool_to, more, at_once
):
    async def play(raw: Raw) -> None:
        await read_request(raw)
        if at_once:
            await raw.send(EMPTY + more)
        else:
            await raw.send(EMPTY)
            await ended.wait()
            await raw.send(more)
            told.set()
        await raw.release()

    ended, told = asyncio.Event(), asyncio.Event()
    made = await vendor(play)
    pool = pool_to(made.port)
    heard = await ask(pool)
    ended.set()
    assert heard.log == [("sent",), ("head", 200, ((b"content-length", b"0"),)), ("end",)], (
        "nothing of the second answer"
    )
    if not at_once:
        await told.wait()
        await emptied(pool.open)
    await ask(pool)
    assert pool.made == 2


async def test_a_connection_that_is_being_closed_gets_no_request():
    pool, pipes = piped_pool()
    first, heard = Heard(), Heard()
    pool.send([REQUEST], first, 5.0)
    await first.sent.wait()
    upstream = next(iter(pool.open))
    upstream.data_received(WHOLE)
    upstream.data_received(b"junk")  # closes it, which the loop tells only later
    pool.send([REQUEST], heard, 5.0)
    await heard.sent.wait()
    assert len(pipes) == 2


async def test_an_answer_before_the_request_is_sent_is_heard_and_the_connection_not_kept(
    vendor, pool_to
):
    async def play(raw: Raw) -> None:
        raw.writer.transport.pause_reading()
        await raw.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge")
        await over.wait()

    over = asyncio.Event()
    made = await vendor(play)
    pool = pool_to(made.port)
    heard = Heard()
    pool.send(
        [b"POST / HTTP/1.1\r\ncontent-length: 50000000\r\n\r\n", b"z" * 50_000_000], heard, 5.0
    )
    await heard.over.wait()
    over.set()
    assert (heard.status, heard.body, heard.ending) == (413, b"large", "end")
    assert all(upstream.closed for upstream in pool.open)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_connection_that_was_closed_while_idle_is_told_apart_from_a_reset(how):
    """Whoever sends the request again asks for a new connection, and what that one does counts."""
    pool, pipes = piped_pool()
    heard = await on_kept_connection(pool)
    next(iter(pool.open)).connection_lost(ConnectionResetError() if how == "reset" else None)
    assert heard.ending == "stale"
    assert len(pipes) == 1
    again = Heard()
    pool.send([REQUEST], again, 5.0, fresh=True)
    await again.sent.wait()
    next(iter(pool.open)).connection_lost(None)
    assert again.ending == "reset"
    assert len(pipes) == 2


async def test_who_asks_for_a_new_connection_gets_none_that_was_kept(clock):
    pool, pipes = piped_pool(clock)
    await on_kept_connection(pool)
    next(iter(pool.open)).data_received(WHOLE)
    heard = Heard()
    pool.send([REQUEST], heard, 5.0, fresh=True)
    await heard.sent.wait()
    assert (len(pipes), len(pool.open)) == (2, 2)


async def test_after_the_first_byte_of_an_answer_nothing_is_sent_again():
    pool, pipes = piped_pool()
    heard = await on_kept_connection(pool)
    old = next(iter(pool.open))
    old.data_received(b"H")
    old.connection_lost(ConnectionResetError())
    assert heard.ending == "reset"
    assert len(pipes) == 1


async def test_a_kept_connection_that_dies_late_is_no_stale_one():
    """The vendor had the request for a while; it is the engine's to decide whether it is paid for
    twice.
    """
    pool, pipes = piped_pool()
    heard = await on_kept_connection(pool)
    pool.clock.now += connection_limits.STALE_S + 1
    next(iter(pool.open)).connection_lost(ConnectionResetError())
    assert heard.ending == "reset"
    assert len(pipes) == 1


async def test_of_a_cancelled_request_on_a_stale_connection_nothing_is_heard():
    pool, pipes = piped_pool()
    heard = Heard()
    first = Heard()
    pool.send([REQUEST], first, 5.0)
    await first.sent.wait()
    old = next(iter(pool.open))
    old.data_received(WHOLE)
    pending = pool.send([REQUEST], heard, 5.0)
    pending.cancel()
    old.connection_lost(ConnectionResetError())
    await asyncio.sleep(0)
    assert not heard.over.is_set()
    assert len(pipes) == 1


async def test_the_connection_used_last_is_used_first_and_the_others_age_away(clock):
    pool, pipes = piped_pool(clock)
    listeners = [Heard() for _ in range(3)]
    for heard in listeners:
        pool.send([REQUEST], heard, 5.0)
    for heard in listeners:
        await heard.sent.wait()
    upstreams = [
        upstream for pipe in pipes for upstream in pool.open if upstream._transport is pipe
    ]
    for upstream in upstreams:
        upstream.data_received(WHOLE)
        clock.now += 1
    for _ in range(3):
        heard = Heard()
        pending = pool.send([REQUEST], heard, 5.0)
        assert pending.upstream is upstreams[2]
        upstreams[2].data_received(WHOLE)
    pool.sweep(clock.now + limits.IDLE_S - 2)
    assert [pipe.aborted for pipe in pipes] == [True, False, False]
    pool.sweep(clock.now + limits.IDLE_S + 1)
    assert all(pipe.aborted for pipe in pipes)


async def test_no_more_connections_are_kept_than_allowed(clock):
    pool, pipes = piped_pool(clock, max_idle=1)
    listeners = [Heard() for _ in range(2)]
    for heard in listeners:
        pool.send([REQUEST], heard, 5.0)
    for heard in listeners:
        await heard.sent.wait()
    for upstream in list(pool.open):
        upstream.data_received(WHOLE)
    assert [pipe.aborted for pipe in pipes].count(True) == 1


async def test_a_closed_pool_lets_requests_end_and_keeps_nothing(vendor, pool_to):
    """A reload may drop an origin whose requests are still under way, or just connecting."""

    async def play(raw: Raw) -> None:
        await read_request(raw)
        await go_on.wait()
        await raw.send(WHOLE)
        await raw.release()

    go_on = asyncio.Event()
    made = await vendor(play)
    pool = pool_to(made.port)
    under_way, connecting = Heard(), Heard()
    pool.send([REQUEST], under_way, 5.0)
    await under_way.sent.wait()
    pool.send([REQUEST], connecting, 5.0)
    pool.close()
    go_on.set()
    for heard in (under_way, connecting):
        await heard.over.wait()
        assert heard.body == b"hello"
    assert all(upstream.closed for upstream in pool.open)


# ---- no connection


async def test_a_refused_connection_is_told_with_its_place(pool_to):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        heard = await ask(pool_to(port))
    assert heard.log[0][1] == "connect"
    assert f"127.0.0.1:{port}" in heard.log[0][2]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example", "bad host"])
async def test_a_name_that_nobody_knows_is_told(pool_to, host):
    heard = await ask(pool_to(443, host=host))
    assert heard.log[0][1] == "connect"
    assert host in heard.log[0][2]


async def test_a_connection_that_takes_too_long_is_given_up(clock):
    async def never(factory, origin, context):
        await asyncio.Event().wait()

    heard = Heard()
    Pool(Origin("http", "slow.example", 80), clock=clock, connect=never).send(
        [REQUEST], heard, 0.001
    )
    await heard.over.wait()
    assert heard.log == [
        ("lost", "connect_timeout", "no connection to slow.example:80 within 0.001 s")
    ]


async def test_the_systems_own_timeout_is_a_failure_to_connect(clock):
    async def timed_out(factory, origin, context):
        raise TimeoutError(110, "Connection timed out")

    heard = Heard()
    Pool(Origin("http", "far.example", 80), clock=clock, connect=timed_out).send(
        [REQUEST], heard, 5.0
    )
    await heard.over.wait()
    assert heard.ending == "connect"


async def test_a_fault_of_our_own_while_connecting_is_logged_and_does_not_leave_the_request_waiting(
    clock,
):
    async def broken(factory, origin, context):
        raise RuntimeError("a bug")

    logged = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: logged.append(context["exception"])
    )
    heard = Heard()
    pool = Pool(Origin("http", "x.example", 80), clock=clock, connect=broken)
    pool.send([REQUEST], heard, 5.0)
    await heard.over.wait()
    assert heard.ending == "connect"
    assert "a bug" not in heard.log[0][2]
    while not logged:
        await asyncio.sleep(0)
        gc.collect()  # a task's exception is logged when the task is forgotten
    assert [str(e) for e in logged] == ["a bug"]


async def test_a_vendor_that_closes_at_once_is_a_reset(clock):
    async def closes(factory, origin, context):
        upstream, pipe = factory(), Pipe()
        upstream.connection_made(pipe)
        upstream.connection_lost(None)
        return pipe, upstream

    heard = Heard()
    Pool(Origin("http", "x.example", 80), clock=clock, connect=closes).send([REQUEST], heard, 5.0)
    await heard.over.wait()
    assert heard.ending == "reset"


# ---- cancelling


@pytest.mark.parametrize("phase", ["before the head", "within the head", "within the body"])
async def test_cancelled_at_any_time_the_vendors_connection_ends_at_once_and_nothing_more_is_heard(
    vendor, pool_to, phase
):
    async def play(raw: Raw) -> None:
        await read_request(raw)
        await raw.send(
            {"before the head": b"", "within the head": HEAD, "within the body": WHOLE[:-1]}[phase]
        )
        reached.set()
        try:
            await raw.release()
        finally:
            closed.set()

    reached, closed = asyncio.Event(), asyncio.Event()
    made = await vendor(play)
    pool = pool_to(made.port)
    heard = Heard()
    pending = pool.send([REQUEST], heard, 5.0)
    await reached.wait()
    if phase == "within the body":
        await heard.bodied.wait()
    pending.cancel()
    pending.cancel()
    await closed.wait()
    assert not heard.over.is_set()
    pending.pause()
    pending.resume()
    await emptied(pool.open)


async def test_cancelled_while_connecting_the_attempt_ends(clock):
    async def never(factory, origin, context):
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    ended = asyncio.Event()
    heard = Heard()
    pool = Pool(Origin("http", "slow.example", 80), clock=clock, connect=never)
    pending = pool.send([REQUEST], heard, 5.0)
    await asyncio.sleep(0)
    pending.cancel()
    await ended.wait()
    assert heard.log == []


@pytest.mark.parametrize("at", ["head", "body"])
async def test_a_listener_may_cancel_from_within_what_it_hears(at):
    upstream, pipe, heard = in_flight()
    pending = upstream._pending
    if at == "head":
        heard.on_head = lambda status, headers: pending.cancel()
    else:
        heard.on_data = lambda data: pending.cancel()
    upstream.data_received(WHOLE)
    assert pipe.aborted
    assert not heard.over.is_set()
    assert heard.body == (b"" if at == "head" else b"hello")


async def test_a_listener_may_send_the_next_request_from_within_the_end():
    pool, pipes = piped_pool()
    heard, second = Heard(), Heard()
    pool.send([REQUEST], heard, 5.0)
    await heard.sent.wait()

    def again() -> None:
        pool.send([REQUEST], second, 5.0)

    heard.on_end = again
    upstream = next(iter(pool.open))
    upstream.data_received(WHOLE)
    assert second.sent.is_set(), "on the same connection, at once"
    upstream.data_received(CHUNKED)
    assert second.body == b"hello"
    assert len(pipes) == 1


# ---- what goes wrong on our side


async def test_a_listener_that_fails_at_the_end_is_told_so_and_the_loop_hears_of_it(
    vendor, pool_to
):
    """It would hear of nothing any more, and its client would wait for ever."""

    class Failing(Heard):
        def on_end(self) -> None:
            raise ZeroDivisionError

    async def play(raw: Raw) -> None:
        await read_request(raw)
        await raw.send(WHOLE)
        await raw.release()

    told = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: told.append(context["exception"])
    )
    pool = pool_to((await vendor(play)).port)
    heard = Failing()
    pool.send((REQUEST,), heard, 5.0)
    await heard.over.wait()
    assert heard.log[-1] == ("lost", "protocol", "an error inside the proxy; its log has more")
    await asyncio.sleep(0)
    assert [type(e) for e in told] == [ZeroDivisionError]


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EMFILE, "local"), (errno.EADDRNOTAVAIL, "local"), (errno.ECONNREFUSED, "connect")],
)
async def test_what_this_machine_lacks_is_told_from_what_the_other_side_refuses(
    pool_to, monkeypatch, number, kind
):
    async def connect(*args):
        raise OSError(number, os.strerror(number))

    pool = pool_to(9)
    monkeypatch.setattr(pool, "_connect", connect)
    heard = Heard()
    pool.send((REQUEST,), heard, 5.0)
    await heard.over.wait()
    assert heard.log == [("lost", kind, f"cannot connect to 127.0.0.1:9: {os.strerror(number)}")]
