"""Proxies that share a Redis: one limit for all of them, and what one is told all of them obey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from harness import Proxy, proxied, until
from pilotfish.simulated import Profile, SimulatedVendor
from redis_server import RedisServer

pytestmark = pytest.mark.redis

RULES = """
providers:
  one: {{kind: openai, api_base: "{base}/v1", no_key_required: true{limits}}}
rules:
  - {{name: chat, request_model: chat, services: [{{provider: one, model: {model}}}], retries: {{max_retries: 0}}}}
"""


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    server = RedisServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def fleet(stack: AsyncExitStack, tmp_path, rules: str, url: str, count: int) -> list[Proxy]:
    proxies = []
    for i in range(count):
        folder = tmp_path / str(i)
        folder.mkdir()
        proxies.append(await stack.enter_async_context(proxied(folder, rules, redis_url=url)))
    for proxy in proxies:
        await until(lambda proxy=proxy: proxy.app.shared.connected)
        # Four proxies, a vendor and their clients on one core: here an answer may take longer than
        # a server lets it.
        proxy.app.shared.patience_s = 1.0
    return proxies


async def test_four_proxies_keep_one_limit_together(redis, tmp_path):
    async with AsyncExitStack() as stack:
        vendor = await stack.enter_async_context(SimulatedVendor(profile=Profile(chunks=1)))
        rules = RULES.format(
            base=vendor.base, model="m", limits=", limits: {requests_per_minute: 60}"
        )
        proxies = await fleet(stack, tmp_path, rules, redis.url, 4)
        codes = []
        for _ in range(25):
            codes += [a.status for a in await asyncio.gather(*(p.chat("chat") for p in proxies))]
        assert set(codes) == {200, 429}
        assert 57 <= len(vendor.requests) <= 63


async def test_a_wait_that_one_was_told_is_kept_by_all(redis, tmp_path):
    async with AsyncExitStack() as stack:
        vendor = await stack.enter_async_context(SimulatedVendor())
        rules = RULES.format(base=vendor.base, model="sim-429-ra30", limits="")
        first, second = await fleet(stack, tmp_path, rules, redis.url, 2)
        assert (await first.chat("chat")).status == 429
        state = second.app.engine.ledger.services[("one", "sim-429-ra30")]
        await until(lambda: state.health.retry_after_given, timeout_s=1.0)
        seen = len(vendor.requests)
        answer = await second.chat("chat")
        assert answer.status == 429
        assert 25 <= int(answer.headers["retry-after"]) <= 30
        assert len(vendor.requests) == seen


async def test_without_the_server_each_goes_by_its_own_figures(redis, tmp_path):
    async with AsyncExitStack() as stack:
        vendor = await stack.enter_async_context(SimulatedVendor(profile=Profile(chunks=1)))
        rules = RULES.format(
            base=vendor.base, model="m", limits=", limits: {requests_per_minute: 60}"
        )
        (proxy,) = await fleet(stack, tmp_path, rules, redis.url, 1)
        await redis.stop()
        await until(lambda: not proxy.app.shared.connected)
        assert [(await proxy.chat("chat")).status for _ in range(5)] == [200] * 5
