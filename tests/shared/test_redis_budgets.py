"""A budget of a day is that of all replicas together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.shared.redis_limits import SharedState
from redis_server import RedisServer
from shared.test_redis_limits import until
from small_world import TWO_PROVIDERS, compiled

pytestmark = pytest.mark.redis

RULES = """
rules:
- name: chat
  services: [{provider: openai, model: m}]
  budgets: {usd_per_day: 10, tokens_per_day: 1000000, action: reject}
"""


class Replica:
    def __init__(self, url: str) -> None:
        ledger, self.budgets = Ledger(), Budgets()
        rules = compiled(TWO_PROVIDERS, RULES)
        ledger.adopt(rules)
        self.budgets.adopt(rules, ledger)
        self.shared = SharedState(url, ledger, self.budgets)

    def spends(self, usd: float) -> None:
        self.budgets.spending.add("chat", "openai", usd, 100, time.monotonic())

    def is_blocked(self) -> bool:
        return self.budgets.spending.blocked("chat", "openai", time.monotonic()) is not None

    def used(self) -> float:
        return self.budgets.spending.states(time.monotonic())[0].used


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with RedisServer() as made:
        yield made


@asynccontextmanager
async def running(*replicas: Replica) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for replica in replicas:
            task = asyncio.create_task(replica.shared.run())
            stack.push_async_callback(ended, task)
        await until(lambda: all(r.shared.connected for r in replicas))
        yield


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_what_one_spends_is_spent_for_all_also_for_one_that_spends_nothing(
    server: RedisServer,
) -> None:
    one, two, idle = Replica(server.url), Replica(server.url), Replica(server.url)
    async with running(one, two, idle):
        one.spends(6.0)
        two.spends(4.5)
        await until(one.is_blocked)
        await until(two.is_blocked)
        await until(idle.is_blocked)
        assert one.used() == pytest.approx(10.5)


async def test_a_replica_that_starts_anew_knows_what_was_spent(server: RedisServer) -> None:
    async with running(first := Replica(server.url)):
        first.spends(12.0)
        second = Replica(server.url)
        async with running(second):
            await until(second.is_blocked)


async def test_an_empty_server_is_told_what_each_has_spent(server: RedisServer) -> None:
    one, two = Replica(server.url), Replica(server.url)
    async with running(one, two):
        one.spends(6.0)
        two.spends(6.0)
        await until(lambda: one.is_blocked() and two.is_blocked())
        await server.stop()
        await until(lambda: not one.shared.connected and not two.shared.connected)
        await server.start()
        await until(lambda: one.shared.connected and two.shared.connected)
        third = Replica(server.url)
        async with running(third):
            await until(lambda: abs(third.used() - 12.0) < 0.001)
