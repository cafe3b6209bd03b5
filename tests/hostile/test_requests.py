"""Requests as no client sends them, to a whole proxy: each gets one answer in so many words or none,
nothing of it reaches a vendor that should not, and the event loop is never held.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import Proxy, proxied
from hostile.raw import answer, raw_vendor, said
from hostile.steps import LOOP_S
from hostile.watchdog import watched

RULES = """
providers:
  o: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}
  g: {{kind: google, api_base: "{base}/v1beta", no_key_required: true}}
rules:
  - {{name: chat, request_model: "m*", services: [{{provider: o, model: m}}], retries: {{max_retries: 0}}}}
  - {{name: other, request_model: "gem*", services: [{{provider: g, model: m}}], retries: {{max_retries: 0}}}}
"""
GOOGLE = answer(
    b'{"candidates":[{"content":{"role":"model","parts":[{"text":"x"}]},"finishReason":"STOP"}]}'
)
REPLY = answer(
    b'{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"x"},'
    b'"finish_reason":"stop"}]}'
)
CHAT = "/v1/chat/completions"
BODY = b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}'
END = b"0\r\n\r\n"
SERVED = 200


def request(
    *head: bytes | str,
    body: bytes = BODY,
    path: str | bytes = CHAT,
    method: str = "POST",
    version: str = "HTTP/1.1",
    host: bytes | None = b"x",
    length: bool = True,
) -> bytes:
    target = path if isinstance(path, bytes) else path.encode("latin-1")
    lines = [b"%b %b %b" % (method.encode(), target, version.encode())]
    if host is not None:
        lines.append(b"host: " + host)
    lines += [h if isinstance(h, bytes) else h.encode("latin-1") for h in head]
    if length:
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join([*lines, b"connection: close", b"", body])


def chunks(*parts: bytes, end: bytes = END) -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return request("transfer-encoding: chunked", body=framed + end, length=False)


def chat(**members: Any) -> bytes:
    given = {"model": "m", "messages": [{"role": "user", "content": "x"}], **members}
    return request(body=json.dumps(given).encode())


def raw(body: bytes, path: str = CHAT) -> bytes:
    return request(body=body, path=path)


def form(*fields: bytes, boundary: bytes = b"XX") -> bytes:
    parts = b"".join(b"--XX\r\nContent-Disposition: form-data; %b\r\n" % f for f in fields)
    kind = b"content-type: multipart/form-data; boundary=" + boundary
    return request(kind, body=parts + b"--XX--\r\n", path="/v1/audio/transcriptions")


def many(count: int, one: Callable[[int], str]) -> list[str]:
    return [one(i) for i in range(count)]


TE = "transfer-encoding: "
FRAMING: dict[str, tuple[bytes, int]] = {
    "a plain one": (request(), SERVED),
    "chunks": (chunks(BODY[:10], BODY[10:]), SERVED),
    "a chunk for each byte": (chunks(*[BODY[i : i + 1] for i in range(len(BODY))]), SERVED),
    "trailers": (chunks(BODY, end=b"0\r\nmodel: other\r\n\r\n"), SERVED),
    "a chunk extension": (chunks(BODY).replace(b"\r\n{", b';a="b"\r\n{', 1), SERVED),
    "no length": (request(length=False, body=b""), 400),
    "length and chunks": (request(TE + "chunked", body=END), 400),
    "two lengths that differ": (request("content-length: 1"), 400),
    "two lengths that agree": (request(f"content-length: {len(BODY)}"), 400),
    "a list of lengths": (request("content-length: 3, 3", body=b"abc", length=False), 400),
    "a negative length": (request("content-length: -1", length=False), 400),
    "a length in words": (request("content-length: many", length=False), 400),
    "a length with a sign": (request("content-length: +3", length=False), 400),
    "a length in hexadecimal": (request("content-length: 0x3", length=False), 400),
    "a length with spaces within": (request("content-length: 1 0", length=False), 400),
    "a length of a thousand digits": (request("content-length: " + "9" * 1000, length=False), 400),
    "a length of 65 bits": (request("content-length: 18446744073709551617", length=False), 400),
    "a length beyond the most": (request("content-length: 99999999999", length=False), 413),
    "a length that is empty": (request("content-length:", length=False, body=b""), 400),
    "chunked twice": (request(TE + "chunked, chunked", body=END, length=False), 400),
    "chunked in two lines": (request(TE + "chunked", TE + "chunked", body=END, length=False), 400),
    "chunked and then identity": (request(TE + "chunked, identity", body=END, length=False), 400),
    "identity": (request(TE + "identity", length=False), 501),
    "gzip": (request(TE + "gzip", length=False), 501),
    "gzip and chunked": (request(TE + "gzip, chunked", body=END, length=False), 501),
    "xchunked": (request(TE + "xchunked", body=END, length=False), 501),
    "chunked with a space before the colon": (request("transfer-encoding : chunked", body=END, length=False), 400),
    "chunked with a vertical tab": (request(TE + "\x0bchunked", body=END, length=False), 400),
    "chunks in HTTP/1.0": (chunks(BODY).replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "a chunk of negative size": (request(TE + "chunked", body=b"-3\r\nabc\r\n" + END, length=False), 400),
    "a chunk of a size of 17 digits": (request(TE + "chunked", body=b"1" * 17 + b"\r\nabc", length=False), 400),
    "a chunk with a bare line feed": (request(TE + "chunked", body=b"3\nabc\r\n" + END, length=False), 400),
    "a chunk that is longer than it says": (request(TE + "chunked", body=b"2\r\nabc\r\n" + END, length=False), 400),
    "a chunk size of spaces": (request(TE + "chunked", body=b"  \r\n" + END, length=False), 400),
    "a line end within an extension": (request(TE + "chunked", body=b"3;a\nb\r\nabc\r\n" + END, length=False), 400),
    "extensions without end": (request(TE + "chunked", body=b"1;" + b"a" * 40_000 + b"\r\nx\r\n" + END, length=False), 400),
    "a bare line feed between headers": (request("a: b\nc: d"), 400),
    "a bare carriage return": (request("a: b\rc: d"), 400),
    "a folded header": (request("a: b\r\n c"), 400),
    "a header without a colon": (request("nothing"), 400),
    "a header without a name": (request(": x"), 400),
    "a name with a space": (request("a b: c"), 400),
    "a name with a NUL": (request(b"a\0b: c"), 400),
    "a value with a NUL": (request(b"a: b\0c"), 400),
    "a name of other letters": (request(b"\xc3\xa4: c"), 400),
    "128 headers and more": (request(*many(130, lambda i: f"x{i}: y")), 431),
    "a head of 70 KiB": (request("x: " + "y" * 70_000), 431),
    "a target of 70 KiB": (request(path="/v1/" + "a" * 70_000), 431),
}  # fmt: skip
FIRST_LINES: dict[str, tuple[bytes, int]] = {
    "stored answers, which are passed through": (request(method="GET", body=b""), SERVED),
    "PUT": (request(method="PUT"), 405),
    "PATCH": (request(method="PATCH"), 405),
    "DELETE": (request(method="DELETE"), 405),
    "HEAD": (request(method="HEAD", body=b""), 405),
    "TRACE": (request(method="TRACE", body=b""), 405),
    "CONNECT": (request(method="CONNECT", path="x:443", body=b""), 405),
    "PRI": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a method of nobody's": (request(method="FROB"), 501),
    "a method in small letters": (request(method="post"), 501),
    "a method with a space before it": (b" " + request(), 501),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/1.2": (request(version="HTTP/1.2"), 400),
    "HTTP/2.0": (request(version="HTTP/2.0"), 505),
    "HTTP/3": (request(version="HTTP/3"), 400),
    "HTTP/1.1 and a space": (request(version="HTTP/1.1 "), 400),
    "http in small letters": (request(version="http/1.1"), 400),
    "RTSP": (request(version="RTSP/1.0"), 505),
    "ICE": (request(version="ICE/1.0", method="SOURCE"), 505),
    "no version": (b"POST /v1/chat/completions\r\n\r\n", 505),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 501),
    "two spaces": (request(path=CHAT + " "), SERVED),
    "a tab": (request(path=CHAT + "\t"), 400),
    "no host": (request(host=None), 400),
    "two hosts": (request("host: y"), 400),
    "an empty host": (request(host=b""), SERVED),
    "a host with a space": (request(host=b"a b"), 400),
    "a host with a path": (request(host=b"x/y"), 400),
    "a host with a user": (request(host=b"u@x"), 400),
    "a host with two ports": (request(host=b"x:1:2"), 400),
    "a host of letters for a port": (request(host=b"x:http"), 400),
    "a host with other letters": (request(host=b"\xc3\xa4"), 400),
    "a host with a bracket": (request(host=b"[::1"), 400),
    "a list of hosts": (request(host=b"x, y"), 400),
    "a host of a stranger": (request(host=b"evil.example"), 403),
    "a host like an address": (request(host=b"127.0.0.1.evil.example"), 403),
    "an address": (request(host=b"127.0.0.1:14000"), SERVED),
    "an address of six": (request(host=b"[::1]:14000"), SERVED),
    "a name of the cluster": (request(host=b"a.b.svc.cluster.local"), SERVED),
    "an origin": (request("origin: https://evil.example"), 403),
    "an origin of null": (request("origin: null"), 403),
    "an empty origin": (request("origin:"), 403),
    "two origins": (request("origin: http://x", "origin: http://x"), 400),
    "an absolute target": (request(path="http://elsewhere/v1/chat/completions"), SERVED),
    "a target in asterisk form": (request(path="*"), 400),
    "a target that is a word": (request(path="word"), 400),
    "a fragment": (request(path=CHAT + "#x"), 404),
    "dots that lead elsewhere": (request(path="/v1/../v1/chat/completions"), 404),
    "dots that are encoded": (request(path="/v1/images/%2e%2e/files"), 404),
    "dots that are encoded twice": (request(path="/v1/images/%252e%252e/files"), 404),
    "a backslash": (request(path="/v1/images/..\\..\\x"), 404),
    "two slashes": (request(path="//v1/chat/completions"), 404),
    "a slash at the end": (request(path=CHAT + "/"), SERVED),
    "an encoded slash": (request(path="/v1%2fchat/completions"), 404),
    "an encoded NUL": (request(path=CHAT + "%00"), 404),
    "raw bytes": (request(path=b"/v1/\xff\xfe"), 400),
    "another path's model": (request(path="/v1beta/models/..%2f..:generateContent"), 400),
    "a model that leaves its path": (request(path="/v1beta/models/g%2f..%2f..%2fx:generateContent", body=b'{"contents": []}'), 400),
    "a path of a thousand segments": (request(path="/a" * 1000), 404),
    "the admin port's path": (request(path="/reset", body=b'{"all": true}'), 404),
}  # fmt: skip
DEEP = 100_000
BODIES: dict[str, tuple[bytes, int]] = {
    "nothing": (raw(b""), 400),
    "blanks": (raw(b" \r\n\t "), 400),
    "half an object": (raw(b'{"model": "m"'), 400),
    "a list": (raw(b"[]"), 400),
    "a text": (raw(b'"x"'), 400),
    "null": (raw(b"null"), 400),
    "two objects": (raw(BODY + BODY), 400),
    "a comma at the end": (raw(b'{"model": "m",}'), 400),
    "a comment": (raw(b'{"model": "m" /* x */}'), 400),
    "single quotes": (raw(b"{'model': 'm'}"), 400),
    "NaN": (raw(b'{"model": "m", "messages": NaN}'), 400),
    "a byte order mark": (raw(b"\xef\xbb\xbf" + BODY), 400),
    "UTF-16": (raw(BODY.decode().encode("utf-16")), 400),
    "Latin-1": (raw(b'{"model": "m", "messages": "\xe4"}'), 400),
    "a lone surrogate": (raw(b'{"model": "\\ud800", "messages": []}'), 400),
    "overlong UTF-8": (raw(b'{"model": "m\xc0\xaf", "messages": []}'), 400),
    "control characters": (raw(b'{"model": "m\n"}'), 400),
    "a model that is a number": (chat(model=1), 400),
    "a model that is a list": (chat(model=["m"]), 400),
    "a model that is an object": (chat(model={"m": 1}), 400),
    "a model that is true": (chat(model=True), 400),
    "a model of 5,000 characters": (chat(model="m" * 5000), 400),
    "a model of dots": (chat(model=".."), 400),
    "a model that leaves the path": (chat(model="g/../../x"), 400),
    "a model with dots that are encoded": (chat(model="g%2f..%2f..%2fx"), 404),
    "a provider's model that leaves the path": (chat(model="g/a/../../x"), 400),
    "two models": (raw(b'{"model": "g", "messages": [], "model": "m"}'), 400),
    "two models, one escaped": (raw(b'{"model": "g", "messages": [], "mod\\u0065l": "m"}'), 400),
    "two streams": (raw(b'{"model": "m", "messages": [], "stream": true, "stream": false}'), 400),
    "two thousand keys": (chat(**{f"k{i}": i for i in range(2000)}), SERVED),
    "a hundred thousand keys": (chat(**{f"key-number-{i}": i for i in range(100_000)}), 400),
    "lists within lists": (raw(b'{"model": "m", "messages": ' + b"[" * DEEP), 400),
    "lists within lists, all closed": (raw(b'{"model": "m", "messages": ' + b"[" * DEEP + b"]" * DEEP + b"}"), 400),
    "objects within objects": (raw(b'{"model": "m", "messages": ' + b'{"a":' * DEEP), 400),
    "a number of 100,000 digits": (raw(b'{"model": "m", "messages": [], "n": ' + b"9" * DEEP + b"}"), SERVED),
    "a megabyte of text": (chat(messages=[{"role": "user", "content": "x" * 2**20}]), SERVED),
    "a megabyte of escapes": (chat(messages=[{"role": "user", "content": "\n" * 2**19}]), SERVED),
    "a megabyte of blanks": (raw(BODY[:-1] + b" " * 2**20 + b"}"), SERVED),
    "gzip that is not": (request("content-encoding: gzip"), 200),
    "gzip": (request("content-encoding: gzip", body=b"\x1f\x8b\x08\x00"), 415),
    "br": (request("content-encoding: br", body=b"\x8b"), 415),
    "a form that is none": (request("content-type: multipart/form-data"), 400),
    "a content-type of nonsense": (request("content-type: ;;;"), SERVED),
}  # fmt: skip
for _path in (
    "/v1/messages",
    "/v1/responses",
    "/v1beta/models/m:generateContent",
    "/model/m/converse",
    "/openai/deployments/m/chat/completions",
):
    for _what, _body in {
        "nothing": b"",
        "a list": b"[]",
        "half": b"{",
        "no UTF-8": b'{"model": "\xff"}',
        "deep": b'{"model": "m", "a": ' + b"[" * DEEP,
        "a key twice": b'{"model": "m", "a": 1, "a": 2}',
    }.items():
        BODIES[f"{_what} for {_path}"] = (raw(_body, _path), 400)  # fmt: skip
MODEL, FILE = b'name="model"\r\n\r\nm\r\n', b'name="file"; filename="a"\r\n\r\nx\r\n'
FORMS: dict[str, tuple[bytes, int]] = {
    "a good one": (form(MODEL, FILE), SERVED),
    "two models": (form(MODEL, FILE, MODEL.replace(b"\r\nm\r\n", b"\r\ng\r\n")), 400),
    "another boundary": (form(MODEL, FILE, boundary=b"YY"), 400),
    "no boundary": (form(MODEL, FILE, boundary=b""), 400),
    "a boundary that is too long": (form(MODEL, boundary=b"X" * 200), 400),
    "a part without a name": (form(b"filename=x\r\n\r\ny\r\n"), 400),
    "a part with two names": (form(b'name="file"; name="model"\r\n\r\ny\r\n'), 400),
    "a name of RFC 2231": (form(b"name*=UTF-8''model\r\n\r\ny\r\n"), 400),
    "a part that does not end": (request("content-type: multipart/form-data; boundary=XX", body=b"--XX\r\nA: b\r\n\r\nx", path="/v1/audio/translations"), 400),
    "a part behind bare line feeds": (form(b'name="f"\r\n\r\nx\n--XX\nContent-Disposition: form-data; name="model"\n\ng\r\n', MODEL), 400),
    "a thousand parts": (form(*[b'name="a"\r\n\r\n\r\n'] * 1000), 400),
    "a folded header": (form(b'name="file";\r\n filename=x\r\n\r\ny\r\n'), 400),
}  # fmt: skip
NEIGHBOURS: dict[str, tuple[bytes, int]] = {
    f"{name}: {value[:20]}": (request(f"{name}: {value}"), SERVED)
    for name, values in {
        "x-request-id": ("../../x", "a" * 5000, "<script>", "a;b", "${jndi:ldap://x}"),
        "traceparent": ("00-" + "0" * 32, "x" * 4000, "00-zz-zz-zz"),
        "x-forwarded-for": ("127.0.0.1", "x" * 3000),
        "x-forwarded-host": ("evil.example",),
        "user-agent": ("", "x" * 9000),
        "authorization": ("Bearer", "Basic " + "x" * 9000),
        "anthropic-beta": ("x" * 9000,),
        "expect": ("something",),
        "upgrade": ("h2c", "websocket"),
        "accept-encoding": ("x" * 9000,),
        "x-http-method-override": ("DELETE",),
    }.items()
    for value in values
}

USER = {"role": "user", "content": "x"}
TURNS = [USER, {"role": "assistant", "content": "y"}]
TEXT = {"type": "text", "text": "x"}
CALL = {"role": "assistant", "content": None}


def calls(count: int, id_of: str = "c{}") -> list[Any]:
    """A turn with so many calls, and a result for each."""
    named = [id_of.format(i) for i in range(count)]
    made = [
        {"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in named
    ]
    told = [{"role": "tool", "tool_call_id": i, "content": "r"} for i in named]
    return [USER, {**CALL, "tool_calls": made}, *told]


def tools(count: int) -> list[Any]:
    return [
        {"type": "function", "function": {"name": f"f{i}", "parameters": {}}} for i in range(count)
    ]


def schema(depth: int) -> list[Any]:
    made: dict[str, Any] = {}
    for _ in range(depth):
        made = {"type": "object", "properties": {"a": made}}
    return [{"type": "function", "function": {"name": "f", "parameters": made}}]


# Chat Completions for a vendor of another style, so that all of it is read and written anew.
HEAVY: dict[str, tuple[bytes, int]] = {
    what: (chat(**{"model": "gem", **members}), status)
    for what, (members, status) in {
        "a short one": ({}, SERVED),
        "400,000 turns": ({"messages": [USER] * 400_000}, 400),
        "60,000 turns": ({"messages": [USER] * 60_000}, 400),
        "60,000 turns of two": ({"messages": TURNS * 30_000}, 400),
        "2,000 turns": ({"messages": TURNS * 1_000}, SERVED),
        "300,000 parts": ({"messages": [{"role": "user", "content": [TEXT] * 300_000}]}, 400),
        "4,000 parts": ({"messages": [{"role": "user", "content": [TEXT] * 4_000}]}, SERVED),
        "60,000 system turns": ({"messages": [{"role": "system", "content": "x"}] * 60_000}, 400),
        "60,000 tools": ({"tools": tools(60_000)}, 400),
        "500 tools": ({"tools": tools(500)}, SERVED),
        "60,000 calls": ({"messages": calls(60_000)}, 400),
        "60,000 calls of one id": ({"messages": calls(60_000, "same")}, 400),
        "1,000 calls": ({"messages": calls(1_000)}, SERVED),
        "a schema within a schema": ({"tools": schema(400)}, SERVED),
        "a million keys": ({f"k{i}": 0 for i in range(1_000_000)}, 400),
        "300,000 words to stop at": ({"stop": ["x"] * 300_000}, 400),
        "300,000 favoured tokens": ({"logit_bias": {str(i): 1 for i in range(300_000)}}, 400),
        "300,000 pairs of metadata": ({"metadata": {f"k{i}": "v" for i in range(300_000)}}, 400),
        "300,000 numbers": ({"messages": [{**USER, "x": [0] * 300_000}]}, SERVED),
        "an image of megabytes": ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 2_000_000}}]}]}, SERVED),
        "an image of no base64": ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "~" * 2_000_000}}]}]}, SERVED),
        "a megabyte of text": ({"messages": [{"role": "user", "content": "x" * 2**20}]}, SERVED),
        "a megabyte of letters that are escaped": ({"messages": [{"role": "user", "content": "\u00e4" * 2**18}]}, SERVED),
    }.items()
}  # fmt: skip

TABLES = {"framing": FRAMING, "first lines": FIRST_LINES, "bodies": BODIES, "forms": FORMS, "headers": NEIGHBOURS, "heavy": HEAVY}  # fmt: skip
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def test_the_tables_are_as_long_as_they_are_said_to_be() -> None:
    assert sum(map(len, TABLES.values())) >= 200


@pytest.mark.interpreted
@pytest.mark.parametrize("name", TABLES)
async def test_each_gets_one_answer_and_holds_nobody_up(tmp_path: Path, name: str) -> None:
    wrong = []
    async with (
        raw_vendor(REPLY) as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        await one(proxy, request())  # what is imported with the first
        if name == "heavy":
            vendor.answer = [GOOGLE]
            await one(proxy, HEAVY["a short one"][0])
        for what, (sent, status) in TABLES[name].items():
            for _ in range(3):  # the quickest of them, where a machine has much else to do
                before = len(vendor.heads)
                with watched() as dog:
                    told = await one(proxy, sent)
                if dog.longest_s < LOOP_S:
                    break
            statuses = [int(s) for s in STATUS.findall(told)]
            calls = len(vendor.heads) - before
            if statuses != [status] or calls != (status == SERVED):
                wrong.append(f"{what}: {statuses} and {calls} calls, expected {status}")
            is_head = sent.startswith(b"HEAD")
            if status >= 400 and not is_head and b'"message"' not in told:
                wrong.append(f"{what}: nobody is told why: {told[-200:]!r}")
            print(f"{what}: {dog.report()}")
            if dog.longest_s > LOOP_S:
                wrong.append(f"{what}: {dog.report()}")
        vendor.answer = [REPLY]
        assert (await proxy.chat("m")).status == 200
        assert proxy.app.server.buffered_bytes == 0
    assert not wrong, "\n".join(wrong)


async def one(proxy: Proxy, sent: bytes) -> bytes:
    try:
        return await said(proxy.base, sent, half_closes=False, timeout_s=5.0)
    except TimeoutError:
        return b"the connection stays open"
