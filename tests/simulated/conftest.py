"""A client that sees bytes: what came over the connection and how it ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import orjson
import pytest

from pilotfish.simulated import SimulatedVendor

USER = [{"role": "user", "content": "hello"}]
CHAT = "/v1/chat/completions"


def http_request(path: str, body: object, **headers: str) -> bytes:
    """A POST with a JSON body."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = [
        f"POST {path} HTTP/1.1",
        "host: x",
        f"content-length: {len(data)}",
        *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + data


@dataclass
class Raw:
    """A connection to a vendor."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, path: str, body: object, **headers: str) -> None:
        self.writer.write(http_request(path, body, **headers))
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        raw = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        return int(raw[0].split()[1]), dict(line.split(": ", 1) for line in raw[1:] if line)

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty for the last one."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def rest(self) -> bytes:
        """Everything until the server ends the connection; ConnectionResetError where it does so
        rudely.
        """
        return await self.reader.read()


@pytest.fixture
async def vendor():
    async with SimulatedVendor() as vendor:
        yield vendor


@pytest.fixture
async def connect():
    """Opens raw connections to a vendor, closed after the test."""
    opened = []

    async def open_one(vendor: SimulatedVendor) -> Raw:
        port = int(vendor.base.rpartition(":")[2])
        raw = Raw(*await asyncio.open_connection("127.0.0.1", port))
        opened.append(raw)
        return raw

    yield open_one
    for raw in opened:
        raw.writer.transport.abort()


@pytest.fixture
def streamed(vendor, connect):
    """Asks for a stream of a model, and gives the head and the connection."""

    async def ask(
        model: str, *, path: str = CHAT, **body: object
    ) -> tuple[int, dict[str, str], Raw]:
        raw = await connect(vendor)
        await raw.send(path, {"model": model, "messages": USER, "stream": True, **body})
        status, headers = await raw.head()
        return status, headers, raw

    return ask
