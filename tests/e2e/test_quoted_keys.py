"""A vendor that repeats the key it was sent, wherever it can: in no error does the client see it.
`leaks` listens to all the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
import yaml
from aiohttp import web

import bedrock_wire
import leaks
from harness import Answer, Proxy, proxied, until
from planted import CLIENT_KEY
from planted import PROVIDER_KEY as KEY
from style_wire import sse

SAID = f"the key {KEY} has no money left"
CHAT = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
# Kind of upstream -> its stream up to the first content, and its error event.
STREAMS: dict[str, tuple[bytes, bytes]] = {
    "openai": (
        b"".join(
            sse(
                {
                    **CHAT,
                    "choices": [
                        {
                            "index": 0,
                            "delta": {"role": "assistant", "content": "Hello"},
                            "finish_reason": None,
                        }
                    ],
                }
            )
        ),
        b"".join(sse({"error": {"message": SAID, "type": "server_error", "code": KEY}})),
    ),
    "responses": (
        b"".join(
            sse(
                {
                    "type": "response.created",
                    "sequence_number": 0,
                    "response": {"id": "r", "status": "in_progress", "model": "m", "output": []},
                },
                {
                    "type": "response.output_text.delta",
                    "sequence_number": 1,
                    "item_id": "i",
                    "output_index": 0,
                    "content_index": 0,
                    "delta": "Hello",
                },
            )
        ),
        b"".join(
            sse(
                {"type": "error", "sequence_number": 2, "code": KEY, "message": SAID, "param": None}
            )
        ),
    ),
    "anthropic": (
        b"".join(
            sse(
                {
                    "type": "message_start",
                    "message": {
                        "id": "x",
                        "type": "message",
                        "role": "assistant",
                        "model": "m",
                        "content": [],
                        "usage": {},
                    },
                },
                {
                    "type": "content_block_start",
                    "index": 0,
                    "content_block": {"type": "text", "text": ""},
                },
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "text_delta", "text": "Hello"},
                },
            )
        ),
        b"".join(sse({"type": "error", "error": {"type": "api_error", "message": SAID}})),
    ),
    "google": (
        b"".join(
            sse(
                {
                    "candidates": [
                        {"index": 0, "content": {"role": "model", "parts": [{"text": "Hello"}]}}
                    ]
                }
            )
        ),
        b"".join(sse({"error": {"code": 500, "message": SAID, "status": "INTERNAL"}})),
    ),
    "bedrock": (
        bedrock_wire.frame("messageStart", {"role": "assistant"})
        + bedrock_wire.frame(
            "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}}
        ),
        bedrock_wire.exception("modelStreamErrorException", SAID),
    ),
}
USER = [{"role": "user", "content": "x"}]
TEXT = [{"role": "user", "content": [{"text": "x"}]}]
ASK: dict[str, tuple[str, Any]] = {
    "openai": ("/v1/chat/completions", {"model": "m", "messages": USER, "stream": True}),
    "responses": ("/v1/responses", {"model": "m", "input": "x", "stream": True}),
    "anthropic": (
        "/v1/messages",
        {"model": "m", "max_tokens": 9, "messages": USER, "stream": True},
    ),
    "google": (
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "x"}]}]},
    ),
    "bedrock": ("/model/m/converse-stream", {"messages": TEXT}),
}


@asynccontextmanager
async def quoting(
    body: bytes, content_type: str, status: int = 200, then: bytes = b""
) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A vendor that answers everything with this, and goes on with `then` when the event is set."""
    go_on = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"content-type": content_type, "x-api-key": KEY, "Authorization": KEY}
        if not then:
            return web.Response(body=body, status=status, headers=headers)
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        await response.write(body)
        await go_on.wait()
        await response.write(then)
        return response

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", go_on
    finally:
        go_on.set()
        await runner.cleanup()


