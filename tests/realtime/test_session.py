"""WebSocket sessions through the proxy: who takes them, what passes, and how they end."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp import WSMsgType

from harness import until
from planted import CLIENT_KEY, PROVIDER_KEY, planted
from socket_vendor import LIVE_USAGE, OPENAI_USAGE, RESPONSES_USAGE

REALTIME = "/v1/realtime?model=voice"
LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


def connect(proxy, path=REALTIME, **more):
    headers = {"authorization": f"Bearer {CLIENT_KEY}", **more.pop("headers", {})}
    return proxy.http.ws_connect(
        proxy.base + path, headers=headers, autoclose=False, max_msg_size=0, **more
    )


async def told(socket):
    """The next event."""
    message = await socket.receive()
    assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), message
    return json.loads(message.data)


async def end_of(socket):
    """(code, reason) with which the other side closes, after the events that come before it."""
    while True:
        message = await socket.receive()
        if message.type is WSMsgType.CLOSE:
            await socket.close()
            return message.data, message.extra
        assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), message


# ---- refused before the upgrade


async def refused(proxy, path):
    async with proxy.http.get(
        proxy.base + path,
        headers={
            "upgrade": "websocket",
            "connection": "upgrade",
            "sec-websocket-version": "13",
            "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        },
    ) as answer:
        if answer.status in (429, 503):
            assert int(answer.headers["retry-after"]) >= 1
        return answer.status, (await answer.json())["error"]


async def test_a_model_that_no_rule_knows_is_refused_by_status(proxy, vendor):
    status, error = await refused(proxy, "/v1/realtime?model=nobody")
    assert (status, error["code"]) == (404, "model_not_found")
    assert not vendor.sessions


async def test_a_rule_without_such_a_service_says_so(proxy):
    status, error = await refused(proxy, "/v1/realtime?model=claude")
    assert status == 400
    assert "can do realtime" in error["message"]


async def test_the_vendors_refusal_is_the_clients_when_it_is_the_last(proxy_with, vendor):
    async with proxy_with("refuse-429") as proxy:
        status, error = await refused(proxy, "/v1/realtime?model=alone")
        assert (status, error["message"]) == (429, "refused with 429")
        record = proxy.record()
        assert (record["code"], record["attempts"][0]["outcome"]) == (429, "rate_limited")


async def test_a_wrong_key_of_ours_is_nobodys_to_read(proxy_with, vendor, monkeypatch):
    monkeypatch.setenv("SOCKET_KEY", planted("refused"))
    async with proxy_with() as proxy:
        status, error = await refused(proxy, "/v1/realtime?model=alone")
        assert status == 401
        assert "refused the proxy's credential" in error["message"]
        assert proxy.record()["attempts"][0]["outcome"] == "auth_failed"


# ---- another service


@pytest.mark.parametrize(
    "first", ["refuse-503", "refuse-429", "refuse-401", "first-error", "close-1013", "close-1011"]
)
async def test_another_service_takes_it_until_the_vendors_first_event(proxy_with, vendor, first):
    async with proxy_with(first) as proxy, connect(proxy) as socket:
        assert (await told(socket))["type"] == "session.created"
        await socket.send_json({"type": "input_audio_buffer.append", "audio": "x"})
        assert (await told(socket))["audio"] == "x"
        await socket.close()
        await proxy.settled()
        record = proxy.record()
        assert record["service"] == "b/gpt-realtime"
        assert [a["service"] for a in record["attempts"]] == [f"a/{first}", "b/gpt-realtime"]
        assert (await proxy.service("a", first))["last_error"] is not None


async def test_a_vendor_that_says_nothing_is_given_up(proxy_with, vendor):
    async with proxy_with("mute", first_token_s=0.2) as proxy, connect(proxy) as socket:
        await socket.send_json({"type": "response.create"})
        assert (await told(socket))["type"] == "session.created"
        assert (await told(socket))["type"] == "response.created"
        assert [e["type"] for e in vendor.events] == ["response.create", "response.create"]


async def test_all_refuse_after_the_upgrade_and_the_client_gets_event_and_code(proxy_with):
    async with proxy_with("first-error") as proxy, connect(proxy, "/v1/responses") as socket:
        await socket.send_json({"type": "response.create", "model": "alone", "input": "x"})
        event = await told(socket)
        assert (event["type"], event["error"]["message"]) == ("error", "broken inside")
        assert (await end_of(socket))[0] == 1011


async def test_a_first_event_without_a_model_is_told_so(proxy):
    async with connect(proxy, LIVE) as socket:
        await socket.send_json({"clientContent": {}})
        assert await end_of(socket) == (1008, "the first event names no model in 'setup.model'")
    async with connect(proxy, "/v1/responses") as socket:
        await socket.send_json({"type": "response.create", "model": "nobody"})
        event = await told(socket)
        assert (event["error"]["code"], event["status"]) == ("model_not_found", 404)
        assert (await end_of(socket))[0] == 1008


# ---- what passes


async def test_realtime_goes_to_the_services_model_with_the_providers_key(proxy, vendor):
    headers = {"openai-beta": "realtime=v1", "x-secret-token": "t"}
    async with connect(proxy, REALTIME + "&api_key=mine&voice=x", headers=headers) as socket:
        assert (await told(socket))["session"] == {"model": "gpt-realtime"}
        update = {"type": "session.update", "session": {"model": "voice", "voice": "x"}}
        await socket.send_json(update)
        assert await told(socket) == {"type": "seen", "kind": "session.update"}
        answered = socket._response.headers
        await socket.close()
    assert vendor.sessions == ["/v1/realtime?model=gpt-realtime&voice=x"]
    assert vendor.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert vendor.headers["openai-beta"] == "realtime=v1"
    assert "x-secret-token" not in vendor.headers
    assert vendor.events[0]["session"] == {"model": "gpt-realtime", "voice": "x"}
    assert answered["x-pilotfish-service"] == "a/gpt-realtime"
    assert answered["x-request-id"]


async def test_azures_realtime_on_its_own_paths(proxy, vendor):
    async with connect(proxy, "/openai/realtime?deployment=on-azure&api-version=x") as socket:
        assert (await told(socket))["session"] == {"model": "deployed"}
    assert vendor.sessions == [
        "/openai/realtime?deployment=deployed&api-version=2025-04-01-preview"
    ]
    async with connect(proxy, "/openai/v1/realtime?model=voice") as socket:
        assert (await told(socket))["session"] == {"model": "gpt-realtime"}


async def test_a_web_pages_key_in_the_subprotocol_goes_nowhere(proxy, vendor):
    offered = ("realtime", f"openai-insecure-api-key.{CLIENT_KEY}")
    async with connect(proxy, protocols=offered) as socket:
        await told(socket)
        assert socket.protocol == "realtime"
    assert vendor.headers["sec-websocket-protocol"] == "realtime"


async def test_messages_of_every_kind_arrive_as_they_were(proxy, vendor):
    async with connect(proxy, autoping=False) as socket:
        await told(socket)
        await socket.send_bytes(b"\x00\xff not text")
        assert (await told(socket))["kind"] is None
        await socket.ping(b"are you there")
        pong = await socket.receive()
        assert (pong.type, pong.data) == (WSMsgType.PONG, b"are you there")
        audio = "x" * 3_000_000
        await socket.send_json({"type": "input_audio_buffer.append", "audio": audio})
        assert (await told(socket))["audio"] == audio
    assert vendor.events[0] == b"\x00\xff not text"
    assert b"are you there" in vendor.pings


async def test_responses_by_the_model_of_the_first_event(proxy, vendor):
    async with connect(proxy, "/v1/responses") as socket:
        for number in range(2):
            await socket.send_json({"type": "response.create", "model": "voice", "input": "x"})
            events = [await told(socket) for _ in range(3)]
            assert events[-1]["type"] == "response.completed"
            assert vendor.events[number]["model"] == "gpt-realtime"
    await proxy.settled()
    record = proxy.record()
    assert record["output_tokens"] == 2 * RESPONSES_USAGE["output_tokens"]
    assert record["reasoning_tokens"] == 4


@pytest.mark.parametrize("first", ["gemini-live", "close-1011"])
async def test_live_goes_where_the_setup_says(proxy_with, vendor, first):
    async with proxy_with(first) as proxy, connect(proxy, f"{LIVE}?key={CLIENT_KEY}") as socket:
        await socket.send_json({"setup": {"model": "models/live", "tools": []}})
        assert await told(socket) == {"setupComplete": {}}
        await socket.send_json({"clientContent": {"turnComplete": True}})
        assert "modelTurn" in (await told(socket))["serverContent"]
        assert (await told(socket))["usageMetadata"] == LIVE_USAGE
        await socket.close()
        await proxy.settled()
        record = proxy.record()
    assert (record["input_tokens"], record["output_tokens"]) == (8, 5)
    assert CLIENT_KEY not in "".join(vendor.sessions)
    setup = vendor.events[-2]["setup"]
    if first == "gemini-live":
        assert setup == {"model": "models/gemini-live", "tools": []}
    else:
        wanted = "projects/p/locations/l/publishers/google/models/gemini-live"
        assert setup == {"model": wanted, "tools": []}


# ---- tokens


async def test_tokens_count_while_the_session_goes_on(proxy):
    async with connect(proxy) as socket:
        await told(socket)
        for turn in (1, 2):
            await socket.send_json({"type": "response.create"})
            while (await told(socket))["type"] != "response.done":
                pass
            labels = {"provider": "a", "model": "gpt-realtime", "rule": "voice"}
            counted = await proxy.metric("pilotfish_tokens_total", kind="output", **labels)
            assert counted == turn * OPENAI_USAGE["output_tokens"]
            spent = await proxy.metric("pilotfish_cost_usd_total", **labels)
            assert spent == pytest.approx(turn * (10 * 4 + 20 * 16) / 1e6)
        assert (await proxy.service("a", "gpt-realtime"))["in_flight"] == 1
    await proxy.settled()
    record = proxy.record()
    assert (record["code"], record["input_tokens"], record["cached_input_tokens"]) == (101, 20, 8)
    passed = {"provider": "a", "family": "realtime", "code": "101"}
    assert await proxy.metric("pilotfish_passthrough_requests_total", **passed) == 1
    assert await proxy.metric("pilotfish_requests_total", rule="voice", code="101") == 1
    assert await proxy.metric("pilotfish_request_duration_seconds_count", rule="voice") == 0


# ---- ends


async def test_the_vendors_close_code_and_reason_are_the_clients(proxy):
    async with connect(proxy) as socket:
        await told(socket)
        await socket.send_json({"type": "say.goodbye"})
        assert await end_of(socket) == (4001, "as you like")


async def test_the_clients_close_code_is_the_vendors(proxy, vendor):
    async with connect(proxy) as socket:
        await told(socket)
        await socket.close(code=4002, message=b"enough")
    await asyncio.wait_for(vendor.over.wait(), 5)
    assert vendor.closed[0][0] == 4002


async def test_a_client_that_just_goes_ends_the_vendors_session(proxy, vendor):
    socket = await connect(proxy)
    await told(socket)
    socket._conn.transport.abort()
    await asyncio.wait_for(vendor.over.wait(), 5)
    await proxy.settled()
    assert proxy.record()["attempts"][0]["outcome"] == "client_gone"
    await socket.close()


async def test_a_vendor_that_just_goes_is_an_error_event_and_a_code(proxy_with):
    async with proxy_with("die") as proxy, connect(proxy) as socket:
        await told(socket)
        assert (await told(socket))["type"] == "error"
        assert (await end_of(socket))[0] == 1011
        await proxy.settled()
        assert proxy.record()["attempts"][0]["outcome"] == "broken_stream"


# ---- draining


async def test_a_drain_lets_an_answer_end_and_then_the_session(proxy, vendor):
    async with connect(proxy) as socket:
        await told(socket)
        await socket.send_json({"type": "response.create", "hold": True})
        assert (await told(socket))["type"] == "response.created"
        draining = asyncio.create_task(proxy.app.drain())
        await until(lambda: proxy.app.engine.draining)
        await vendor.finish_response(vendor.sockets[-1])
        assert (await told(socket))["type"] == "response.output_text.delta"
        assert (await told(socket))["type"] == "response.done"
        assert await end_of(socket) == (1001, "this proxy is shutting down")
        await asyncio.wait_for(draining, 5)


async def test_what_is_left_when_the_drain_is_over_is_told_so(proxy_with, vendor):
    async with proxy_with(drain_seconds=0.1) as proxy, connect(proxy) as socket:
        await told(socket)
        await socket.send_json({"type": "response.create", "hold": True})
        await told(socket)
        await proxy.app.drain()
        assert await end_of(socket) == (1001, "this proxy is shutting down")


async def test_no_session_begins_in_a_drain(proxy):
    await proxy.app.drain()
    with pytest.raises((AssertionError, aiohttp.ClientConnectionError)):
        assert (await refused(proxy, REALTIME))[0] == 101
