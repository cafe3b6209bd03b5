"""Requests and streams: what may go wrong comes as one of two errors, and credentials are read anew
when they are refused.
"""

import asyncio
import json
from types import SimpleNamespace

import pytest

from pilotfish.kube import connection
from pilotfish.kube.access import Access
from pilotfish.kube.connection import ApiError, Kube, Lost

MAPS = "/api/v1/namespaces/shop/configmaps"


async def test_nobody_there_is_lost():
    async def nobody():
        return ""

    async def load():
        return Access("http://127.0.0.1:1", nobody)

    kube = Kube(load)
    with pytest.raises(Lost) as lost:
        await kube.request("GET", MAPS)
    assert lost.value.reason == "connection"
    await kube.close()


async def test_a_status_other_than_success_says_what_the_server_said(api, kube):
    api.refusals = [403]
    with pytest.raises(ApiError, match="refused with 403") as refused:
        await kube.request("GET", MAPS)
    assert refused.value.status == 403
    assert MAPS in str(refused.value)


async def test_a_refused_token_is_read_anew_for_the_next_request(api, kube):
    loads = []
    original = kube._load

    async def counted():
        loads.append(1)
        return await original()

    kube._load = counted
    api.objects[MAPS] = {}
    await kube.request("GET", MAPS)
    await kube.request("GET", MAPS)
    assert len(loads) == 1
    api.refusals = [401]
    with pytest.raises(ApiError):
        await kube.request("GET", MAPS)
    await kube.request("GET", MAPS)
    assert len(loads) == 2
    assert set(api.tokens) == {"Bearer token-of-the-test"}


async def test_objects_are_written_as_they_are(api, kube):
    api.objects[MAPS] = {}
    await kube.request("POST", MAPS, body={"metadata": {"name": "a"}, "data": {"x": "ü"}})
    assert (await kube.request("GET", f"{MAPS}/a"))["data"] == {"x": "ü"}


async def test_a_stream_begins_with_an_empty_line_and_ends_with_the_servers_end(api, kube):
    from kube.fake_api import END

    api.objects[MAPS] = {}
    lines = kube.lines(
        MAPS, query=[("watch", "1"), ("resourceVersion", "100")], total_s=5, silence_s=5
    )
    assert await anext(lines) == b""
    await api.watching.wait()
    api.put(MAPS, "a", data={"x": "y" * 300_000})
    assert len(json.loads(await anext(lines))["object"]["data"]["x"]) == 300_000
    api.send(END)
    assert [line async for line in lines] == []


async def test_a_stream_that_breaks_off_is_lost_and_not_an_end(api, kube):
    from kube.fake_api import BREAK

    lines = kube.lines(
        MAPS, query=[("watch", "1"), ("resourceVersion", "100")], total_s=5, silence_s=5
    )
    await anext(lines)
    await api.watching.wait()
    api.send(BREAK)
    with pytest.raises(Lost) as lost:
        await anext(lines)
    assert lost.value.reason == "connection"


async def test_silence_is_told_from_an_end(api, kube):
    lines = kube.lines(
        MAPS, query=[("watch", "1"), ("resourceVersion", "100")], total_s=5, silence_s=0.05
    )
    await anext(lines)
    with pytest.raises(Lost) as lost:
        await anext(lines)
    assert lost.value.reason == "stalled"


async def test_a_server_that_sends_faster_than_we_read_is_held_back(monkeypatch):
    monkeypatch.setattr(connection, "HIGH_WATER", 10)
    told = []
    answer = connection._Answer(MAPS, 5, asyncio.get_running_loop().time() + 5)
    answer.pending = SimpleNamespace(
        pause=lambda: told.append("pause"), resume=lambda: told.append("resume")
    )
    answer.on_head(200, [])
    answer.on_body(b"0123456789")
    assert told == []
    answer.on_body(b"x")
    assert told == ["pause"]
    pieces = answer.pieces()
    assert [await anext(pieces), await anext(pieces)] == [b"0123456789", b"x"]
    asyncio.get_running_loop().call_soon(answer.on_end)
    assert [piece async for piece in pieces] == []
    assert told == ["pause", "resume"]


async def test_watches_that_begin_together_load_once(api, kube):
    loads = []
    original = kube._load

    async def slowly():
        loads.append(1)
        await asyncio.sleep(0)
        return await original()

    kube._load = slowly
    api.objects[MAPS] = {}
    await asyncio.gather(*(kube.request("GET", MAPS) for _ in range(3)))
    assert len(loads) == 1
