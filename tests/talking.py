"""What tests of WebSocket sessions through the proxy have in common."""

from __future__ import annotations

import json

from aiohttp import WSMsgType

from planted import CLIENT_KEY

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