def rules(kind: str, base: str, **more: Any) -> str:
    token = {"env": "QUOTED_KEY"}
    provider: dict[str, Any] = {"kind": kind, "api_base": base, "token": token}
    if kind == "responses":
        provider |= {"kind": "openai", "options": {"api": "responses"}}
    return yaml.safe_dump(
        {
            "providers": {"p": {**provider, **more}},
            "rules": [
                {"name": "r", "request_model": "m", "services": [{"provider": "p", "model": "m"}]}
            ],
            "defaults": {"retries": {"max_retries": 0, "max_ms": 1}},
        }
    )


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("QUOTED_KEY", KEY)


async def asked(proxy: Proxy, client: str) -> tuple[Answer, dict[str, Any]]:
    answer = await proxy.post(*ASK[client])
    await proxy.settled()
    return answer, proxy.record()


def stream_type(kind: str) -> str:
    return "application/vnd.amazon.eventstream" if kind == "bedrock" else "text/event-stream"


@pytest.mark.parametrize("client", ["google", "anthropic", "same"])
@pytest.mark.parametrize("kind", STREAMS)
async def test_in_a_streams_error_event_after_content(tmp_path, kind, client):
    content, error = STREAMS[kind]
    async with (
        quoting(content, stream_type(kind), then=error) as (base, go_on),
        proxied(tmp_path, rules(kind, base)) as proxy,
    ):
        asking = asyncio.create_task(asked(proxy, kind if client == "same" else client))
        await until(lambda: any(r.record.relayed for r in proxy.app.engine.in_flight))
        go_on.set()
        answer, record = await asking
    assert b"Hello" in answer.body
    assert b"the key [key] has no money left" in answer.body
    assert KEY.encode() not in answer.body
    assert record["attempts"][0]["outcome"] == "broken_stream"
    assert record["attempts"][0]["error"] == "the key [key] has no money left"


@pytest.mark.parametrize("client", ["google", "anthropic", "same"])
@pytest.mark.parametrize("kind", STREAMS)
async def test_in_a_streams_error_event_before_any_content(tmp_path, kind, client):
    async with (
        quoting(STREAMS[kind][1], stream_type(kind)) as (base, _),
        proxied(tmp_path, rules(kind, base)) as proxy,
    ):
        answer, record = await asked(proxy, kind if client == "same" else client)
    assert answer.status >= 400
    assert b"the key [key] has no money left" in answer.body
    assert KEY.encode() not in answer.body
    assert record["attempts"][0]["error"] == "the key [key] has no money left"


@pytest.mark.parametrize("status", [200, 400, 402, 500])
@pytest.mark.parametrize(
    "own",
    [{}, {"headers": {"Authorization": f"Bearer {KEY}"}, "no_key_required": True, "token": None}],
)
async def test_in_an_error_object_whatever_its_status(tmp_path, status, own):
    """Also where the key stands in a header of the rules, and no credential of ours is sent at
    all.
    """
    body = orjson.dumps({"error": {"message": SAID, "type": KEY, "code": None, "param": None}})
    async with quoting(body, "application/json", status) as (base, _):
        text = yaml.safe_dump(
            {
                **yaml.safe_load(rules("openai", base)),
                "providers": {"p": {k: v for k, v in provider(base, own).items() if v}},
            }
        )
        async with proxied(tmp_path, text, allow_inline_secrets=True) as proxy:
            answer = await proxy.chat("m")
            probed = await proxy.status()
    assert answer.status == (status if status >= 400 else 503)
    told = "the key [key] has no money left"
    if status == 402:  # the credential is out, which is told in our words
        told = "p refused the proxy's credential, which is not paid for (status 402)"
    assert answer.json["error"]["message"] == told
    assert "hush" not in answer.text + str(answer.headers) + str(probed)


def provider(base: str, own: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "openai", "api_base": base, "token": {"env": "QUOTED_KEY"}, **own}


