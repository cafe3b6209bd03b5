"""What clients ask for on the client port that is not routed by model."""

from __future__ import annotations

import asyncio

import orjson
import pytest
import structlog

from harness import proxied
from http1.parties import Raw
from pilotfish.proxy import other_requests
from pilotfish.simulated import SimulatedVendor

RULES = """
providers:
  v: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}
rules:
  - {{name: r, request_model: m, services: [{{provider: v, model: sim-n2}}]}}
"""
MODELS = b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-request-id: mine\r\n\r\n"
BODY = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]})
CHAT = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


@pytest.fixture
async def proxy(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        yield proxy


@pytest.fixture
async def client(proxy):
    host, _, port = proxy.base.removeprefix("http://").rpartition(":")
    raw = Raw(*await asyncio.open_connection(host, int(port)))
    yield raw
    raw.writer.transport.abort()


async def asked(client, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer that has a length; HEAD has no body."""
    await client.send(request)
    first, *lines = (await client.head()).decode().split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines if line)}
    size = 0 if request.startswith(b"HEAD") else int(headers["content-length"])
    return int(first.split()[1]), headers, await client.reader.readexactly(size)


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE"])
async def test_what_is_not_there_is_told_in_the_style_of_the_path(proxy, client, method):
    status, headers, body = await asked(
        client, method + b" /v1/messages/nothing?key=k HTTP/1.1\r\nhost: x\r\n\r\n"
    )
    assert status == 404
    assert set(headers) == {
        "content-type",
        "content-length",
        "request-id",
        "x-request-id",
        "x-pilotfish-attempts",
    }
    assert headers["request-id"] == headers["x-request-id"]
    assert (headers["content-type"], headers["x-pilotfish-attempts"]) == ("application/json", "0")
    told = f"no such path: {method.decode()} /v1/messages/nothing"
    assert orjson.loads(body)["error"] == {"type": "not_found_error", "message": told}
    record = proxy.record()
    assert {k: record[k] for k in ("request_id", "style", "path", "code", "reason")} == {
        "request_id": headers["x-request-id"],
        "style": "anthropic",
        "path": "/v1/messages/nothing",
        "code": 404,
        "reason": "unknown_path",
    }
    counted = await proxy.metric("pilotfish_requests_total", style="anthropic", code="404")
    assert counted == 1


@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
async def test_a_method_that_a_path_does_not_take_is_told_with_the_one_it_does(client, method):
    status, headers, body = await asked(
        client, method + b" /opencode/v1/embeddings HTTP/1.1\r\nhost: x\r\n\r\n"
    )
    assert (status, headers["allow"]) == (405, "POST")
    told = f"/opencode/v1/embeddings takes POST, found {method.decode()}"
    assert orjson.loads(body)["error"]["message"] == told


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"//",
        b"//host/v1",
        b"/:",
        b"/%zz",
        b"/%2e%2e/x",
        b"/../x",
        b"/a%2Fb",
        b"/v1/models%2Fm",
        b"/a;b?c#d",
        b"/[x]",
        b"/{path}",
        b"/" + b"a" * 60_000,
    ],
)
async def test_odd_paths_are_not_there_either_and_cost_nobody_the_connection(client, target):
    for _ in range(2):
        status, headers, _ = await asked(client, b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % target)
        assert (status, headers["x-pilotfish-attempts"]) == (404, "0")
    assert (await asked(client, MODELS))[0] == 200


async def test_options_of_the_whole_server_are_none(client):
    status, headers, _ = await asked(client, b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (status, headers["x-pilotfish-attempts"]) == (404, "0")


async def test_an_error_of_ours_is_logged_and_told_without_detail(client, monkeypatch):
    def fails(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(other_requests, "models_answer", fails)
    with structlog.testing.capture_logs() as logs:
        status, _, body = await asked(client, MODELS)
    assert status == 500
    assert [line["event"] for line in logs] == ["bug"]
    assert orjson.loads(body)["error"]["message"] == "an error inside the proxy; its log has more"


async def test_lists_and_chats_share_a_connection(proxy, client):
    for _ in range(3):
        status, headers, body = await asked(client, MODELS)
        assert (status, [x["id"] for x in orjson.loads(body)["data"]]) == (200, ["m"])
        assert headers == {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "x-request-id": "mine",
        }
        status, headers, _ = await asked(client, CHAT)
        assert (status, headers["x-pilotfish-attempts"]) == (200, "1")


async def test_head_has_the_head_of_get(client):
    got = await asked(client, MODELS)
    assert (await asked(client, MODELS.replace(b"GET", b"HEAD")))[:2] == got[:2]


async def test_a_request_of_another_kind_holds_the_drain_up_until_it_is_answered(proxy, client):
    """It may be an upload, or a stream."""
    request = MODELS.replace(b"\r\n\r\n", b"\r\ncontent-length: 5\r\n\r\n")
    await client.send(request + b"he")
    await client.head()
    draining = asyncio.create_task(proxy.app.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    await client.send(b"llo")
    await draining
