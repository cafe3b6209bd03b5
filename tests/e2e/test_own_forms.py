"""Models that a cloud serves in a form of their own: the rules choose the service, and nothing is
read of what is asked and answered.
"""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from harness import proxied
from planted import PROVIDER_KEY

RULES = """
providers:
  east: {{kind: bedrock, api_base: {base}/east, token: {{env: OWN_FORM_KEY}}}}
  west: {{kind: bedrock, api_base: {base}/west, token: {{env: OWN_FORM_KEY}}}}
  vertex: {{kind: vertex, api_base: {base}, token: {{env: OWN_FORM_KEY}}, options: {{project: p, location: l}}}}
  plain: {{kind: openai, api_base: {base}/v1, token: {{env: OWN_FORM_KEY}}}}
rules:
  - name: titan
    request_model: titan
    services: [{{provider: east, model: amazon.titan}}, {{provider: west, model: amazon.titan}}]
    lb_tactic: {{type: round_robin, params: {{request_threshold: 1000}}}}
  - {{name: mistral, request_model: mistral-large, services: [{{provider: vertex, model: mistral-large@2411}}]}}
  - {{name: plain, request_model: plain, services: [{{provider: plain, model: m}}]}}
defaults: {{retries: {{max_retries: 0}}}}
"""
FRAMES = b"\x00frames of its own\xff" * 3

FRAMED = "application/vnd.amazon.eventstream"


@pytest.fixture
async def cloud(tmp_path, monkeypatch):
    """The proxy, and what its vendor was asked: `east` is overloaded."""
    monkeypatch.setenv("OWN_FORM_KEY", PROVIDER_KEY)
    asked: list[tuple[str, bytes, str]] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append((request.raw_path, await request.read(), request.headers["authorization"]))
        if request.path.startswith("/east"):
            return web.json_response({"message": "busy"}, status=503)
        if "stream" in request.path:
            return web.Response(body=FRAMES, content_type=FRAMED)
        return web.json_response({"results": [{"outputText": "hi"}]})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with proxied(tmp_path, RULES.format(base=base)) as proxy:
        yield proxy, asked
    await runner.cleanup()


async def test_a_service_that_has_no_such_form_is_told_of(cloud):
    proxy, asked = cloud
    answer = await proxy.post("/model/plain/invoke", {"inputText": "x"})
    assert answer.status == 400
    assert "invoke" in answer.json["message"]
    assert not asked


async def test_invoke_goes_to_the_next_service_byte_for_byte(cloud):
    proxy, asked = cloud
    body = b'{ "inputText": "x", "textGenerationConfig": {"maxTokenCount": 9} }'
    answer = await proxy.post("/model/titan/invoke", body)
    assert answer.json == {"results": [{"outputText": "hi"}]}
    assert answer.headers["x-pilotfish-service"] == "west/amazon.titan"
    assert [path for path, _, _ in asked] == [
        "/east/model/amazon.titan/invoke",
        "/west/model/amazon.titan/invoke",
    ]
    assert asked[-1][1:] == (body, f"Bearer {PROVIDER_KEY}")


async def test_a_streamed_invoke_is_passed_on_unread(cloud):
    proxy, asked = cloud
    answer = await proxy.post("/model/titan/invoke-with-response-stream", {"inputText": "x"})
    assert answer.body == FRAMES
    assert answer.headers["content-type"] == FRAMED
    assert asked[-1][0] == "/west/model/amazon.titan/invoke-with-response-stream"


@pytest.mark.parametrize("verb", ["rawPredict", "streamRawPredict", "predict"])
async def test_other_publishers_models_on_vertex(cloud, verb):
    proxy, asked = cloud
    path = f"/v1/projects/x/locations/y/publishers/mistralai/models/mistral-large:{verb}"
    body = {"model": "mistral-large", "messages": [{"role": "user", "content": "x"}]}
    answer = await proxy.post(path, body)
    if verb == "streamRawPredict":
        assert (answer.body, answer.headers["content-type"]) == (FRAMES, FRAMED)
    else:
        assert answer.json == {"results": [{"outputText": "hi"}]}
    path, sent, _ = asked[-1]
    assert path == (
        f"/v1/projects/p/locations/l/publishers/mistralai/models/mistral-large@2411:{verb}"
    )
    assert json.loads(sent) == body


async def test_a_model_that_no_rule_knows_is_told_so_where_several_could_take_it(cloud):
    proxy, asked = cloud
    answer = await proxy.post("/model/amazon.nova/invoke", {"messages": []})
    assert answer.status == 404
    assert not asked


async def test_the_only_provider_with_such_a_form_takes_what_no_rule_knows(cloud):
    proxy, asked = cloud
    path = "/v1/projects/x/locations/y/publishers/google/models/imagen-4:predict"
    answer = await proxy.post(path, {"instances": [{"prompt": "x"}]})
    assert answer.headers["x-pilotfish-service"] == "vertex/imagen-4"
    assert asked[-1][0] == "/v1/projects/p/locations/l/publishers/google/models/imagen-4:predict"
    assert (await proxy.post("/v1beta/models/gemini:generateContent", {})).status == 404


async def test_the_rules_may_name_who_takes_it(cloud):
    proxy, asked = cloud
    proxy.rules.write_text(proxy.rules.read_text() + "passthrough: {bedrock: west}\n")
    await proxy.app._source.read()
    answer = await proxy.post("/model/amazon.nova/invoke", {"messages": []})
    assert answer.headers["x-pilotfish-service"] == "west/amazon.nova"
    assert asked[-1][0] == "/west/model/amazon.nova/invoke"
