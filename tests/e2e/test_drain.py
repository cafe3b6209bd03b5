"""SIGTERM: what was begun is finished, nothing new is begun, and the process says so to those who
ask.
"""

from __future__ import annotations

import asyncio
import signal

import aiohttp
import pytest

from harness import process, proxied, until
from pilotfish.simulated import Fault, Profile, SimulatedVendor

STREAMS = 100
RULES = "providers: {{v: {{kind: openai, api_base: {base}/v1, no_key_required: true}}}}"
BODY = {"model": "v/m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize("event_loop", ["uvloop", "asyncio"])
async def test_a_hundred_open_streams_all_finish(tmp_path, event_loop):
    gate = asyncio.Event()
    async with SimulatedVendor(profile=Profile(chunks=10)) as vendor:
        vendor.always(Fault.hold(gate, percent=50))
        limitless = aiohttp.TCPConnector(limit=0)
        async with (
            process(tmp_path, RULES.format(base=vendor.base), "--event-loop", event_loop) as proxy,
            aiohttp.ClientSession(connector=limitless) as http,
        ):
            answers = [
                await http.post(f"{proxy.base}/v1/chat/completions", json=BODY)
                for _ in range(STREAMS)
            ]
            begun = [await answer.content.readany() for answer in answers]
            assert all(begun)

            async def status(path: str) -> int:
                async with http.get(proxy.admin + path) as answer:
                    return answer.status

            assert await status("/readyz") == 200
            proxy.child.send_signal(signal.SIGTERM)

            async def not_ready() -> bool:
                return await status("/readyz") == 503

            await until(not_ready)
            assert await status("/healthz") == 200
            async with http.post(f"{proxy.base}/v1/chat/completions", json=BODY) as refused:
                assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            async with http.get(f"{proxy.admin}/status") as shown:
                told = await shown.json()
                assert (told["draining"], told["ready"], told["in_flight"]) == (
                    True,
                    False,
                    STREAMS,
                )
            gate.set()
            rests = [await answer.read() for answer in answers]
            assert all(rest.endswith(b"data: [DONE]\n\n") for rest in rests)
            out, _ = await proxy.child.communicate()
            assert proxy.child.returncode == 0
            assert out.count(b'"event":"request"') == STREAMS + 1
            assert out.count(b'"code":200') == STREAMS
        assert not vendor.cancelled


async def test_what_does_not_finish_in_time_is_cut_off_with_an_end_of_its_connection(tmp_path):
    async with SimulatedVendor() as vendor:
        vendor.always(Fault.stall(50))
        async with (
            process(tmp_path, RULES.format(base=vendor.base), "--drain-seconds", "0.1") as proxy,
            aiohttp.ClientSession() as http,
        ):
            answer = await http.post(f"{proxy.base}/v1/chat/completions", json=BODY)
            assert await answer.content.readany()
            proxy.child.send_signal(signal.SIGTERM)
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
            assert await proxy.child.wait() == 0
            await vendor.until_cancelled()


async def test_a_second_signal_does_not_wait(tmp_path):
    async with SimulatedVendor() as vendor:
        vendor.always(Fault.silence())
        async with (
            process(tmp_path, RULES.format(base=vendor.base)) as proxy,
            aiohttp.ClientSession() as http,
        ):
            asking = asyncio.create_task(http.post(f"{proxy.base}/v1/chat/completions", json=BODY))
            await vendor.until_requests(1)
            proxy.child.send_signal(signal.SIGTERM)

            async def draining() -> bool:
                async with http.get(f"{proxy.admin}/readyz") as answer:
                    return answer.status == 503

            await until(draining)
            proxy.child.send_signal(signal.SIGTERM)
            assert await proxy.child.wait() == 0
            with pytest.raises(aiohttp.ClientError):
                await asking


async def test_an_idle_proxy_ends_at_once(tmp_path):
    async with process(tmp_path, RULES.format(base="http://127.0.0.1:9")) as proxy:
        proxy.child.send_signal(signal.SIGINT)
        out, errors = await proxy.child.communicate()
        assert (proxy.child.returncode, out) == (0, b"")
        assert b"Traceback" not in errors


async def test_kept_connections_are_closed_and_the_answer_under_way_is_their_last(tmp_path):
    gate = asyncio.Event()
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        assert (await proxy.chat("v/m")).status == 200
        assert len(proxy.app.server.connections) == 1
        vendor.always(Fault.hold(gate))
        asking = asyncio.create_task(proxy.chat("v/m"))
        await vendor.until_requests(2)
        draining = asyncio.create_task(proxy.app.drain())
        await until(lambda: proxy.app.engine.draining)
        gate.set()
        answer = await asking
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        await draining
        await until(lambda: not proxy.app.server.connections)
