"""What is no WebSocket never loads this room."""

from __future__ import annotations

from talking import connect, told


async def test_what_is_no_websocket_is_answered_by_others(proxy):
    async with proxy.http.get(f"{proxy.base}/v1/models") as answer:
        assert answer.status == 200
    assert proxy.app.sockets._made is None
    proxy.app.sockets.drain()
    proxy.app.sockets.end()
    await proxy.app.sockets.close()


async def test_the_first_websocket_is_answered_like_any_other(proxy):
    async with connect(proxy) as socket:
        assert (await told(socket))["type"] == "session.created"
    assert proxy.app.sockets._made is not None
