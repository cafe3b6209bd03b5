"""Clients of five styles in virtual time: what each heard, and when.

The vendors' own libraries are used by `tests/e2e`; these clients speak HTTP by themselves, on the
network of `virtual_time`, and read answers with the readers of `pilotfish.styles`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import orjson

from pilotfish import styles
from pilotfish.core.formats.deltas import (
    End,
    Finish,
    RefusalDelta,
    StreamError,
    TextDelta,
    UsageDelta,
)
from pilotfish.core.formats.neutral import Text
from pilotfish.core.formats.style import MALFORMED
from planted import CLIENT_KEY
from virtual_time import now

STYLES = ("openai", "openai_responses", "anthropic", "google", "bedrock")
PROMPT = "hello"
MAX_TOKENS = 1000


@dataclass
class Heard:
    """What a client made of its answer. Times are seconds from the request: `contents` of each
    piece of text, `took` of the end. `ended`: properly, as the style has it. `error`: in words,
    from an error answer or an error event; `broken_off`: the connection ended before the answer.
    """

    status: int = 0
    text: str = ""
    ended: bool = False
    error: str = ""
    broken_off: bool = False
    finish: str = ""
    usages: list[tuple[int, int]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    contents: list[float] = field(default_factory=list)
    malformed: int = 0
    took: float = 0.0

    @property
    def waited(self) -> float:
        """The longest time without anything new, from the request to the end."""
        moments = [0.0, *self.contents, self.took]
        return max(b - a for a, b in pairwise(moments))


def request_of(style: str, model: str, stream: bool) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Path, body and headers of a request for a short text."""
    turns = [{"role": "user", "content": PROMPT}]
    if style == "openai":
        body = {"model": model, "messages": turns, "stream": stream}
        if stream:
            body["stream_options"] = {"include_usage": True}
        return "/v1/chat/completions", body, {}
    if style == "openai_responses":
        return "/v1/responses", {"model": model, "input": PROMPT, "stream": stream}, {}
    if style == "anthropic":
        body = {"model": model, "messages": turns, "max_tokens": MAX_TOKENS, "stream": stream}
        return "/v1/messages", body, {"anthropic-version": "2023-06-01"}
    if style == "google":
        contents = [{"role": "user", "parts": [{"text": PROMPT}]}]
        call = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{model}:{call}", {"contents": contents}, {}
    messages = [{"role": "user", "content": [{"text": PROMPT}]}]
    call = "converse-stream" if stream else "converse"
    return f"/model/{model}/{call}", {"messages": messages}, {}


