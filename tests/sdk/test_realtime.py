"""The vendors' own WebSocket clients through the proxy, against vendors that check what they get."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager

import openai as openai_sdk
import pytest
from google import genai
from google.genai import types as genai_types

from certificates import Authority
from harness import proxied
from planted import CLIENT_KEY, PROVIDER_KEY
from socket_vendor import SocketVendor

MESSAGES = 1000
RULES = """
providers:
  openai: {{kind: openai, api_base: {base}/v1, token: {{env: SOCKET_KEY}}}}
  azure: {{kind: azure, api_base: {base}, token: {{env: SOCKET_KEY}}, options: {{endpoint: {base}, api_version: 2025-04-01-preview}}}}
  google: {{kind: google, api_base: {base}/v1beta, token: {{env: SOCKET_KEY}}}}
rules:
  - {{name: voice, request_model: voice, services: [{{provider: openai, model: gpt-realtime}}]}}
  - {{name: azure, request_model: on-azure, services: [{{provider: azure, model: deployed}}]}}
  - {{name: live, request_model: live, services: [{{provider: google, model: gemini-live}}]}}
"""


@pytest.fixture
async def vendor(monkeypatch):
    monkeypatch.setenv("SOCKET_KEY", PROVIDER_KEY)
    async with SocketVendor() as vendor:
        yield vendor


@pytest.fixture
async def proxy(vendor, tmp_path):
    async with proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy):
    async with openai_sdk.AsyncOpenAI(base_url=f"{proxy.base}/v1", api_key=CLIENT_KEY) as client:
        yield client


async def test_a_model_that_nobody_serves_is_an_error_of_the_handshake(client):
    with pytest.raises(Exception, match="404"):
        await client.realtime.connect(model="nobody").enter()


async def test_a_realtime_session_of_a_thousand_messages(client, proxy, vendor):
    async with client.realtime.connect(model="voice") as connection:
        created = await connection.recv()
        assert created.type == "session.created"

        async def speak():
            for number in range(MESSAGES):
                await connection.input_audio_buffer.append(audio=str(number))

        speaking = asyncio.create_task(speak())
        for number in range(MESSAGES):
            echo = await connection.recv()
            assert echo.audio == str(number)
        await speaking
        await connection.response.create()
        seen = [await connection.recv() for _ in range(3)]
        assert [event.type for event in seen] == [
            "response.created",
            "response.output_text.delta",
            "response.done",
        ]
    await proxy.settled()
    record = proxy.record()
    assert (record["code"], record["input_tokens"], record["output_tokens"]) == (101, 10, 20)
    assert len(vendor.events) == MESSAGES + 1


async def test_azures_client_with_a_websocket_base_url(proxy, vendor):
    """It takes `wss` for whatever its endpoint is, unless it is told where its WebSockets are."""
    async with (
        openai_sdk.AsyncAzureOpenAI(
            azure_endpoint=proxy.base,
            api_version="2025-04-01-preview",
            api_key=CLIENT_KEY,
            websocket_base_url=f"{proxy.base.replace('http', 'ws')}/openai",
        ) as client,
        client.realtime.connect(model="on-azure") as connection,
    ):
        assert (await connection.recv()).type == "session.created"
    assert vendor.sessions == [
        "/openai/realtime?deployment=deployed&api-version=2025-04-01-preview"
    ]


async def test_responses_over_a_websocket(client, proxy):
    async with client.responses.connect() as connection:
        await connection.response.create(model="voice", input="hello")
        events = [await connection.recv() for _ in range(3)]
        assert events[-1].type == "response.completed"
        assert events[-1].response.usage.output_tokens == 5
    await proxy.settled()
    assert proxy.record()["output_tokens"] == 5


@asynccontextmanager
async def behind_tls(base, authority):
    """The address of a gateway that takes TLS off and hands on what is in it."""
    host, port = base.removeprefix("http://").split(":")

    async def carry(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def both(reader, writer):
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        ways = carry(reader, inner_writer), carry(inner_reader, writer)
        await asyncio.gather(*ways, return_exceptions=True)

    server = await asyncio.start_server(both, "localhost", 0, ssl=authority("localhost"))
    async with server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"


async def test_live_sessions_of_googles_client(proxy, tmp_path):
    """It takes `wss` for whatever its base URL is, so it needs a gateway with TLS before the proxy."""
    authority = Authority(tmp_path)
    trusted = ssl.create_default_context(cafile=authority.ca_file)
    async with behind_tls(proxy.base, authority) as base:
        options = genai_types.HttpOptions(base_url=base, async_client_args={"ssl": trusted})
        client = genai.Client(api_key=CLIENT_KEY, http_options=options)
        async with client.aio.live.connect(model="live", config={}) as session:
            for _ in range(20):
                turn = {"role": "user", "parts": [{"text": "hello"}]}
                await session.send_client_content(turns=turn, turn_complete=True)
                said = [message.text async for message in session.receive()]
                assert "hi" in said
        await client.aio.aclose()
        client.close()
    await proxy.settled()
    assert proxy.record()["output_tokens"] == 20 * 5
