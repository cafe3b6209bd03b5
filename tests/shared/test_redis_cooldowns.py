"""Cooldowns in common: what a proxy sends, and what it makes of what others have sent.

The server is a stand-in with the script's meaning and a clock that a test turns; the script itself
runs on a real one in test_redis_limits.py.
"""

from __future__ import annotations

import json

import pytest

from fleet import ledger_of, service
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.snapshot import CooldownRules, HealthRules
from pilotfish.core.state.health import COOLING, PROBING, SERVING
from pilotfish.shared.redis_cooldowns import SAME_S, SharedCooldowns


class Server:
    """One hash; times on its clock, which is `now`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.generation: str | None = None
        self.fields: dict[str, tuple[float, str]] = {}
        self.published = 0

    def register_script(self, text: str):
        return self.run

    async def run(self, keys, args):
        generation, _, *changes = args
        self.generation = self.generation or generation
        news = False
        for field, wait_ms, text in zip(*[iter(changes)] * 3, strict=True):
            if wait_ms <= 0:
                news = self.fields.pop(field, None) is not None or news
            elif field not in self.fields or self.fields[field][0] < self.now + wait_ms:
                self.fields[field] = (self.now + wait_ms, text)
                news = True
        self.published += news
        answer = [self.generation.encode()]
        for field, (until, text) in self.fields.items():
            if until > self.now:
                answer += [field.encode(), str(until - self.now).encode(), text.encode()]
        return answer


class Proxy:
    """A proxy with one service, whose clock is `offset` seconds ahead of the server's."""

    def __init__(self, server: Server, offset: float = 0.0) -> None:
        self.server, self.offset = server, offset
        self.ledger, [self.candidate], _ = ledger_of(service("m"))
        self.health = self.candidate.state.health
        self.cooldowns = SharedCooldowns(server, self.ledger, "p:")

    @property
    def now(self) -> float:
        return self.server.now / 1000 + self.offset

    def fails(self, outcome: Outcome, wait_s: float | None = None) -> None:
        self.health.failed(
            outcome,
            wait_s=wait_s,
            reason=f"it was {outcome}",
            began=self.now,
            now=self.now,
            trial=False,
            health=HealthRules(consecutive_error_threshold=1),
            cooldown=CooldownRules(),
        )

    async def exchange(self) -> bool:
        return await self.cooldowns.exchange(self.now)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def two(server) -> tuple[Proxy, Proxy]:
    return Proxy(server, 100.0), Proxy(server, 5000.0)


async def test_a_cooldown_is_taken_over_with_its_reason_whatever_the_clocks_say(two):
    one, other = two
    one.fails(Outcome.RATE_LIMITED, wait_s=30)
    await one.exchange()
    await other.exchange()
    assert (other.health.state(other.now), other.health.reason) == (COOLING, one.health.reason)
    assert other.health.until - other.now == pytest.approx(30, abs=SAME_S)
    assert other.health.retry_after_given


async def test_a_cooldown_of_our_own_making_may_be_overridden_there_as_here(two):
    one, other = two
    one.fails(Outcome.SERVER_ERROR)
    await one.exchange()
    await other.exchange()
    assert other.health.state(other.now) == COOLING
    assert not other.health.retry_after_given


async def test_refused_credentials_stay_here(two, server):
    one, _ = two
    one.fails(Outcome.AUTH_FAILED)
    assert not one.cooldowns.has_news(one.now)
    await one.exchange()
    assert server.fields == {}


async def test_what_is_agreed_is_not_sent_again(two, server):
    one, other = two
    one.fails(Outcome.RATE_LIMITED, wait_s=30)
    assert one.cooldowns.has_news(one.now)
    for proxy in (one, other, one, other):
        await proxy.exchange()
        assert not proxy.cooldowns.has_news(proxy.now)
    assert server.published == 1


async def test_a_longer_wait_replaces_a_shorter_one_and_never_the_other_way(two):
    one, other = two
    one.fails(Outcome.RATE_LIMITED, wait_s=100)
    other.fails(Outcome.RATE_LIMITED, wait_s=20)
    for proxy in (one, other, one):
        await proxy.exchange()
    for proxy in two:
        assert proxy.health.until - proxy.now == pytest.approx(100, abs=SAME_S)


async def test_who_finds_a_service_well_says_so_to_all(two, server):
    one, other = two
    one.fails(Outcome.RATE_LIMITED, wait_s=30)
    await one.exchange()
    await other.exchange()
    other.health.come_back(other.now)
    assert other.cooldowns.has_news(other.now)
    await other.exchange()
    assert server.fields == {}
    await one.exchange()
    assert one.health.state(one.now) == SERVING


async def test_a_new_failure_is_not_undone_by_an_old_recovery(two, server):
    one, other = two
    one.fails(Outcome.RATE_LIMITED, wait_s=30)
    await one.exchange()
    await other.exchange()
    one.health.come_back(one.now)
    await one.exchange()
    other.fails(Outcome.RATE_LIMITED, wait_s=300)
    await other.exchange()
    assert other.health.until - other.now == pytest.approx(300, abs=SAME_S)
    await one.exchange()
    assert one.health.state(one.now) == COOLING


async def test_the_end_of_a_cooldown_is_not_news(two, server):
    one, other = two
    one.fails(Outcome.RATE_LIMITED, wait_s=30)
    await one.exchange()
    await other.exchange()
    server.now += 31_000
    assert one.health.is_due(one.now)
    for proxy in two:
        await proxy.exchange()
        assert proxy.health.state(proxy.now) == PROBING, "a request ends it"
        assert not proxy.cooldowns.has_news(proxy.now)


async def test_a_server_that_lost_its_state_is_told_again(two, server):
    one, other = two
    assert await one.exchange() is True, "the first server"
    one.fails(Outcome.RATE_LIMITED, wait_s=30)
    assert await one.exchange() is False
    server.generation, server.fields = None, {}
    assert await one.exchange() is True
    assert one.health.state(one.now) == COOLING
    assert one.cooldowns.has_news(one.now)
    await one.exchange()
    await other.exchange()
    assert other.health.state(other.now) == COOLING


async def test_the_cooldown_of_one_key_is_shared_by_its_number(server):
    def proxy() -> Proxy:
        made = Proxy(server)
        made.candidate.state.keys[:] = [type(made.health)() for _ in range(2)]
        return made

    one, other = proxy(), proxy()
    one.health = one.candidate.state.keys[1]
    one.fails(Outcome.RATE_LIMITED, wait_s=30)
    await one.exchange()
    assert list(server.fields) == ["acme/m#1"]
    await other.exchange()
    assert [key.state(other.now) for key in other.candidate.state.keys] == [SERVING, COOLING]


async def test_a_service_that_this_proxy_does_not_know_is_left_alone(server):
    one = Proxy(server)
    text = json.dumps({"told": True, "reason": "x"})
    server.fields["other/m"] = (50_000.0, text)
    await one.exchange()
    assert one.health.state(one.now) == SERVING
    assert not one.cooldowns.has_news(one.now)
    assert "other/m" in server.fields
