"""Answers as no vendor gives them: the client gets one whole answer or an error in its own style,
the service is judged by it, and nobody else waits.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import Proxy, proxied
from hostile.raw import answer, raw_vendor, streamed
from hostile.steps import LOOP_S
from hostile.watchdog import watched
from planted import planted

RULES = """
providers:
  o: {{kind: openai, api_base: "{base}/v1", token: {{env: KEY_ONE}}}}
rules:
  - name: chat
    services: [{{provider: o, model: m}}]
    retries: {{max_retries: 0}}
    health: {{consecutive_error_threshold: 100000, error_ratio: 1.0}}
    cooldown: {{base_delay_s: 0.001, max_delay_s: 0.001}}
    timeouts: {{first_token_s: 5, idle_s: 5, total_s: 10}}
"""
GOOD = (
    b'{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
DEEP = 100_000


def event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def delta(text: str = "x", **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text, **more}, "finish_reason": None}
    return event(json.dumps({"id": "x", "choices": [choice]}).encode())


def called(arguments: str, index: int = 0, **more: Any) -> bytes:
    call = {"index": index, "function": {"arguments": arguments, **more}}
    return delta("", tool_calls=[{**call, "id": f"c{index}"} if more else call])


STOP = event(b'{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}')
DONE = event(b"[DONE]")


def content(value: str) -> bytes:
    return GOOD.replace(b'"hello"', value.encode())


def usage(value: str) -> bytes:
    return GOOD.replace(b'"prompt_tokens":1', b'"prompt_tokens":' + value.encode())


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return HEAD + b"transfer-encoding: chunked\r\n\r\n" + framed + end


def packed(data: bytes, encoding: str = "gzip") -> bytes:
    return answer(data, f"content-encoding: {encoding}")


# The whole answer of a vendor to a request that is not streamed, and whether it can be used.
WHOLE: dict[str, tuple[bytes | Sequence[bytes], bool]] = {
    "a good one": (answer(GOOD), True),
    "in chunks": (chunked(GOOD[:9], GOOD[9:]), True),
    "until the connection ends": (HEAD + b"\r\n" + GOOD, True),
    "in compression": (packed(gzip.compress(GOOD)), True),
    "nothing at all": (b"", False),
    "half a head": (b"HTTP/1.1 200 OK\r\ncontent-le", False),
    "another protocol": (b"SSH-2.0-OpenSSH\r\n", False),
    "status 000": (b"HTTP/1.1 000 X\r\n\r\n", False),
    "status 042": (b"HTTP/1.1 042 X\r\ncontent-length: 0\r\n\r\n", False),
    "status 600": (answer(GOOD, status="600 X"), False),
    "status 999": (answer(GOOD, status="999 X"), False),
    "status 101": (b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", False),
    "interim answers without end": (b"HTTP/1.1 103 X\r\n\r\n" * 20_000, False),
    "status 204": (b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n", False),
    "status 304": (b"HTTP/1.1 304 X\r\nconnection: close\r\n\r\n", False),
    "a redirect": (answer(b"", "location: http://169.254.169.254/", status="307 X"), False),
    "a head of a megabyte": (HEAD + b"x: " + b"y" * 2**20 + b"\r\n\r\n", False),
    "200,000 headers": (HEAD + b"x: y\r\n" * 200_000 + b"\r\n", False),
    "two lengths": (HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab", False),
    "length and chunks": (HEAD + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", False),
    "a length that is too long": (HEAD + b"content-length: 9999\r\n\r\n" + GOOD, False),
    "a length of 65 bits": (HEAD + b"content-length: 99999999999999999999\r\n\r\n", False),
    "a bad chunk": (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", False),
    "chunks that do not end": (chunked(GOOD, end=b""), False),
    "a trailer of a megabyte": (chunked(GOOD, end=b"0\r\nx: " + b"y" * 2**20 + b"\r\n\r\n"), False),
    "two answers": (answer(GOOD) + answer(GOOD), True),
    "bytes behind the answer": (answer(GOOD) + b"x" * 100_000, True),
    "gzip of nothing": (packed(gzip.compress(b"")), False),
    "gzip that is none": (packed(b"nothing"), False),
    "half a gzip": (packed(gzip.compress(GOOD)[:-12]), False),
    "gzip that grows without end": (packed(gzip.compress(b" " * 2**26)), False),
    "gzip and bytes behind it": (packed(gzip.compress(GOOD) + b"x" * 1000), True),
    "a megabyte behind gzip": (packed(gzip.compress(GOOD) + b"x" * 2**20), False),
    "deflate": (packed(zlib.compress(GOOD), "deflate"), True),
    "br": (packed(b"\x8b", "br"), False),
    "gzip twice": (packed(gzip.compress(gzip.compress(GOOD)), "gzip, gzip"), False),
    "an empty body": (answer(b""), False),
    "no JSON": (answer(b"<html>sign in</html>", kind="text/html"), False),
    "half of the JSON": (answer(GOOD[:-9]), False),
    "null": (answer(b"null"), False),
    "a text": (answer(b'"hello"'), False),
    "lists within lists": (answer(b"[" * DEEP), False),
    "objects within objects": (answer(b'{"a":' * DEEP), False),
    "lists within a field": (answer(content("[" * DEEP + "]" * DEEP)), False),
    "no UTF-8": (answer(GOOD.replace(b"hello", b"\xff\xfe")), False),
    "lone surrogates": (answer(GOOD.replace(b"hello", b"\\ud800")), False),
    "an error under status 200": (answer(b'{"error": {"message": "no"}}'), False),
    "an error without words": (answer(b"", status="500 X"), False),
    "an error of a megabyte": (answer(b"x" * 2**20, status="500 X"), False),
    "an error of deep JSON": (answer(b'{"error":' * DEEP, status="400 X"), False),
    "an error that quotes the key": (answer(b'{"error":{"message":"KEY"}}', status="401 X"), False),
    "a wait of a century": (answer(b"{}", "retry-after: 9999999999", status="429 X"), False),
    "a wait of words": (answer(b"{}", "retry-after: soon", status="503 X"), False),
    "a wait below nothing": (answer(b"{}", "retry-after: -5", status="429 X"), False),
    "limits of nonsense": (answer(GOOD, "x-ratelimit-remaining-requests: -1e99", "x-ratelimit-reset-requests: NaN"), True),
    "headers that echo": (answer(GOOD, "x-debug: authorization: Bearer KEY", "authorization: Bearer KEY"), True),
    "headers for browsers": (answer(GOOD, "refresh: 0; url=//x", "clear-site-data: *", "set-cookie: a=b"), True),
    "a header with a bare line end": (HEAD + b"x: a\nb: c\r\n\r\n", False),
}  # fmt: skip
# Those that say nothing of use to a client of another style, but are whole to one of the same.
ODD: dict[str, bytes] = {
    "no choices": answer(b"{}"),
    "a list": answer(b"[]"),
    "choices that are none": answer(b'{"choices": "x"}'),
    "content that is a number": answer(content("5")),
    "content that is an object": answer(content('{"a": [1]}')),
    "counts of words": answer(usage('"many"')),
    "counts below nothing": answer(usage("-5")),
    "counts of 100 digits": answer(usage("9" * 100)),
    "counts that are lists": answer(usage("[1]")),
    "counts of a broken number": answer(usage("1.5e400")),
    "a million choices": answer(b'{"choices":[' + b"{}," * 300_000 + b"{}]}"),
    "a reply of four megabytes": answer(content(json.dumps("x" * 2**22))),
}
# The events of a stream, and whether its end is a good one.
STREAMS: dict[str, tuple[tuple[bytes, ...], bool]] = {
    "a good one": ((delta(), STOP, DONE), True),
    "one byte at a time": (tuple(bytes([b]) for b in delta() + STOP + DONE), True),
    "nothing": ((), False),
    "no end": ((delta(),), False),
    "an end and more": ((delta(), STOP, DONE, delta("more")), True),
    "events that are no JSON": ((delta(), event(b"nothing"), STOP, DONE), True),
    "events that are lists": ((delta(), event(b"[]"), STOP, DONE), True),
    "events that are deep": ((delta(), event(b"[" * DEEP), STOP, DONE), True),
    "an error event": ((delta(), event(b'{"error": {"message": "KEY"}}')), False),
    "an event of four megabytes": ((event(b'"' + b"x" * 2**22 + b'"'), STOP, DONE), False),
    "a line that never ends": ((b"data: " + b"x" * 2**22,), False),
    "a megabyte of line ends": ((delta(), b"\n" * 2**20, STOP, DONE), True),
    "a megabyte of comments": ((delta(), b":\n\n" * 300_000, STOP, DONE), False),
    "100,000 empty events": ((delta(), b"data:\n\n" * 100_000, STOP, DONE), False),
    "carriage returns": ((delta().replace(b"\n", b"\r"), STOP, DONE), True),
    "fields that there are not": ((b"x: y\n" * 10_000, delta(), STOP, DONE), True),
    "a thousand choices": ((event(b'{"choices":[' + b'{"index":1,"delta":{}},' * 1000 + b"{}]}"), delta(), STOP, DONE), True),
    "calls in 20,000 fragments": ((called("", 0, name="f"), called("", 1, name="g"), *(called("x", i % 2) for i in range(20_000)), STOP, DONE), True),
    "8,000 calls at once": ((*(called("", i, name="f") for i in range(8_000)), *(called("{}", i) for i in range(8_000)), STOP, DONE), True),
    "a call of negative index": ((called("{}", -1, name="f"), STOP, DONE), True),
    "a call of index 10^30": ((event(b'{"choices":[{"index":0,"delta":{"tool_calls":[{"index":%d,"id":"c","function":{"name":"f","arguments":"{}"}}]}}]}' % 10**30), STOP, DONE), True),
    "content that is a number": ((event(b'{"choices":[{"index":0,"delta":{"content":5}}]}'), STOP, DONE), True),
    "a stream within JSON": ((GOOD,), False),
}  # fmt: skip


def test_the_tables_are_as_long_as_they_are_said_to_be() -> None:
    assert len(WHOLE) + len(ODD) + len(STREAMS) >= 80


async def asks(proxy: Proxy, style: str, stream: bool) -> Any:
    path = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}[style]
    said = [{"role": "user", "content": "x"}]
    return await proxy.post(
        path, {"model": "m", "messages": said, "max_tokens": 9, "stream": stream}
    )


def checked(told: Any, what: str, wrong: list[str]) -> None:
    """What holds of every answer."""
    shown = told.body + repr(told.headers).encode()
    if planted("one").encode() in shown:
        wrong.append(f"{what}: the key is in it")
    for name in ("location", "refresh", "clear-site-data", "set-cookie", "authorization"):
        if name in told.headers:
            wrong.append(f"{what}: {name} came through")
    if told.status >= 400 and not told.body:
        wrong.append(f"{what}: nobody is told why")


@pytest.fixture
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ONE", planted("one"))


def with_key(pieces: Sequence[bytes]) -> tuple[bytes, ...]:
    """The length is that of the key, too."""
    key = planted("one").encode()
    made = []
    for piece in pieces:
        if b"KEY" in piece and b"content-length" in piece:
            head, _, body = piece.partition(b"\r\n\r\n")
            grown = body.replace(b"KEY", key)
            lengths = b"content-length: %d" % len(body), b"content-length: %d" % len(grown)
            made.append(head.replace(*lengths).replace(b"KEY", key) + b"\r\n\r\n" + grown)
        else:
            made.append(piece.replace(b"KEY", key))
    return tuple(made)


@pytest.mark.interpreted
@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("style", ["openai", "anthropic"])
async def test_an_answer_of_one_piece(tmp_path: Path, style: str) -> None:
    wrong: list[str] = []
    async with raw_vendor() as vendor, proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        table = {**WHOLE, **{what: (given, True) for what, given in ODD.items()}}
        for what, (given, good) in table.items():
            vendor.answer = with_key([given] if isinstance(given, bytes) else given)
            for _ in range(3):  # the quickest of them, where a machine has much else to do
                await proxy.admin("/reset", {"all": True})
                with watched() as dog:
                    told = await asks(proxy, style, stream=False)
                if dog.longest_s < LOOP_S:
                    break
            checked(told, what, wrong)
            if what not in ODD and (told.status == 200) != good:
                wrong.append(f"{what}: {told.status} {told.body[:200]!r}")
            print(f"{what}: {told.status}, {dog.report()}")
            if dog.longest_s > LOOP_S:
                wrong.append(f"{what}: {dog.report()}")
        vendor.answer = [answer(GOOD)]
        await proxy.admin("/reset", {"all": True})
        assert (await asks(proxy, style, stream=False)).status == 200
        assert (await proxy.service("o", "m"))["in_flight"] == 0
        assert (await proxy.admin("/metrics")).status == 200
    assert not wrong, "\n".join(wrong)


ENDS = {"openai": "[DONE]", "anthropic": "message_stop"}


@pytest.mark.interpreted
@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("style", ["openai", "anthropic"])
async def test_an_answer_that_is_streamed(tmp_path: Path, style: str) -> None:
    wrong: list[str] = []
    async with raw_vendor() as vendor, proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        for what, (events, good) in STREAMS.items():
            vendor.answer = with_key([streamed(), *events])
            for _ in range(3):  # the quickest of them, where a machine has much else to do
                await proxy.admin("/reset", {"all": True})
                with watched() as dog:
                    told = await asks(proxy, style, stream=True)
                if dog.longest_s < LOOP_S:
                    break
            checked(told, what, wrong)
            ends = told.status == 200 and ENDS[style] in told.text and '"error"' not in told.text
            if ends != good:
                wrong.append(f"{what}: {told.status} {told.body[-300:]!r}")
            print(f"{what}: {told.status}, {dog.report()}")
            if dog.longest_s > LOOP_S:
                wrong.append(f"{what}: {dog.report()}")
        assert (await proxy.service("o", "m"))["in_flight"] == 0
    assert not wrong, "\n".join(wrong)
