"""WebSocket sessions through the proxy: who takes them, what passes, and how they end."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiohttp import WSMsgType

from harness import until
from pilotfish.realtime.upstream import MESSAGE_BYTES
from planted import CLIENT_KEY, PROVIDER_KEY
from socket_vendor import LIVE_USAGE, RESPONSES_USAGE
from talking import LIVE, REALTIME, connect, end_of, told

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


# ---- hostile


async def test_a_message_beyond_the_limit_ends_the_session_with_its_own_code(proxy, vendor):
    async with connect(proxy) as socket:
        await told(socket)
        with contextlib.suppress(ConnectionError):  # it may be closed before all is sent
            await socket.send_bytes(b"x" * (MESSAGE_BYTES + 1))
        await asyncio.wait_for(vendor.over.wait(), 5)
    assert vendor.closed == [(1009, "")]
    assert vendor.events == []


async def test_a_frame_that_promises_more_than_the_limit_is_not_waited_for(proxy, vendor):
    _, writer = await handshake(proxy)
    writer.write(b"\x82\xff" + (1 << 40).to_bytes(8) + b"\0\0\0\0" + b"x" * 100)
    await asyncio.wait_for(vendor.over.wait(), 5)
    writer.close()
    await proxy.settled()


@pytest.mark.parametrize(
    "bytes_", [b"\x83\x80\0\0\0\0", b"\xf1\x81\0\0\0\0x", b"\x89\xfe\x01\x00\0\0\0\0"]
)
async def test_bytes_that_are_no_frame_end_the_session(proxy, vendor, bytes_):
    """An opcode that does not exist, reserved bits, a ping too long."""
    _, writer = await handshake(proxy)
    writer.write(bytes_)
    await asyncio.wait_for(vendor.over.wait(), 5)
    writer.close()
    await proxy.settled()


async def test_a_peer_that_is_silent_and_answers_no_ping_is_gone(proxy, vendor, monkeypatch):
    """A half-open connection: no bytes, no end."""
    monkeypatch.setattr("pilotfish.realtime.client.HEARTBEAT_S", 0.1)
    _, writer = await handshake(proxy)
    await asyncio.wait_for(vendor.over.wait(), 5)
    await proxy.settled()
    assert proxy.record()["attempts"][0]["outcome"] == "client_gone"
    writer.close()


async def test_a_client_that_reads_nothing_holds_no_more_than_the_buffers(proxy, vendor):
    """The vendor waits when its client does: nothing piles up here."""
    _, writer = await handshake(proxy)
    writer.transport.pause_reading()
    flooded = vendor.sockets[-1]

    async def flood():
        for _ in range(200):
            await flooded.send_bytes(b"x" * 1_000_000)

    flooding = asyncio.create_task(flood())
    waiting = flooded._req.transport
    await until(lambda: waiting.get_write_buffer_size() > 0)
    async with connect(proxy) as other:  # which goes on meanwhile
        await told(other)
        for number in range(200):
            await other.send_json({"type": "input_audio_buffer.append", "audio": str(number)})
            assert (await told(other))["audio"] == str(number)
    assert waiting.get_write_buffer_size() > 0
    assert not flooding.done()
    flooding.cancel()
    writer.transport.abort()
    await proxy.settled()


async def handshake(proxy):
    """A WebSocket by hand, its first event read."""
    host, port = proxy.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET {REALTIME} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"}}")
    return reader, writer
