"""Clients that mean no harm and clients that do: what they send gets a right answer or a clear
error, and costs nobody else anything.
"""

from __future__ import annotations

import asyncio

import orjson
import pytest

from harness import proxied

RULES = """
providers:
  v: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}
  g: {{kind: google, api_base: "{base}", no_key_required: true}}
  a: {{kind: anthropic, api_base: "{base}", no_key_required: true}}
rules:
  - {{name: r, request_model: m, services: [{{provider: v, model: sim-n2}}]}}
  - {{name: other, request_model: gemini, services: [{{provider: g, model: sim-large}}]}}
  - {{name: third, request_model: claude, services: [{{provider: a, model: sim-large}}]}}
"""


@pytest.fixture
async def proxy(tmp_path, vendor):
    async with proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        yield proxy


async def test_paths_that_a_client_makes_up_put_no_service_out(proxy):
    for _ in range(5):
        answer = await proxy.post("/v1/images/nonsense", {"model": "m"})
        assert answer.status == 404
    service = await proxy.service("v", "sim-n2")
    assert (service["state"], service["consecutive_errors"], service["outcomes"]) == (
        "serving",
        0,
        {"bad_request": 5},
    )


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/v1/chat/completions"])
async def test_a_path_that_is_nearly_right_is_answered_with_the_right_one(proxy, path):
    answer = await proxy.post(path, {"model": "m"})
    assert answer.status == 404
    assert answer.json["error"]["message"] == (
        f"no such path: POST {path}; did you mean /v1/chat/completions?"
    )


async def test_a_model_that_is_not_there_is_answered_with_those_that_are(proxy):
    answer = await proxy.chat("gpt-9")
    assert answer.status == 404
    assert answer.json["error"]["message"] == (
        "no rule for model 'gpt-9' in scenario 'openai'; known: claude, gemini, m"
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/embeddings", {"input": "x"}), ("/v1/rerank", {"query": "x", "documents": ["y"]})],
)
async def test_what_no_service_can_do_is_told_as_the_clients_error(proxy, path, body):
    """Not 503, which every SDK tries again."""
    answer = await proxy.post(path, {"model": "claude", **body})
    assert (answer.status, answer.json["error"]["code"]) == (400, "unsupported_operation")
    op = path.rpartition("/")[2]
    assert answer.json["error"]["message"] == (
        f"no service of rule 'third' can do {op}: "
        f"a/sim-large (provider kind 'anthropic' has no {op})"
    )
    assert "retry-after" not in answer.headers
    record = proxy.record()
    assert (record["code"], record["rule"], record["attempts"]) == (400, "third", [])
    assert (await proxy.service("a", "sim-large"))["state"] == "serving"


async def test_names_that_a_client_makes_up_cannot_spoil_the_answers_head(proxy):
    """What the service's style cannot carry is named in a header: the client's own text, whatever
    it holds.
    """
    for kind in ("x\0y\r\nset-cookie: a=b", "x" * 100_000):
        content = [
            {"type": "text", "text": "hi"},
            {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": kind}},
        ]
        answer = await proxy.post(
            "/v1/chat/completions",
            {
                "model": "gemini",
                "n": 1,
                "messages": [{"role": "user", "content": content}],
                kind: 1,
            },
        )
        assert answer.status == 200
        assert "set-cookie" not in answer.headers
        assert 0 < len(answer.headers["x-pilotfish-dropped"]) < 1000
        assert len(orjson.dumps(proxy.record())) < 4000


@pytest.mark.parametrize(
    "path",
    [
        "/v1/" + "a" * 50_000,
        f"/v1beta/models/{'a' * 2000}:generateContent",
        f"/v1beta/models/{'a' * 50_000}:generateContent",
    ],
)
async def test_long_paths_are_not_repeated_in_errors_and_logs(proxy, path):
    answer = await proxy.post(path, {})
    assert answer.status in (400, 404)
    assert len(answer.body) < 1000
    assert len(orjson.dumps(proxy.record())) < 1000


async def test_a_body_that_curl_calls_a_form_reaches_the_vendor_as_json(proxy, vendor):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    answer = await proxy.post(
        "/v1/chat/completions", body, {"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status == 200
    assert vendor.requests[-1].headers["content-type"] == "application/json"


async def test_a_wrong_method_is_told_which_one_is_right(proxy):
    for method in ("GET", "OPTIONS", "DELETE"):
        async with proxy.http.request(method, f"{proxy.base}/v1/embeddings") as answer:
            assert (answer.status, answer.headers["allow"]) == (405, "POST")


async def test_head_tells_of_the_list_of_models_what_get_would(proxy):
    async with (
        proxy.http.get(f"{proxy.base}/v1/models") as got,
        proxy.http.head(f"{proxy.base}/v1/models") as asked,
    ):
        assert (
            asked.headers["content-length"]
            == got.headers["content-length"]
            == str(len(await got.read()))
        )
        assert await asked.read() == b""
    reader, writer = await asyncio.open_connection(*proxy.app.listen)
    writer.write(b"HEAD /v1/models HTTP/1.1\r\nhost: x\r\n\r\n" * 2)
    for _ in range(2):  # nothing stands between two heads
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
    writer.close()
