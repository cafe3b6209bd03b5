"""Requests for WebSockets that come to nothing: before the upgrade by status, after it by event and close code."""

from __future__ import annotations

import aiohttp
import pytest

from talking import LIVE, REALTIME, connect, end_of, refused, told


async def test_a_model_that_no_rule_knows_is_refused_by_status(proxy, vendor):
    status, error = await refused(proxy, "/v1/realtime?model=nobody")
    assert (status, error["code"]) == (404, "model_not_found")
    assert not vendor.sessions


async def test_a_rule_without_such_a_service_says_so(proxy):
    status, error = await refused(proxy, "/v1/realtime?model=claude")
    assert status == 400
    assert "can do realtime" in error["message"]


async def test_a_first_event_without_a_model_is_told_so(proxy):
    async with connect(proxy, LIVE) as socket:
        await socket.send_json({"clientContent": {}})
        assert await end_of(socket) == (1008, "the first event names no model in 'setup.model'")
    async with connect(proxy, "/v1/responses") as socket:
        await socket.send_json({"type": "response.create", "model": "nobody"})
        event = await told(socket)
        assert (event["error"]["code"], event["status"]) == ("model_not_found", 404)
        assert (await end_of(socket))[0] == 1008


async def test_no_session_begins_in_a_drain(proxy):
    await proxy.app.drain()
    with pytest.raises((AssertionError, aiohttp.ClientConnectionError)):
        assert (await refused(proxy, REALTIME))[0] == 101


async def test_a_path_without_websockets_is_answered_as_ever(proxy):
    status, error = await refused(proxy, "/v1/nothing")
    assert (status, error["code"]) == (404, "unknown_path")


async def test_a_client_that_leaves_before_it_names_a_model_leaves_nothing_behind(proxy):
    socket = await connect(proxy, "/v1/responses")
    await socket.close()
    await proxy.settled()
    assert not proxy.app.sockets._made._sessions
