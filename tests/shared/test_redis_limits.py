"""Several proxies, one Redis: a limit in common, a Retry-After that all respect, and what happens
when the server does not answer.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from structlog.testing import capture_logs

from fleet import ledger_of, provider, service, snapshot
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Limits
from pilotfish.core.model.snapshot import CooldownRules, HealthRules
from pilotfish.core.state.health import COOLING, SERVING
from pilotfish.core.state.limits import Budgets
from pilotfish.errors import StartError
from pilotfish.shared.redis_limits import LATE_S, SharedState
from redis_server import RedisServer

pytestmark = pytest.mark.redis


class Proxy:
    """One replica as far as limits and cooldowns go."""

    def __init__(self, url: str, *, per_minute: float | None = 60, window_s: float = 1.0) -> None:
        self.service = service("m", provider(limits=Limits(requests_per_minute=per_minute)))
        self.ledger, [self.candidate], _ = ledger_of(self.service)
        self.budgets = Budgets(window_s=window_s)
        self.budgets.adopt(snapshot(self.service), self.ledger)
        # Tests share two cores with others: what is tested is who decides, not how fast the machine
        # is.
        self.shared = SharedState(url, self.ledger, self.budgets, patience_s=0.5)
        self.health = self.candidate.state.health
        self.sent: list[float] = []

    async def request(self) -> bool:
        """As the engine does it; true if it was let through."""
        await self.shared.reserve([self.candidate], 0)
        now = time.monotonic()
        if self.budgets.blocked(self.candidate, 0, now) is not None:
            return False
        self.budgets.take(self.candidate, 0, now)
        self.sent.append(now)
        return True

    def fails(self, outcome: Outcome, wait_s: float | None = None) -> None:
        now = time.monotonic()
        for _ in range(3):
            self.health.failed(
                outcome,
                wait_s=wait_s,
                reason="",
                began=now,
                now=now,
                trial=False,
                health=HealthRules(),
                cooldown=CooldownRules(),
            )


async def until(true: Callable[[], bool | Awaitable[bool]]) -> None:
    """What is awaited happens on the other side of a socket, so there is no event to wait for."""
    for _ in range(4000):
        found = true()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")


@asynccontextmanager
async def running(*proxies: Proxy) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(p.shared.run()) for p in proxies]
    try:
        await until(lambda: all(p.shared.connected for p in proxies))
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with RedisServer() as found:
        yield found


async def test_four_proxies_keep_one_limit(server: RedisServer) -> None:
    """Sixty in a window (here of one second), whoever sends them, within 5 %."""
    proxies = [Proxy(server.url) for _ in range(4)]
    windows = 4

    async def press(proxy: Proxy, end: float) -> None:
        while time.monotonic() < end:
            await proxy.request()
            await asyncio.sleep(0)

    async with running(*proxies):
        start = time.monotonic()
        await asyncio.gather(*(press(p, start + windows) for p in proxies))
    sent = sorted(t for p in proxies for t in p.sent)
    assert 0.95 * 60 * windows <= len(sent) <= 1.05 * 60 * windows
    for t in sent:
        assert sum(t <= other < t + 1.0 for other in sent) <= 63
    assert sum(len(p.sent) > 0 for p in proxies) >= 2


async def test_a_proxy_alone_may_use_the_whole_limit_at_once(server: RedisServer) -> None:
    busy, idle = Proxy(server.url, window_s=60), Proxy(server.url, window_s=60)
    async with running(busy, idle):
        assert [await busy.request() for _ in range(61)] == [True] * 60 + [False]
        assert await idle.request() is False


async def test_requests_of_one_moment_share_one_call(server: RedisServer) -> None:
    proxy = Proxy(server.url, window_s=60)
    async with running(proxy):
        before = proxy.shared.calls
        assert all(await asyncio.gather(*(proxy.request() for _ in range(30))))
        assert proxy.shared.calls - before <= 5


async def test_what_was_granted_and_not_used_goes_back(server: RedisServer) -> None:
    hoarder, other = (
        Proxy(server.url, per_minute=1, window_s=60),
        Proxy(server.url, per_minute=1, window_s=60),
    )
    async with running(hoarder, other):
        await hoarder.shared.reserve([hoarder.candidate], 0)
        assert await other.request() is False
        await until(other.request)


async def test_a_proxy_that_leaves_gives_back_what_it_did_not_use(server: RedisServer) -> None:
    leaver, other = (
        Proxy(server.url, per_minute=1, window_s=60),
        Proxy(server.url, per_minute=1, window_s=60),
    )
    async with running(other):
        async with running(leaver):
            await leaver.shared.reserve([leaver.candidate], 0)
        assert await other.request() is True


async def test_tokens_are_set_right_for_all_when_the_real_usage_is_known(
    server: RedisServer,
) -> None:
    def tokens(proxy: Proxy) -> Proxy:
        proxy.service = service("m", provider(limits=Limits(tokens_per_minute=1000)))
        proxy.budgets.adopt(snapshot(proxy.service), proxy.ledger)
        return proxy

    one, two = (tokens(Proxy(server.url, window_s=60)) for _ in range(2))

    async def may(proxy: Proxy, need: int) -> bool:
        await proxy.shared.reserve([proxy.candidate], need)
        return proxy.budgets.blocked(proxy.candidate, need, time.monotonic()) is None

    async with running(one, two):
        assert await may(one, 900)
        one.budgets.take(one.candidate, 900, time.monotonic())
        assert not await may(two, 500)
        one.budgets.settle(one.candidate, 900, 100, time.monotonic())
        await until(lambda: may(two, 500))


async def test_a_retry_after_of_one_is_respected_by_all_within_100_ms(server: RedisServer) -> None:
    proxies = [Proxy(server.url) for _ in range(4)]
    delays = []
    async with running(*proxies):
        for _ in range(5):
            began = time.monotonic()
            proxies[0].fails(Outcome.RATE_LIMITED, wait_s=30)
            await until(lambda: all(p.health.state(time.monotonic()) == COOLING for p in proxies))
            delays.append(time.monotonic() - began)
            for p in proxies[1:]:
                assert p.health.retry_after_given
                assert p.health.until == pytest.approx(proxies[0].health.until, abs=0.5)
            proxies[0].health.come_back(time.monotonic())
            await until(lambda: all(p.health.state(time.monotonic()) == SERVING for p in proxies))
    assert statistics.median(delays) < 0.1


async def test_a_cooldown_after_errors_is_shared_but_may_be_overridden_when_all_are_out(
    server: RedisServer,
) -> None:
    one, two = Proxy(server.url), Proxy(server.url)
    async with running(one, two):
        one.fails(Outcome.SERVER_ERROR)
        await until(lambda: two.health.state(time.monotonic()) == COOLING)
        assert not two.health.retry_after_given
        assert not two.health.must_wait(time.monotonic())


async def test_refused_credentials_are_not_shared(server: RedisServer) -> None:
    one, two = Proxy(server.url), Proxy(server.url)
    async with running(one, two):
        one.fails(Outcome.AUTH_FAILED)
        two.fails(
            Outcome.RATE_LIMITED, wait_s=30
        )  # comes later and is shared: so the other one would have come by now
        await until(lambda: one.health.until > time.monotonic() + 20)
        assert two.health.outcome is Outcome.RATE_LIMITED


async def test_a_longer_wait_replaces_a_shorter_one_everywhere_and_never_the_other_way(
    server: RedisServer,
) -> None:
    one, two = Proxy(server.url), Proxy(server.url)
    async with running(one, two):
        one.fails(Outcome.RATE_LIMITED, wait_s=100)
        await until(lambda: two.health.state(time.monotonic()) == COOLING)
        long = two.health.until
        two.fails(Outcome.RATE_LIMITED, wait_s=200)
        await until(lambda: one.health.until > long + 50)
        assert one.health.until == pytest.approx(two.health.until, abs=0.5)


async def test_a_proxy_that_comes_later_learns_what_was_told_before(server: RedisServer) -> None:
    one, two = Proxy(server.url), Proxy(server.url)
    async with running(one):
        one.fails(Outcome.RATE_LIMITED, wait_s=100)
        third = Proxy(server.url)
        async with running(third):
            await until(lambda: third.health.state(time.monotonic()) == COOLING)
    async with running(two):
        await until(lambda: two.health.state(time.monotonic()) == COOLING)


async def test_without_a_server_each_proxy_decides_by_itself_and_nobody_waits() -> None:
    proxy = Proxy("unix:///nowhere/at/all")
    with capture_logs() as logs:
        task = asyncio.create_task(proxy.shared.run())
        await until(lambda: bool(logs))
        assert [await proxy.request() for _ in range(61)] == [True] * 60 + [False]
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert [line["log_level"] for line in logs] == ["warning"], (
        "once, not at every attempt to connect"
    )


async def test_a_server_that_stops_leaves_each_to_itself_and_is_found_again_empty(
    server: RedisServer,
) -> None:
    one, two = Proxy(server.url, window_s=60), Proxy(server.url, window_s=60)
    async with running(one, two):
        assert await one.request()
        one.fails(Outcome.RATE_LIMITED, wait_s=300)
        await until(lambda: two.health.state(time.monotonic()) == COOLING)
        await server.stop()
        await until(lambda: not one.shared.connected and not two.shared.connected)
        assert await one.request()
        await server.start()
        await until(lambda: one.shared.connected and two.shared.connected)
        third = Proxy(server.url, window_s=60)
        async with running(third):
            await until(lambda: third.health.state(time.monotonic()) == COOLING)
        assert (one.health.state(time.monotonic()), two.health.state(time.monotonic())) == (
            COOLING,
            COOLING,
        ), "an empty server takes nothing back"
        used = 0
        while await two.request():
            used += 1
        assert used == 58, "what was used while it was away has been reported"


async def test_a_frozen_server_costs_a_request_its_patience_once_and_the_local_window_decides(
    server: RedisServer,
) -> None:
    proxy = Proxy(server.url, window_s=60)
    async with running(proxy):
        assert await proxy.request()
        server.freeze()
        proxy.shared.patience_s = 0.01
        assert [await proxy.request() for _ in range(60)] == [True] * 59 + [False]
        assert proxy.shared.calls < 10, f"after a late answer nobody waits for {LATE_S} s"
        server.thaw()
        await until(lambda: proxy.shared.connected)


async def test_limits_of_new_rules_are_shared_too(server: RedisServer) -> None:
    one, two = (
        Proxy(server.url, per_minute=None, window_s=60),
        Proxy(server.url, per_minute=None, window_s=60),
    )
    async with running(one, two):
        for p in (one, two):
            p.service = service("m", provider(limits=Limits(requests_per_minute=5)))
            p.budgets.adopt(snapshot(p.service), p.ledger)
        let = [await p.request() for p in (one, two) * 10]
        assert sum(let) == 5


async def test_nothing_is_left_behind_when_it_stops(server: RedisServer) -> None:
    async with AsyncExitStack() as stack:
        proxies = [Proxy(server.url) for _ in range(3)]
        await stack.enter_async_context(running(*proxies))
        await asyncio.gather(*(p.request() for p in proxies for _ in range(10)))
    assert {t.get_name() for t in asyncio.all_tasks()} & {
        "shared limits",
        "shared cooldowns",
    } == set()
    assert all(m.pool is None for p in proxies for m in p.budgets.meters().values())


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://somewhere", "begins with 'http', expected redis://"),
        ("", "begins with 'nothing'"),
        ("redis://h:port", "a port that is not a number"),
        ("redis://h:1/?socket_timeout=soon", "cannot be read beyond h:1"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_at_the_start(url: str, problem: str) -> None:
    ledger, _, _ = ledger_of(service("m"))
    with pytest.raises(StartError, match=problem):
        SharedState(url, ledger, Budgets())


def test_the_password_of_the_address_is_in_no_log() -> None:
    ledger, _, _ = ledger_of(service("m"))
    assert (
        SharedState("redis://user:hush@10.0.0.1:6380/0", ledger, Budgets()).address
        == "10.0.0.1:6380"
    )