async def test_a_refused_key_in_a_stream_is_told_in_our_words(tmp_path):
    """Vendors quote parts of a key, too: none of their words."""
    error = b"".join(
        sse(
            {
                "error": {
                    "message": f"Incorrect API key: {KEY[:9]}****",
                    "type": "x",
                    "code": "invalid_api_key",
                }
            }
        )
    )
    async with (
        quoting(error, "text/event-stream") as (base, _),
        proxied(tmp_path, rules("openai", base)) as proxy,
    ):
        answer, _ = await asked(proxy, "openai")
        assert (await proxy.service("p", "m"))["state"] == "cooling"
    assert answer.status == 401
    assert answer.json["error"]["message"] == "p refused the proxy's credential (status 401)"


async def test_a_header_that_comes_back_with_the_key_goes_no_further(tmp_path):
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}  # fmt: skip
    async with (
        quoting(orjson.dumps(whole), "application/json") as (base, _),
        proxied(tmp_path, rules("openai", base)) as proxy,
    ):
        answer = await proxy.chat("m")
    assert (answer.status, answer.body) == (200, orjson.dumps(whole))
    assert "hush" not in str(answer.headers)


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    """A vendor that answers well and gives back the headers it was sent, and the heads it saw."""
    heads: list[dict[str, str]] = []
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}  # fmt: skip

    async def answer(request: web.Request) -> web.Response:
        heads.append({name.lower(): value for name, value in request.headers.items()})
        echoed = {k: v for k, v in request.headers.items() if k.lower().startswith(("x-", "auth"))}
        return web.json_response(whole, headers=echoed)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", heads
    finally:
        await runner.cleanup()


def two_providers(base: str, own: dict[str, Any]) -> str:
    """Rules with two providers of one vendor: `p` has headers of its own, `q` a key."""
    p = {"kind": "openai_compatible", "api_base": base, "no_key_required": True, **own}
    q = {"kind": "openai", "api_base": base, "token": {"env": "QUOTED_KEY"}}
    to_each = [
        {"name": name, "request_model": name, "services": [{"provider": name, "model": "m"}]}
        for name in ("p", "q")
    ]
    return yaml.safe_dump({"providers": {"p": p, "q": q}, "rules": to_each})


@pytest.mark.parametrize(
    "own",
    [{"options": {"headers": {"X-Tenant-Key": KEY}}}, {"headers": {"X-Tenant-Key": KEY}}],
)
async def test_a_header_of_the_rules_that_is_echoed_under_status_200_goes_no_further(tmp_path, own):
    async with echoing() as (base, _), proxied(tmp_path, two_providers(base, own)) as proxy:
        answer = await proxy.chat("p")
    assert answer.status == 200
    assert "x-tenant-key" not in answer.headers


@pytest.mark.parametrize("provider", ["p", "q"])
async def test_a_clients_header_of_that_name_goes_to_no_vendor(tmp_path, provider):
    """To the provider whose rules set it goes theirs, to any other none: it may be the client's
    own key."""
    own = {"headers": {"X-Tenant-Key": KEY}}
    async with echoing() as (base, heads), proxied(tmp_path, two_providers(base, own)) as proxy:
        message = {"model": provider, "messages": USER}
        headers = {"x-tenant-key": CLIENT_KEY, "x-stainless-os": "Linux"}
        await proxy.post("/v1/chat/completions", message, headers=headers)
    (head,) = heads
    assert head.get("x-tenant-key") == (KEY if provider == "p" else None)
    assert head["x-stainless-os"] == "Linux"


async def test_content_is_the_vendors_and_stays_as_it_is_byte_for_byte(tmp_path):
    """What a model says is never gone over: a tool's output may hold any text that looks like
    anything.
    """
    whole = orjson.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": f"your key is {KEY}"}, "finish_reason": "stop"}]})  # fmt: skip
    async with (
        quoting(whole, "application/json") as (base, _),
        proxied(tmp_path, rules("openai", base)) as proxy,
    ):
        answer = await proxy.chat("m")
    assert answer.body == whole
    leaks.forgive("an answer to a client")
