"""One try at a session: what the vendor says against it, and what it counts as."""

from __future__ import annotations

import pytest

from planted import planted
from socket_vendor import OPENAI_USAGE
from talking import connect, refused, told


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
