"""Connections for what is passed on: kept where that is safe, and made as all others are."""

from __future__ import annotations

import asyncio

import pytest

from pilotfish.credentials.fetch import FetchError
from pilotfish.http1.origin import Origin
from pilotfish.http1.proxies import connect
from pilotfish.passthrough.upstreams import Upstreams


async def test_a_connection_that_takes_too_long_is_given_up():
    async def never(*_):
        await asyncio.Event().wait()

    upstreams = Upstreams(never)
    session = upstreams.session(Origin("http", "h", 80), 0.01, fresh=False)
    with pytest.raises(FetchError, match=r"no connection to h:80 within 0\.01 s"):
        await session.get("http://h/")
    await upstreams.close()


async def test_a_ca_file_that_cannot_be_read_is_named():
    upstreams = Upstreams(connect)
    origin = Origin("https", "127.0.0.1", 1, "", "/no/such/file")
    with pytest.raises(FetchError, match="/no/such/file"):
        await upstreams.session(origin, 5, fresh=True).get("https://127.0.0.1:1/")
    await upstreams.close()


async def test_each_origin_has_a_session_and_what_cannot_be_sent_twice_another(vendor):
    upstreams = Upstreams(connect)
    host, _, port = vendor.base.removeprefix("http://").rpartition(":")
    origin = Origin("http", host, int(port))
    kept, fresh = (upstreams.session(origin, 5, fresh=x) for x in (False, True))
    assert kept is upstreams.session(origin, 5, fresh=False)
    assert kept is not fresh
    for session in (kept, kept, fresh, fresh):
        async with session.get(vendor.base) as answer:
            await answer.read()
    assert vendor.connections == 3
    await upstreams.close()
