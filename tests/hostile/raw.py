"""Both ends of the wire as plain bytes: a vendor that answers what it is told to, and a client that
sends what no library would.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class RawVendor:
    """`answer` in its pieces for every request, then the connection is closed. `heads` and `bodies`
    are what it was asked.
    """

    def __init__(self, *answer: bytes) -> None:
        self.answer: Sequence[bytes] = answer
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.base = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(head)
            self.heads.append(head)
            self.bodies.append(await reader.readexactly(int(length[1]) if length else 0))
            for piece in self.answer:
                writer.write(piece)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def raw_vendor(*answer: bytes) -> AsyncIterator[RawVendor]:
    vendor = RawVendor(*answer)
    server = await asyncio.start_server(vendor.talk, "127.0.0.1", 0, limit=2**26)
    host, port = server.sockets[0].getsockname()
    vendor.base = f"http://{host}:{port}"
    async with server:
        yield vendor


def answer(
    body: bytes, *head: str, status: str = "200 OK", kind: str = "application/json"
) -> bytes:
    """An answer with its length."""
    lines = [
        f"HTTP/1.1 {status}",
        f"content-type: {kind}",
        *head,
        f"content-length: {len(body)}",
        "connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def streamed(*events: bytes, kind: str = "text/event-stream") -> bytes:
    """A stream that ends with its connection."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nconnection: close\r\n\r\n%b" % (
        kind.encode(),
        b"".join(events),
    )


async def said(
    base: str, *pieces: bytes, timeout_s: float = 10.0, half_closes: bool = True
) -> bytes:
    """All that the server at `base` answers to these bytes until it closes the connection. A client
    that closes its half has left.
    """
    host, _, port = base.removeprefix("http://").rpartition(":")
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(host, int(port), limit=2**26)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if half_closes:
                with suppress(OSError):
                    writer.write_eof()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()
