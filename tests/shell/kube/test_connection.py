"""Requests and streams: what may go wrong comes as one of two errors, and credentials are read anew when they are refused."""

import json

import pytest

from pilotfish.errors import StartError
from pilotfish.shell.kube.connection import ApiError, Kube, Lost, Where, is_in_cluster, own_namespace

MAPS = "/api/v1/namespaces/shop/configmaps"


async def test_nobody_there_is_lost():
    async def load():
        from kubernetes.aio.client.configuration import Configuration

        return Configuration(host="http://127.0.0.1:1")

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
    from shell.kube.fake_api import END

    api.objects[MAPS] = {}
    lines = kube.lines(MAPS, query=[("watch", "1"), ("resourceVersion", "100")], total_s=5, silence_s=5)
    assert await anext(lines) == b""
    await api.watching.wait()
    api.put(MAPS, "a", data={"x": "y" * 300_000})
    assert len(json.loads(await anext(lines))["object"]["data"]["x"]) == 300_000
    api.send(END)
    assert [line async for line in lines] == []


async def test_a_stream_that_breaks_off_is_lost_and_not_an_end(api, kube):
    from shell.kube.fake_api import BREAK

    lines = kube.lines(MAPS, query=[("watch", "1"), ("resourceVersion", "100")], total_s=5, silence_s=5)
    await anext(lines)
    await api.watching.wait()
    api.send(BREAK)
    with pytest.raises(Lost) as lost:
        await anext(lines)
    assert lost.value.reason == "connection"


async def test_silence_is_told_from_an_end(api, kube):
    lines = kube.lines(MAPS, query=[("watch", "1"), ("resourceVersion", "100")], total_s=5, silence_s=0.05)
    await anext(lines)
    with pytest.raises(Lost) as lost:
        await anext(lines)
    assert lost.value.reason == "stalled"


async def test_no_cluster_to_be_found_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(StartError, match=r"cannot read .*/nowhere"):
        await Kube.at(Where(kubeconfig=str(tmp_path / "nowhere"))).request("GET", MAPS)
    with pytest.raises(StartError, match="cannot read"):
        await Kube.at(Where(token_dir=tmp_path)).request("GET", MAPS)


def test_the_namespace_comes_with_the_token(tmp_path):
    assert own_namespace(Where(token_dir=tmp_path)) == "default"
    (tmp_path / "namespace").write_text("shop\n")
    assert own_namespace(Where(token_dir=tmp_path)) == "shop"


def test_a_pod_knows_that_it_is_one():
    assert is_in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert not is_in_cluster({})