class Asking(asyncio.Protocol):
    """One request on a connection of its own."""

    def __init__(self, style: str, model: str, stream: bool) -> None:
        self.heard = Heard()
        self.over: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        self._style, self._stream = styles.get(style), stream
        path, body, headers = request_of(style, model, stream)
        data = orjson.dumps(body)
        head = {
            "host": "proxy",
            "content-type": "application/json",
            "content-length": str(len(data)),
            "authorization": f"Bearer {CLIENT_KEY}",
            "connection": "close",
            **headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self._request = f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + data
        self._raw = b""
        self._body = b""
        self._headers_read = False
        self._decoder = self._style.event_decoder()
        self._reader = self._style.stream_reader()
        self._began = now()

    # ---- asyncio

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._raw += data
        if not self._headers_read:
            head, found, rest = self._raw.partition(b"\r\n\r\n")
            if not found:
                return
            self._read_head(head)
            self._raw = rest
        self._read_body()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.heard.broken_off = not self._headers_read or not self._is_complete()
            self._finish()

    def leave(self) -> None:
        self._transport.abort()

    # ---- the answer

    def _read_head(self, head: bytes) -> None:
        self._headers_read = True
        first, *lines = head.decode("latin-1").split("\r\n")
        heard = self.heard
        heard.status = int(first.split(" ")[1])
        heard.headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        self._chunked = heard.headers.get("transfer-encoding") == "chunked"
        self._last_chunk = False

    def _is_complete(self) -> bool:
        if self._chunked:
            return self._last_chunk
        return len(self._body) >= int(self.heard.headers.get("content-length", "0"))

    def _read_body(self) -> None:
        if not self._chunked:
            self._body += self._raw
            self._raw = b""
            if self._is_complete():
                self._finish()
            return
        while b"\r\n" in self._raw and not self._last_chunk:
            size, _, rest = self._raw.partition(b"\r\n")
            length = int(size, 16)
            if len(rest) < length + 2:
                return
            self._last_chunk = length == 0
            piece, self._raw = rest[:length], rest[length + 2 :]
            self._body += piece
            if self._stream and self.heard.status == 200:
                self._read_events(piece)
        if self._last_chunk:
            self._finish()

    def _read_events(self, piece: bytes) -> None:
        heard = self.heard
        for event in self._decoder.feed(piece):
            for delta in self._reader.feed(event):
                if isinstance(delta, TextDelta | RefusalDelta) and delta.text:
                    heard.text += delta.text
                    heard.contents.append(now() - self._began)
                elif isinstance(delta, StreamError):
                    heard.error = delta.error.message
                elif isinstance(delta, Finish):
                    heard.finish = str(delta.reason)
                elif isinstance(delta, UsageDelta):
                    heard.usages = [(delta.usage.input, delta.usage.output)]
                elif isinstance(delta, End):
                    heard.ended = True

    def _finish(self) -> None:
        heard = self.heard
        heard.took = now() - self._began
        if self._headers_read and not heard.broken_off:
            if heard.status != 200:
                heard.error = self._style.read_error(heard.status, self._body, "").message
            elif not self._stream:
                self._read_whole()
            elif heard.finish and not heard.error and self._style.name in _WITHOUT_TERMINAL_EVENT:
                heard.ended = True
        if not self.over.done():
            self.over.set_result(heard)
        self._transport.close()

    def _read_whole(self) -> None:
        heard = self.heard
        inspector = self._style.inspector()
        if inspector.reply(self._body) & MALFORMED:
            heard.malformed += 1
            return
        reply = self._style.read_reply(self._body)
        heard.text = "".join(part.text for part in reply.parts if isinstance(part, Text))
        heard.finish = str(reply.finish)
        heard.ended = True
        if reply.usage is not None:
            heard.usages = [(reply.usage.input, reply.usage.output)]


# Gemini's streams end with HTTP, and Bedrock's with `metadata`, which has no name of an end.
_WITHOUT_TERMINAL_EVENT = {"google", "bedrock"}


async def ask(port: int, style: str, model: str, *, stream: bool) -> Heard:
    """One request, and all that was heard of its answer."""
    loop = asyncio.get_running_loop()
    _, asking = await loop.create_connection(
        lambda: Asking(style, model, stream), "127.0.0.1", port
    )
    assert isinstance(asking, Asking)
    return await asking.over


async def begin(port: int, style: str, model: str, *, stream: bool) -> Asking:
    """A request whose client may leave."""
    loop = asyncio.get_running_loop()
    _, asking = await loop.create_connection(
        lambda: Asking(style, model, stream), "127.0.0.1", port
    )
    assert isinstance(asking, Asking)
    return asking


async def get(port: int, path: str) -> bytes:
    """The body of an answer of the admin port."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    class Getting(asyncio.Protocol):
        raw = b""

        def connection_made(self, transport: Any) -> None:
            transport.write(
                f"GET {path} HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\r\n".encode()
            )

        def data_received(self, data: bytes) -> None:
            self.raw += data

        def connection_lost(self, exc: Exception | None) -> None:
            done.set_result(self.raw.partition(b"\r\n\r\n")[2])

    await loop.create_connection(Getting, "127.0.0.1", port)
    return await done


async def get_json(port: int, path: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = orjson.loads(await get(port, path))
    return found
