"""Every request that a vendor documents, as it leaves the running proxy: method, path, headers and
body, nothing more and nothing less.

`providers/test_conformance.py` holds the records to the same fixtures; here is what the engine
makes of them on the wire.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from aiohttp import web

from conformance import KEY, KINDS, case, provider_of
from harness import proxied, until

USER = [{"role": "user", "content": "x"}]
CONTENTS = [{"role": "user", "parts": [{"text": "x"}]}]
# Operation -> the path that a client asks for it with, and its body; `{}` is the model's name,
# where it does not stand in the body.
ASK: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": USER}),
    "responses": ("/v1/responses", {"input": "x"}),
    "completions": ("/v1/completions", {"prompt": "x"}),
    "embeddings": ("/v1/embeddings", {"input": "x"}),
    "moderations": ("/v1/moderations", {"input": "x"}),
    "rerank": ("/v1/rerank", {"query": "x", "documents": ["y"]}),
    "images": ("/v1/images/generations", {"prompt": "x"}),
    "messages": ("/v1/messages", {"max_tokens": 9, "messages": USER}),
    "count_tokens": ("/v1/messages/count_tokens", {"messages": USER}),
    "generate": ("/v1beta/models/{}:generateContent", {"contents": CONTENTS}),
    "google_count_tokens": ("/v1beta/models/{}:countTokens", {"contents": CONTENTS}),
    "google_embeddings": ("/v1beta/models/{}:embedContent", {"content": CONTENTS[0]}),
    "converse": (
        "/model/{}/converse",
        {"messages": [{"role": "user", "content": [{"text": "x"}]}]},
    ),
}
STREAMED = {
    "generate": "/v1beta/models/{}:streamGenerateContent?alt=sse",
    "converse": "/model/{}/converse-stream",
}
FORM = (
    b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n%b\r\n'
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--b--\r\n'
)
# What HTTP itself needs, and the client's own name.
PLAIN = {"host", "accept-encoding", "content-type", "content-length", "user-agent", "accept"}
# What a platform wants in the body although its client does not write it; tests of the kinds look
# at each.
ADDED = {"model", "anthropic_version", "anthropic_beta", "stream_options"}
COPILOTS = case("github_copilot")["requests"]


class Recorder:
    """Refuses everything, and keeps what it was asked. `/token` is where Copilot's tokens come
    from; they name this host, and `/models` says what is served where."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.base = ""

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/token":
            return web.json_response({"token": KEY, "endpoints": {"api": self.base}})
        if request.path == "/models":
            served = ["/chat/completions", "/responses", "/v1/messages"]
            return web.json_response(
                {
                    "data": [
                        {"id": r.get("model", ""), "supported_endpoints": served} for r in COPILOTS
                    ]
                }
            )
        if request.method == "POST":
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.seen.append((request.method, request.raw_path, headers, await request.read()))
        return web.json_response({"error": {"message": "no"}}, status=400)


@pytest.fixture
async def vendor():
    made = Recorder()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def provider_at(kind: str, base: str) -> dict[str, Any]:
    """The fixture's provider, at another host: what follows the host stays."""
    spec = dict(case(kind)["provider"])
    options = {name: value for name, value in spec.get("options", {}).items() if name != "endpoint"}
    if kind == "github_copilot":
        return {**spec, "options": {**options, "token_url": f"{base}/token"}}
    return {**spec, "options": options, "api_base": base + urlsplit(provider_of(kind).base).path}


def asked_for(request: dict[str, Any]) -> tuple[str, bytes, str]:
    """Path, body and content type of a client's request for it."""
    if request["op"] == "audio":
        return f"/v1/audio/{request['tail']}", FORM % b"asked", "multipart/form-data; boundary=b"
    path, body = ASK[request["op"]]
    if request.get("stream"):
        path = STREAMED.get(request["op"], path)
        body = body if request["op"] in STREAMED else {**body, "stream": True}
    named = {} if "{}" in path else {"model": "asked"}
    return (
        path.format("asked"),
        json.dumps({**named, **body, "brand_new": 1.5}).encode(),
        "application/json",
    )


def requests() -> list[Any]:
    return [
        pytest.param(kind, request, id=f"{kind}-{i}")
        for kind in KINDS
        for i, request in enumerate(case(kind)["requests"])
    ]


@pytest.mark.parametrize(("kind", "request_"), requests())
async def test_a_documented_request_on_the_wire(kind, request_, vendor, tmp_path, monkeypatch):
    monkeypatch.setenv("KEY", KEY)
    model = request_.get("model", case(kind)["model"])
    rules = {
        "providers": {"p": provider_at(kind, vendor.base)},
        "rules": [
            {"name": "r", "request_model": "asked", "services": [{"provider": "p", "model": model}]}
        ],
        "defaults": {"retries": {"max_retries": 0}, "health": {"probe_enabled": False}},
    }
    path, body, content_type = asked_for(request_)
    async with proxied(tmp_path, yaml.safe_dump(rules)) as proxy:
        if case(kind).get("token_is_exchanged"):
            key = proxy.app.engine.clients["p"].keys[0]
            await key.fetch()
            await until(lambda: key.endpoints(model) or "model" not in request_)
        await proxy.post(path, body, {"content-type": content_type})
    ((method, target, headers, sent),) = vendor.seen
    documented = urlsplit(request_["url"])
    assert (method, target) == (
        "POST",
        documented.path + (f"?{documented.query}" if documented.query else ""),
    )
    wanted = dict(request_["headers"])
    if case(kind).get("token_is_exchanged"):
        wanted |= {"authorization": f"Bearer {KEY}"}
        wanted |= case(kind)["requests"][0]["headers"]
    assert {name: value for name, value in headers.items() if name not in PLAIN} == wanted
    assert headers["content-type"] == content_type
    if content_type != "application/json":
        assert sent == body.replace(b"asked", model.encode())
        return
    given, got = json.loads(body), json.loads(sent)
    if target.endswith("-response-stream"):
        del given["stream"]  # the path says it, and the body may not
    assert {name: value for name, value in got.items() if name not in ADDED} == {
        n: v for n, v in given.items() if n != "model"
    }
    if "model" in got:
        assert got["model"] == model
