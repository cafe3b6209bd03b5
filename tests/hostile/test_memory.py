"""Many large bodies at once: what the proxy holds of them is bounded, and given back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from harness import Proxy, proxied
from hostile.raw import answer, raw_vendor, said
from http1.parties import settle

RULES = """
providers:
  o: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}
rules:
  - {{name: chat, services: [{{provider: o, model: m}}], retries: {{max_retries: 0}}}}
"""
REPLY = answer(
    b'{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"x"},'
    b'"finish_reason":"stop"}]}'
)
KIB = 1024
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"


def held(proxy: Proxy) -> int:
    return proxy.app.server.buffered_bytes


def body(size: int) -> bytes:
    text = b'{"model": "m", "messages": [{"role": "user", "content": "%b"}]}'
    return text % (b"x" * (size - len(text) + 2))


async def half_sent(proxy: Proxy, size: int, sent: int) -> Any:
    """A request whose body does not go on; returns what its client reads and writes with."""
    host, _, port = proxy.base.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    before = held(proxy)
    writer.write(POST % size + body(size)[:sent])
    while sent < size and held(proxy) < before + sent:
        await settle()
    return reader, writer


async def test_bodies_beyond_the_bound_are_refused_and_those_within_it_served(
    tmp_path: Path,
) -> None:
    async with (
        raw_vendor(REPLY) as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base), max_buffered_bytes=100 * KIB) as proxy,
    ):
        reader, writer = await half_sent(proxy, 60 * KIB, 50 * KIB)
        refused = await said(proxy.base, POST % (60 * KIB) + body(60 * KIB))
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 1\r\n" in refused
        assert b"102400 bytes of bodies" in refused
        assert held(proxy) == 50 * KIB
        writer.write(body(60 * KIB)[50 * KIB :])
        assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
        writer.close()
        assert (await proxy.chat("m", "x" * 60 * KIB)).status == 200
        await proxy.settled()
        assert (held(proxy), len(vendor.bodies)) == (0, 2)


async def test_what_a_client_leaves_behind_is_not_held(tmp_path: Path) -> None:
    rules = RULES.format(base="http://127.0.0.1:9")
    async with proxied(tmp_path, rules, max_buffered_bytes=100 * KIB) as proxy:
        _, writer = await half_sent(proxy, 60 * KIB, 50 * KIB)
        writer.close()
        while held(proxy):
            await settle()


async def test_what_waits_for_its_turn_is_held_too(tmp_path: Path) -> None:
    """Pipelined requests behind one that is being answered."""
    gate = asyncio.Event()

    async def vendor_waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await gate.wait()
        writer.write(REPLY)
        writer.close()

    vendor = await asyncio.start_server(vendor_waits, "127.0.0.1", 0)
    host, port = vendor.sockets[0].getsockname()
    rules = RULES.format(base=f"http://{host}:{port}")
    async with vendor, proxied(tmp_path, rules, max_buffered_bytes=64 * KIB) as proxy:
        one = POST % (10 * KIB) + body(10 * KIB)
        _, writer = await half_sent(proxy, 10 * KIB, 10 * KIB)
        writer.write(one * 3)
        while held(proxy) < 40 * KIB:
            await settle()
        gate.set()
        writer.close()
        while held(proxy):
            await settle()


async def test_a_body_that_alone_is_beyond_the_bound_is_too_large(tmp_path: Path) -> None:
    """503 would have the client try it again for ever."""
    rules = RULES.format(base="http://127.0.0.1:9")
    async with proxied(tmp_path, rules, max_buffered_bytes=10 * KIB) as proxy:
        assert (await proxy.chat("m", "x" * 20 * KIB)).status == 413
        assert held(proxy) == 0


async def test_the_room_of_large_bodies_is_given_back_to_the_system(
    tmp_path: Path, monkeypatch: Any
) -> None:
    given = asyncio.Event()

    async def give_memory_back() -> None:
        given.set()

    monkeypatch.setattr("pilotfish.app.process.give_memory_back", give_memory_back)
    monkeypatch.setattr("pilotfish.app.process.TRIMMED_BYTES", 3 * KIB * KIB)
    monkeypatch.setattr("pilotfish.app.SWEEP_S", 0.0)
    monkeypatch.setattr("pilotfish.app.LAG_S", 0.0)
    async with (
        raw_vendor(REPLY) as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        for number in (1, 2):
            assert (number == 1) or not given.is_set()
            reader, writer = await half_sent(proxy, 2 * KIB * KIB, 2 * KIB * KIB)
            assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
            writer.close()
        await given.wait()
