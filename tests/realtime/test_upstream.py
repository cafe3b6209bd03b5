"""The vendor's WebSocket, opened or refused with reasons."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import WSMsgType

from pilotfish.credentials.fetch import FetchError
from pilotfish.http1 import proxies
from pilotfish.http1.origin import Origin
from pilotfish.realtime.upstream import HandshakeRefused, open_socket
from planted import PROVIDER_KEY


async def test_a_refused_handshake_comes_with_its_reasons(vendor):
    host, port = vendor.base.removeprefix("http://").split(":")
    origin = Origin("http", host, int(port), "", "")
    with pytest.raises(HandshakeRefused) as refusal:
        await opened(origin, "/v1/realtime?model=m", [(b"authorization", b"Bearer x")])
    assert refusal.value.status == 401
    assert json.loads(refusal.value.body)["error"]["code"] == "invalid_api_key"


async def opened(origin, target, headers):
    return await open_socket(proxies.connect, origin, target, headers, (), connect_s=5, answer_s=5)


async def test_an_open_one_is_closed_with_code_and_reason(vendor):
    host, port = vendor.base.removeprefix("http://").split(":")
    origin = Origin("http", host, int(port), "", "")
    key = [(b"authorization", b"Bearer " + PROVIDER_KEY.encode())]
    upstream = await opened(origin, "/v1/realtime?model=m", key)
    assert (await upstream.socket.receive()).type is WSMsgType.TEXT
    await upstream.close(4000, b"done")
    await asyncio.wait_for(vendor.over.wait(), 5)
    assert vendor.closed == [(4000, "")]


async def test_nobody_listens():
    origin = Origin("http", "127.0.0.1", 9, "", "")
    with pytest.raises(FetchError):
        await opened(origin, "/v1/realtime", [])
