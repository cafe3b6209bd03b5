"""Same style in and out: what the vendor and the client see of each other, byte for byte, and what
neither may see.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from aiohttp import web

from harness import proxied
from pilotfish.simulated import Fault, SimulatedVendor
from planted import CLIENT_KEY, PROVIDER_KEY

KEY = PROVIDER_KEY
RULES = """
providers: {{v: {{kind: {kind}, api_base: {base}, token: {{env: PASSING_KEY}}}}}}
rules:
  - {{name: plain, request_model: m, services: [{{provider: v, model: sim-n2}}]}}
  - {{name: named, request_model: named, response_model: house-model, services: [{{provider: v, model: sim-n2}}]}}
  - {{name: asked, request_model: "asked-*", response_model: "@requested", services: [{{provider: v, model: sim-n2}}]}}
"""
# White space, escapes, numbers and fields as no serialiser of ours would write them.
ODD = b'{"model" : "m",\n  "messages":[{"role":"user","content":"caf\\u00e9 \\"m\\""}], "brand_new": 1.50e5 , "x":null, "max_tokens": 9,"n":1}'


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("PASSING_KEY", KEY)


@pytest.fixture
async def vendor():
    async with SimulatedVendor(key=KEY) as vendor:
        yield vendor


@pytest.fixture
async def proxy(tmp_path, vendor):
    async with proxied(tmp_path, RULES.format(kind="openai", base=f"{vendor.base}/v1")) as proxy:
        yield proxy


@asynccontextmanager
async def answering(
    body: bytes, *, status: int = 200, content_type: str = "application/json", **headers: str
) -> AsyncIterator[tuple[str, list[Any]]]:
    """A vendor that answers everything with these very bytes; its base URL, and the requests'
    headers and bodies.
    """
    seen: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((dict(request.headers), await request.read()))
        return web.Response(
            body=body,
            status=status,
            headers={
                "content-type": content_type,
                **{k.replace("_", "-"): v for k, v in headers.items()},
            },
        )

    app = web.Application()
    app.router.add_post("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


# The request


async def test_only_the_models_name_is_changed_in_a_request(proxy, vendor):
    await proxy.post("/v1/chat/completions", ODD)
    assert vendor.requests[0].body == ODD.replace(b'"model" : "m"', b'"model" : "sim-n2"')


async def test_a_request_for_the_services_own_model_is_not_touched(proxy, vendor):
    body = ODD.replace(b'"m",\n', b'"v/sim-n2",\n')
    await proxy.post("/v1/chat/completions", body)
    assert vendor.requests[0].body == body.replace(b"v/sim-n2", b"sim-n2")


async def test_usage_is_asked_for_in_streams_without_touching_the_rest(proxy, vendor):
    await proxy.post("/v1/chat/completions", ODD[:-1] + b',"stream":true}')
    seen = vendor.requests[0]
    assert seen.json["stream_options"] == {"include_usage": True}
    left = ODD[:-1].replace(b'"model" : "m"', b'"model" : "sim-n2"')
    assert seen.body.startswith(left)
    assert set(seen.json) == {*orjson.loads(ODD), "stream", "stream_options"}


async def test_usage_is_hidden_from_those_who_did_not_ask_and_counted_all_the_same(proxy):
    answer = await proxy.chat("m", stream=True)
    assert answer.said() == "the small "
    assert all(
        event == "[DONE]" or (event["choices"] and not event.get("usage"))
        for event in answer.events
    )
    assert proxy.record()["output_tokens"] == 2
    assert await proxy.metric("pilotfish_tokens_total", kind="output") == 2
    assert await proxy.metric("pilotfish_usage_estimated_total") == 0
    asked = await proxy.chat("m", stream=True, stream_options={"include_usage": True})
    assert [
        e["usage"]["completion_tokens"] for e in asked.events if e != "[DONE]" and e.get("usage")
    ] == [2]


async def test_usage_that_no_vendor_reports_is_estimated_and_says_so(proxy):
    await proxy.chat("v/sim-nousage-n8", stream=True)
    record = proxy.record()
    assert (record["usage_estimated"], record["output_tokens"] > 0, record["input_tokens"] > 0) == (
        True,
        True,
        True,
    )
    assert await proxy.metric("pilotfish_usage_estimated_total") == 1


# The answer


async def test_an_answer_goes_through_byte_for_byte(tmp_path):
    body = b'{"id":"x", "model":"upstreams-own" ,"choices":[{"index":0,"message":{"role":"assistant","content":"\\u0068i"},"finish_reason":"stop"}],\n "new_field":{"a":[1.0,2e3]},"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
    async with (
        answering(body, openai_version="1") as (base, _),
        proxied(tmp_path, RULES.format(kind="openai", base=base)) as proxy,
    ):
        plain = await proxy.chat("m")
        named = await proxy.chat("named")
        asked = await proxy.chat("asked-a")
    assert plain.body == body
    assert plain.headers["openai-version"] == "1"
    assert named.body == body.replace(b"upstreams-own", b"house-model")
    assert asked.body == body.replace(b"upstreams-own", b"asked-a")


async def test_a_stream_goes_through_byte_for_byte(tmp_path):
    chunk = b'data: {"id":"x", "model" : "upstreams-own","choices":[{"index":0,"delta":{"content":"\\u0068i"}}],"new":1.0}\n\n'
    last = b'data: {"id":"x","model" : "upstreams-own","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    body = b": hello\n\n" + chunk + b"event: odd\nid: 7\n" + chunk + last
    async with (
        answering(body, content_type="text/event-stream; charset=utf-8") as (base, _),
        proxied(tmp_path, RULES.format(kind="openai", base=base)) as proxy,
    ):
        plain = await proxy.chat("m", stream=True)
        named = await proxy.chat("named", stream=True)
    assert plain.body == body
    assert [
        e if e == "[DONE]" else {**e, "model": "upstreams-own"} for e in named.events
    ] == plain.events
    assert b"upstreams-own" not in named.body
    assert plain.headers["content-type"] == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_model_that_the_client_sees(proxy, stream):
    for model, shown in (("m", "sim-n2"), ("named", "house-model"), ("asked-xyz", "asked-xyz")):
        answer = await proxy.chat(model, stream=stream)
        models = (
            {e["model"] for e in answer.events if e != "[DONE]"}
            if stream
            else {answer.json["model"]}
        )
        assert models == {shown}


async def test_a_vendors_refusal_is_passed_on_in_its_own_words(proxy):
    answer = await proxy.chat("v/sim-400")
    assert answer.status == 400
    assert answer.json["error"]["message"]
    assert answer.headers["x-pilotfish-service"] == "v/sim-400"


# Names and marks


async def test_every_answer_is_marked(proxy):
    for answer in (
        await proxy.chat("m"),
        await proxy.chat("m", stream=True),
        await proxy.chat("v/sim-400"),
    ):
        assert answer.headers["x-request-id"]
        assert answer.headers["x-pilotfish-attempts"] == "1"
    assert (answer.headers["x-pilotfish-service"], bool(answer.headers["x-pilotfish-rule"])) == (
        "v/sim-400",
        True,
    )
    first = await proxy.chat("m")
    assert (first.headers["x-pilotfish-rule"], first.headers["x-pilotfish-service"]) == (
        "plain",
        "v/sim-n2",
    )


async def test_a_request_id_is_kept_or_made(proxy):
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    kept = await proxy.post("/v1/chat/completions", body, {"x-request-id": "mine-42"})
    assert (kept.headers["x-request-id"], proxy.record()["request_id"]) == ("mine-42", "mine-42")
    made = [
        (await proxy.post("/v1/chat/completions", body)).headers["x-request-id"] for _ in range(2)
    ]
    assert len(set(made)) == 2
    odd = await proxy.post("/v1/chat/completions", body, {"x-request-id": "not an id; <script>"})
    assert "script" not in odd.headers["x-request-id"]
    away = await proxy.post(
        "/v1/chat/completions", {"model": "nobody"}, {"x-request-id": "mine-43"}
    )
    assert (away.status, away.headers["x-request-id"]) == (404, "mine-43")


async def test_a_trace_goes_on(proxy, vendor):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await proxy.post("/v1/chat/completions", ODD, {"traceparent": trace, "tracestate": "a=1"})
    assert vendor.requests[0].headers["traceparent"].split("-")[1] == trace.split("-")[1]
    assert vendor.requests[0].headers["tracestate"] == "a=1"


# Secrets

SECRETS = {
    "authorization": f"Bearer {CLIENT_KEY}", "x-api-key": CLIENT_KEY, "api-key": CLIENT_KEY, "x-goog-api-key": CLIENT_KEY,
    "cookie": f"session={CLIENT_KEY}", "proxy-authorization": f"Basic {CLIENT_KEY}", "x-amz-security-token": CLIENT_KEY,
    "ocp-apim-subscription-key": CLIENT_KEY, "x-my-token": CLIENT_KEY,
}  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/messages",
        "/v1beta/models/m:generateContent",
        "/model/m/converse",
    ],
)
@pytest.mark.parametrize(
    ("kind", "base"), [("openai", "/v1"), ("anthropic", ""), ("google", "/v1beta")]
)
async def test_no_credential_of_the_client_goes_upstream(tmp_path, vendor, path, kind, base):
    chat: Any = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    body = {
        "/v1beta/models/m:generateContent": {
            "contents": [{"role": "user", "parts": [{"text": "x"}]}]
        },
        "/model/m/converse": {"messages": [{"role": "user", "content": [{"text": "x"}]}]},
    }.get(path, chat)
    async with proxied(tmp_path, RULES.format(kind=kind, base=vendor.base + base)) as proxy:
        answer = await proxy.post(
            f"{path}?key={CLIENT_KEY}&api_key={CLIENT_KEY}&alt=json", body, SECRETS
        )
        assert answer.status == 200
        log = str(proxy.record())
    seen = vendor.requests[0]
    assert CLIENT_KEY not in str((seen.headers, seen.path, seen.query, seen.body))
    assert CLIENT_KEY not in log


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/nowhere",
        "/nowhere",
        "/v1/models",
        "/v1beta/models/m:what",
        "/model/m/converse",
    ],
)
@pytest.mark.parametrize(
    "body", [b"{", b"", b"\xff", b'{"model":"m"}', b'{"model":"unknown","messages":[]}']
)
async def test_a_request_that_comes_to_nothing_does_not_tell_the_clients_key(proxy, path, body):
    """`leaks` listens to answers, logs and exceptions."""
    asked = f"{path}?key={CLIENT_KEY}&api_key={CLIENT_KEY}"
    assert (await proxy.post(asked, body, SECRETS)).status >= 400
    for method in ("GET", "PUT", "HEAD"):
        async with proxy.http.request(method, proxy.base + asked, headers=SECRETS) as answer:
            await answer.read()
    explained = f"{proxy.app.admin_base}/explain?path={quote(asked)}"
    async with proxy.http.post(explained, data=body, headers=SECRETS) as answer:
        assert "rule" in await answer.json()


@pytest.mark.parametrize("code", ["invalid_api_key", "odd"])
@pytest.mark.parametrize("status", [401, 403, 400, 429, 500])
async def test_the_providers_key_is_nowhere_even_if_the_vendor_quotes_it(
    tmp_path, capfd, status, code
):
    quoted = orjson.dumps(
        {"error": {"message": f"Incorrect API key provided: {KEY}.", "type": "t", "code": code}}
    )
    async with (
        answering(quoted, status=status, x_quoted=KEY) as (base, seen),
        proxied(
            tmp_path,
            RULES.format(kind="openai", base=base)
            + "defaults: {retries: {max_retries: 0, max_ms: 1}}\n",
        ) as proxy,
    ):
        answers = [await proxy.chat("m"), await proxy.chat("m", stream=True)]
        pages = [(await proxy.admin(path)).text for path in ("/status", "/metrics")]
        explained = await proxy.admin("/explain", {"model": "m", "messages": []})
        proxy.app.log.flush()
        said = capfd.readouterr()
        everything = [
            *(str((a.headers, a.body)) for a in answers),
            *pages,
            explained.text,
            str(proxy.log),
            said.out,
            said.err,
        ]
    assert seen[0][0]["Authorization"] == f"Bearer {KEY}"
    for text in everything:
        assert KEY not in text
    assert KEY not in repr(proxy.app.settings) + repr(proxy.app.engine.snapshot.providers)


async def test_a_refused_key_takes_the_service_out_and_says_why_without_it(
    tmp_path, vendor, monkeypatch
):
    monkeypatch.setenv("PASSING_KEY", "sk-hush-wrong")
    async with proxied(tmp_path, RULES.format(kind="openai", base=f"{vendor.base}/v1")) as proxy:
        answer = await proxy.chat("m")
        assert answer.status == 401
        assert "hush" not in answer.text
        assert (await proxy.service("v", "sim-n2"))["state"] == "cooling"
        again = await proxy.chat("m")
        assert (again.status >= 400, again.headers["x-pilotfish-attempts"]) == (True, "0")
    assert sum(seen.method == "POST" for seen in vendor.requests) == 1


async def test_a_failed_attempts_headers_do_not_reach_the_client(tmp_path):
    """Of one that is followed by another; its own words go with its own headers only where it is
    the last.
    """
    async with (
        SimulatedVendor(key=KEY) as vendor,
        proxied(tmp_path, RULES.format(kind="openai", base=f"{vendor.base}/v1")) as proxy,
    ):
        vendor.script(Fault.status(500))
        answer = await proxy.chat("m")
    assert (answer.status, answer.headers["x-pilotfish-attempts"]) == (200, "2")
