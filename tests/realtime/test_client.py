"""What a client offers of subprotocols, and what of it may be told."""

from __future__ import annotations

from planted import CLIENT_KEY
from talking import connect, told


async def test_a_web_pages_key_in_the_subprotocol_goes_nowhere(proxy, vendor):
    offered = ("realtime", f"openai-insecure-api-key.{CLIENT_KEY}")
    async with connect(proxy, protocols=offered) as socket:
        await told(socket)
        assert socket.protocol == "realtime"
    assert vendor.headers["sec-websocket-protocol"] == "realtime"
