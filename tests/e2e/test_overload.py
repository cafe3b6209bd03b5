"""More than the proxy, its limits or its clients can take: refused in time or waited for, and never
held in memory.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import Any

import orjson

from harness import proxied, until
from pilotfish.simulated import Fault, SimulatedVendor

TEXT = "the small pilot fish swims ahead of great "


@asynccontextmanager
async def limited(
    tmp_path,
    limits: dict[str, Any] | None = None,
    rule: dict[str, Any] | None = None,
    model: str = "sim-n8",
    **settings: Any,
):
    async with SimulatedVendor() as vendor:
        provider = {
            "kind": "openai_compatible",
            "api_base": f"{vendor.base}/v1",
            "no_key_required": True,
            "limits": limits or {},
        }
        rules = {
            "providers": {"a": provider},
            "rules": [
                {"name": "r", "services": [{"provider": "a", "model": model}], **(rule or {})}
            ],
        }
        async with proxied(tmp_path, orjson.dumps(rules).decode(), **settings) as proxy:
            yield proxy, vendor


async def test_more_in_flight_than_allowed_is_503_with_a_wait_in_the_clients_style(tmp_path):
    async with limited(tmp_path, max_in_flight=2) as (proxy, vendor):
        gate = asyncio.Event()
        vendor.always(Fault.hold(gate))
        held = [asyncio.create_task(proxy.chat("m")) for _ in range(2)]
        await vendor.until_requests(2)
        refused = await proxy.chat("m")
        assert (
            refused.status,
            refused.headers["x-pilotfish-attempts"],
            int(refused.headers["retry-after"]) >= 1,
        ) == (503, "0", True)
        told = await proxy.post(
            "/v1/messages",
            {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]},
        )
        assert (told.status, told.json["type"]) == (503, "error")
        gate.set()
        assert [(await answer).status for answer in held] == [200, 200]
        assert (await proxy.chat("m")).status == 200  # there is room again


async def test_a_request_waits_in_the_queue_for_a_free_place(tmp_path):
    async with limited(tmp_path, {"concurrency": 1}, {"queue_ms": 20_000}) as (proxy, vendor):
        gate = asyncio.Event()
        vendor.script(Fault.hold(gate))
        first = asyncio.create_task(proxy.chat("m"))
        await vendor.until_requests(1)
        second = asyncio.create_task(proxy.chat("m"))
        await until(lambda: len(proxy.app.engine.in_flight) == 2)
        assert len(vendor.requests) == 1
        gate.set()
        assert [(await first).status, (await second).status] == [200, 200]


async def test_the_queue_has_a_deadline(tmp_path):
    async with limited(tmp_path, {"concurrency": 1}, {"queue_ms": 60}) as (proxy, vendor):
        gate = asyncio.Event()
        vendor.script(Fault.hold(gate))
        first = asyncio.create_task(proxy.chat("m"))
        await vendor.until_requests(1)
        refused = await proxy.chat("m")
        assert (refused.status, len(vendor.requests)) == (429, 1)
        gate.set()
        assert (await first).status == 200


async def test_a_client_that_leaves_the_queue_is_not_served(tmp_path):
    async with limited(tmp_path, {"concurrency": 1}, {"queue_ms": 20_000}) as (proxy, vendor):
        gate = asyncio.Event()
        vendor.script(Fault.hold(gate))
        first = asyncio.create_task(proxy.chat("m"))
        await vendor.until_requests(1)
        second = asyncio.create_task(proxy.chat("m"))
        await until(lambda: len(proxy.app.engine.in_flight) == 2)
        second.cancel()
        await until(lambda: len(proxy.app.engine.in_flight) == 1)
        gate.set()
        assert (await first).status == 200
        await proxy.settled()
        assert len(vendor.requests) == 1


async def test_our_own_rate_limit_says_when_to_come_back(tmp_path):
    async with limited(tmp_path, {"requests_per_minute": 1}) as (proxy, vendor):
        assert (await proxy.chat("m")).status == 200
        refused = await proxy.chat("m")
        assert (
            refused.status,
            1 <= int(refused.headers["retry-after"]) <= 66,
            len(vendor.requests),
        ) == (429, True, 1)


async def test_a_slow_reader_pauses_the_upstream_and_gets_all_in_the_end(tmp_path):
    """Of an answer of many megabytes only as much is taken from the vendor as fits between the two
    sockets.
    """
    pieces = 40_000
    async with limited(
        tmp_path, model=f"sim-n{pieces}", rule={"timeouts": {"idle_s": 30, "first_token_s": 30}}
    ) as (proxy, vendor):
        host, _, port = proxy.base.removeprefix("http://").partition(":")
        sock = socket.create_connection((host, int(port)))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        reader, writer = await asyncio.open_connection(sock=sock, limit=65536)
        body = orjson.dumps(
            {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
        )
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        await vendor.until_requests(1)
        await until(
            lambda: any(
                (relayed := request._answer.relayed) is not None and relayed.reader.paused
                for request in proxy.app.engine.in_flight
            ),
            20,
        )
        assert await proxy.metric("pilotfish_requests_in_flight", rule="r") == 1
        size, tail = 0, b""
        async with asyncio.timeout(40):
            while data := await reader.read(65536):
                size, tail = size + len(data), (tail + data)[-200:]
        writer.close()
        await writer.wait_closed()
        assert size > 5_000_000
        assert b"data: [DONE]" in tail
        await proxy.settled()
        assert proxy.record()["output_tokens"] == pieces


async def test_a_body_over_the_limit_is_413_and_goes_nowhere(tmp_path):
    async with limited(tmp_path, max_body_bytes=10_000) as (proxy, vendor):
        assert (await proxy.chat("m", "x" * 20_000)).status == 413
        assert not vendor.requests
