"""Who holds what, in common: a stand-in for the server that keeps what it is told. The real one is
in tests/e2e/test_held_over_restarts.py.
"""

from __future__ import annotations

import asyncio

import pytest

from pilotfish.core.state.holders import Holder, Holders
from pilotfish.shared import redis_holders
from pilotfish.shared.redis_holders import KEPT_S, SharedHolders

A, B = Holder("a"), Holder("b", "environment variable KEY")


class Server:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.times: set[int] = set()
        self.away = False
        self.gate: asyncio.Event | None = None
        self._asked: list[tuple[str, bytes]] = []

    def pipeline(self, transaction):
        assert transaction is False
        return self

    async def __aenter__(self):
        self._asked = []
        return self

    async def __aexit__(self, *exc):
        return False

    def set(self, key, value, ex):
        self.times.add(ex)
        self._asked.append((key, value))

    async def execute(self):
        if self.away:
            raise ConnectionError
        self.kept.update(self._asked)

    async def mget(self, keys):
        if self.gate is not None:
            await self.gate.wait()
        return [self.kept.get(key) for key in keys]


def proxy(server):
    holders = Holders()
    return holders, SharedHolders(server, holders, "p:")


async def test_what_one_proxy_noted_another_one_finds():
    server = Server()
    one, sends = proxy(server)
    other, finds = proxy(server)
    one.note(["resp_1", "resp_2"], A)
    one.note(["file-1"], B)
    assert sends.has_news
    await sends.send()
    assert not sends.has_news
    await finds.find(["resp_1", "unheard-of", "file-1"])
    assert (other.of("resp_1"), other.of("file-1"), other.of("unheard-of")) == (A, B, None)
    assert not finds.has_news, "what was found is no news"
    assert server.times == {KEPT_S}
    assert set(server.kept) == {"p:held:resp_1", "p:held:resp_2", "p:held:file-1"}


async def test_what_the_server_did_not_get_is_sent_when_it_is_back():
    server = Server()
    one, sends = proxy(server)
    one.note(["resp_1", "resp_2"], A)
    server.away = True
    with pytest.raises(ConnectionError):
        await sends.send()
    server.away = False
    await sends.send()
    assert list(server.kept) == ["p:held:resp_1", "p:held:resp_2"]


async def test_a_server_that_is_away_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(redis_holders, "MOST_WAITING", 10)
    one, sends = proxy(Server())
    one.note([f"resp_{i}" for i in range(100)], A)
    await sends.send()
    assert not sends.has_news


async def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(redis_holders, "FIND_S", 0.001)
    server = Server()
    server.gate = asyncio.Event()
    _, finds = proxy(server)
    with pytest.raises(TimeoutError):
        await finds.find(["resp_1"])
