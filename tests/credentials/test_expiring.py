"""Tokens that expire: one fetch for all, renewal in the background, an old token kept while it is
valid.
"""

from __future__ import annotations

import asyncio

import pytest

from pilotfish.core.model.outcome import Outcome
from pilotfish.credentials.expiring import LEAD_S, MAX_RETRY_S, REFUSED_PAUSE_S, ExpiringKey, Token
from pilotfish.credentials.keys import CredentialError


class Source:
    """Gives tokens; `gate` holds them back, `error` is raised instead."""

    def __init__(self, clock, lifetime_s: float | None = 3600.0) -> None:
        self.clock, self.lifetime_s = clock, lifetime_s
        self.asked = 0
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def get(self) -> Token:
        self.asked += 1
        n = self.asked
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return Token(
            f"hush-{n}", None if self.lifetime_s is None else self.clock() + self.lifetime_s
        )


@pytest.fixture
def source(clock):
    return Source(clock)


@pytest.fixture
async def key(source, context):
    made = ExpiringKey("token of p", source.get, context)
    yield made
    await made.close()


def bearer(n: int):
    return ((b"authorization", f"Bearer hush-{n}".encode()),)


async def settled(key: ExpiringKey) -> None:
    """Waits for the fetch under way."""
    if key._fetching is not None:
        await asyncio.shield(key._fetching)


async def test_two_hundred_requests_without_a_token_cause_one_fetch(key, source):
    source.gate.clear()
    assert key.headers(None) is None
    waiting = [asyncio.create_task(key.fetch()) for _ in range(200)]
    await asyncio.sleep(0)
    source.gate.set()
    await asyncio.gather(*waiting)
    assert source.asked == 1
    assert key.headers(None) == bearer(1)
    assert key.headers(None) is key.headers(None)


async def test_one_of_the_waiting_may_leave_without_harm_to_the_others(key, source):
    source.gate.clear()
    leaving, staying = asyncio.create_task(key.fetch()), asyncio.create_task(key.fetch())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    source.gate.set()
    await staying
    assert leaving.cancelled()
    assert source.asked == 1


async def test_a_token_is_renewed_before_it_expires_while_requests_go_on_with_the_old_one(
    key, source, clock
):
    await key.fetch()
    clock.now += 3600 - LEAD_S
    source.gate.clear()
    assert key.headers(None) == bearer(1)
    assert key.headers(None) == bearer(1)
    source.gate.set()
    await settled(key)
    assert source.asked == 2
    assert key.headers(None) == bearer(2)


async def test_a_renewal_that_fails_is_invisible_while_the_old_token_is_valid(key, source, clock):
    await key.fetch()
    clock.now += 3600 - LEAD_S
    source.error = CredentialError(Outcome.CONNECT_FAILED, "no route")
    assert key.headers(None) == bearer(1)
    await settled(key)
    assert key.headers(None) == bearer(1)
    assert source.asked == 2, "the failed fetch is not repeated by every request"
    clock.now += 5
    source.error = None
    assert key.headers(None) == bearer(1)
    await settled(key)
    assert key.headers(None) == bearer(3)


async def test_in_an_outage_the_endpoint_is_asked_ever_more_seldom(key, source, clock):
    source.error = CredentialError(Outcome.CONNECT_FAILED, "no route")
    for _ in range(200):
        with pytest.raises(CredentialError, match="no route"):
            await key.fetch()
    assert source.asked == 1
    for _ in range(600):
        clock.now += 1
        with pytest.raises(CredentialError, match="no route"):
            await key.fetch()
    assert source.asked < 20
    clock.now += MAX_RETRY_S * 1.1
    source.error = None
    await key.fetch()
    assert key.headers(None) is not None


async def test_an_expired_token_is_not_sent(key, source, clock):
    await key.fetch()
    clock.now += 3600
    assert key.headers(None) is None
    source.error = CredentialError(Outcome.AUTH_FAILED, "refused")
    with pytest.raises(CredentialError, match="refused"):
        await key.fetch()
    assert key.headers(None) is None


async def test_a_token_that_has_expired_when_it_comes_is_told_as_such(key, source):
    source.lifetime_s = -5.0
    with pytest.raises(CredentialError, match="had expired already"):
        await key.fetch()


async def test_a_refused_token_is_replaced_once_for_all_who_sent_it(key, source, clock):
    await key.fetch()
    sent = key.headers(None)
    assert key.refused(sent)
    assert key.headers(None) is None
    assert key.refused(sent), "the second one to learn of it"
    await key.fetch()
    assert key.headers(None) == bearer(2)
    assert key.refused(sent), "a latecomer: the new token is at hand, and stays"
    assert key.headers(None) == bearer(2)


async def test_an_account_that_is_refused_with_every_token_does_not_fetch_for_ever(
    key, source, clock
):
    await key.fetch()
    assert key.refused(key.headers(None))
    await key.fetch()
    assert not key.refused(key.headers(None))
    clock.now += REFUSED_PAUSE_S
    assert key.refused(key.headers(None))


async def test_a_token_without_an_end_is_kept(key, source, clock):
    source.lifetime_s = None
    await key.fetch()
    clock.now += 10**9
    assert key.headers(None) == bearer(1)


async def test_a_token_at_hand_is_used_first(source, context, clock):
    key = ExpiringKey("l", source.get, context, first=Token("hush-0", clock() + 3600))
    assert key.headers(None) == bearer(0)
    assert source.asked == 0
    stale = ExpiringKey("l", source.get, context, first=Token("hush-0", clock() - 1))
    assert stale.headers(None) is None
    await stale.fetch()
    assert stale.headers(None) == bearer(1)
    await key.close()
    await stale.close()


async def test_what_a_library_says_of_its_failure_is_not_repeated(key, source):
    """It may hold the secret."""
    source.error = RuntimeError("refused: client_secret=hush")
    with pytest.raises(CredentialError, match="failed with RuntimeError") as e:
        await key.fetch()
    assert "hush" not in str(e.value)


async def test_a_token_that_no_header_can_carry_is_refused(key, source, context, clock):
    async def get() -> Token:
        return Token("hush\nb", clock() + 100)

    odd = ExpiringKey("odd", get, context)
    with pytest.raises(CredentialError, match="printable"):
        await odd.fetch()


async def test_between_requests_a_used_token_is_renewed_by_a_timer(key, source, clock):
    await key.fetch()
    assert key.headers(None) == bearer(1)
    clock.now += 3600 - LEAD_S
    key._renew()
    await settled(key)
    assert source.asked == 2
    key._renew()
    await settled(key)
    assert source.asked == 2, "nobody used it since: it may lapse"


async def test_closing_ends_the_fetch_under_way(source, context):
    key = ExpiringKey("l", source.get, context)
    source.gate.clear()
    waiting = asyncio.create_task(key.fetch())
    await asyncio.sleep(0)
    await key.close()
    with pytest.raises(CredentialError, match="closed while a token was fetched"):
        await waiting


async def test_settling_waits_for_the_fetch_under_way(key, source):
    await key.settle()
    source.gate.clear()
    waiting, settling = asyncio.create_task(key.fetch()), asyncio.create_task(key.settle())
    await asyncio.sleep(0)
    assert not settling.done()
    source.gate.set()
    await settling
    await waiting
    assert key.headers(None) == bearer(1)


def test_a_token_does_not_show_its_value():
    assert "hush" not in repr(Token("hush", 1.0))
