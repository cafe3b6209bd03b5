"""Requests and streams: what may go wrong comes as one of two errors, and credentials are read anew
when they are refused.
"""

import asyncio
import json

import pytest
from kubernetes.aio.client.configuration import Configuration

from kube.fake_api import BREAK, END
from pilotfish.kube.client import ApiError, Kube, Lost

MAPS = "/api/v1/namespaces/shop/configmaps"


async def test_nobody_there_is_lost():
    async def load():
        return Configuration("http://127.0.0.1:1")

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


async def test_a_stream_goes_on_when_another_request_is_refused(api, kube):
    """Two accounts never share a client: the refused one is replaced, and what it still reads comes
    to its own end.
    """
    lines = kube.lines(
        MAPS, query=[("watch", "1"), ("resourceVersion", "100")], total_s=5, silence_s=5
    )
    assert await anext(lines) == b""
    await api.watching.wait()
    api.refusals = [401]
    with pytest.raises(ApiError):
        await kube.request("GET", MAPS)
    api.put(MAPS, "a", data={"x": "y"})
    assert json.loads(await anext(lines))["object"]["data"] == {"x": "y"}
    api.send(END)
    assert [line async for line in lines] == []


async def test_an_answer_that_is_not_json_is_an_error_of_the_api(api, kube):
    api.raw[MAPS] = b"<html>a load balancer's page</html>"
    with pytest.raises(ApiError, match="the answer is not JSON"):
        await kube.request("GET", MAPS)


async def test_an_answer_without_content_is_none(api, kube):
    api.raw[MAPS] = b""
    assert await kube.request("GET", MAPS) is None


async def test_a_request_that_is_not_answered_in_time_is_lost(api, kube, monkeypatch):
    monkeypatch.setattr("pilotfish.kube.client.REQUEST_S", 0.05)
    with pytest.raises(Lost, match="no answer in time"):
        await kube.request("GET", MAPS, query=[("watch", "1"), ("resourceVersion", "100")])


async def test_a_selector_reaches_the_server_as_it_is_written(api, kube):
    api.objects[MAPS] = {}
    await kube.request("GET", MAPS, query=[("labelSelector", "a in (b,c),d!=e/f")])
    assert api.requests[-1][2] == {"labelSelector": "a in (b,c),d!=e/f"}
