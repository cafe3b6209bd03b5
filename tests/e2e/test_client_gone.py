"""A client that leaves takes its request with it: upstream tokens cost money whether anybody reads
them or not.
"""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from harness import proxied, until
from pilotfish.simulated import Fault

RULES = """
providers: {{v: {{kind: {kind}, api_base: {base}, no_key_required: true}}}}
rules: [{{name: r, request_model: m, services: [{{provider: v, model: sim-n20}}]}}]
"""
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize(("kind", "path"), [("openai", "/v1"), ("anthropic", "")])
async def test_leaving_in_mid_stream_ends_the_upstream_request_and_counts_its_tokens(
    tmp_path, vendor, kind, path
):
    """Same style, and translated: the proxy speaks OpenAI's to the client in both."""
    vendor.always(Fault.hold(asyncio.Event(), percent=50))
    async with proxied(tmp_path, RULES.format(kind=kind, base=vendor.base + path)) as proxy:
        async with aiohttp.ClientSession() as http:
            answer = await http.post(
                f"{proxy.base}/v1/chat/completions", json={**BODY, "stream": True}
            )
            read = b""
            while b"sharks" not in read:
                read += await answer.content.readany()
            left = asyncio.get_running_loop().time()
            answer.close()
            await vendor.until_cancelled()
        assert vendor.cancelled[0].left - left < 0.1
        await proxy.settled()
        record = proxy.record()
        assert (record["error"], record["attempts"][0]["outcome"]) == ("client_gone", "client_gone")
        assert (
            record["output_tokens"] > 0,
            record["input_tokens"] > 0,
            record["usage_estimated"],
        ) == (True, True, True)
        assert await proxy.metric("pilotfish_client_gone_total", rule="r") == 1
        assert (
            await proxy.metric("pilotfish_tokens_total", kind="output") == record["output_tokens"]
        )
        assert await proxy.metric("pilotfish_usage_estimated_total") == 1
        assert await proxy.metric("pilotfish_attempts_total", outcome="client_gone") == 1
        shown = await proxy.service("v", "sim-n20")
        assert (shown["state"], shown["consecutive_errors"], shown["in_flight"]) == (
            "serving",
            0,
            0,
        )


async def test_leaving_before_the_answer_ends_the_upstream_request(tmp_path, vendor):
    vendor.always(Fault.silence())
    async with proxied(tmp_path, RULES.format(kind="openai", base=f"{vendor.base}/v1")) as proxy:
        asking = asyncio.create_task(proxy.chat("m"))
        await vendor.until_requests(1)
        asking.cancel()
        await vendor.until_cancelled()
        await until(lambda: not proxy.app.engine.in_flight)
        assert proxy.record()["attempts"][0]["outcome"] == "client_gone"
        assert proxy.record()["code"] == 499


async def test_leaving_while_a_retry_is_waited_for_asks_nobody_again(tmp_path, vendor):
    vendor.script(Fault(code=429, kind="", retry_after_ms=5_000))
    async with proxied(tmp_path, RULES.format(kind="openai", base=f"{vendor.base}/v1")) as proxy:
        asking = asyncio.create_task(proxy.chat("m"))
        await until(
            lambda: any(a.over_at for r in proxy.app.engine.in_flight for a in r.record.attempts)
        )
        asking.cancel()
        await until(lambda: not proxy.app.engine.in_flight)
        assert len(vendor.requests) == 1
        assert proxy.record()["error"] == "client_gone"
