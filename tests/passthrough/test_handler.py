"""Who takes a request that is not routed by model, and what the client is told where nobody does."""

from __future__ import annotations

import asyncio

import orjson
from aiohttp import web

from harness import proxied, until
from planted import CLIENT_KEY, planted

TWO = """
providers:
  a: {{kind: openai, api_base: "{a}/v1", token: {{env: KEY_ONE}}}}
  b: {{kind: openai, api_base: "{b}/v1", tokens: [{{env: KEY_TWO}}, {{env: KEY_THREE}}]}}
  c: {{kind: anthropic, api_base: "{b}", token: {{env: KEY_ONE}}}}
rules:
  - {{name: r, request_model: m, services: [{{provider: a, model: m}}, {{provider: b, model: m}}]}}
"""


async def message(answer) -> str:
    return (await answer.json())["error"]["message"]


async def test_where_several_could_take_it_the_client_is_told_what_to_set(vendor, other, tmp_path):
    async with proxied(tmp_path, TWO.format(a=vendor.base, b=other.base)) as proxy:
        async with proxy.http.get(f"{proxy.base}/v1/files") as answer:
            assert (answer.status, answer.headers["x-pilotfish-attempts"]) == (404, "0")
            assert await message(answer) == (
                "/v1/files could go to any of the providers a, b; say in the rules which takes "
                "it: `passthrough: {openai: NAME}`"
            )
        async with proxy.http.get(f"{proxy.base}/v1beta/files") as answer:
            assert answer.status == 404
            assert "no provider" not in await message(answer)
            assert "add one, or name it: `passthrough: {google: NAME}`" in await message(answer)
        assert (vendor.asked, other.asked) == ([], [])
        counted = await proxy.metric("pilotfish_requests_total", style="google", code="404")
        assert counted == 1


async def test_the_rules_say_who_takes_it_by_style_or_by_scenario(vendor, other, tmp_path):
    rules = TWO + "passthrough: {{openai: a, team: b}}\n"
    async with proxied(tmp_path, rules.format(a=vendor.base, b=other.base)) as proxy:
        for path in ("/v1/files", "/team/v1/files", "/opencode/v1/files"):
            async with proxy.http.get(proxy.base + path) as answer:
                assert answer.status == 200
        assert [(len(v.asked), {a[1] for a in v.asked}) for v in (vendor, other)] == [
            (2, {"/v1/files"}),
            (1, {"/v1/files"}),
        ]


async def test_a_path_that_several_vendors_have_goes_to_the_clients_own(vendor, other, tmp_path):
    rules = TWO + "passthrough: {{openai: a}}\n"
    async with proxied(tmp_path, rules.format(a=vendor.base, b=other.base)) as proxy:
        head = {"anthropic-version": "2023-06-01", "x-api-key": CLIENT_KEY}
        async with proxy.http.get(f"{proxy.base}/v1/files", headers=head) as answer:
            assert answer.headers["x-pilotfish-service"] == "c"
        async with proxy.http.get(f"{proxy.base}/v1/messages/batches") as answer:
            assert answer.headers["x-pilotfish-service"] == "c"
        async with proxy.http.get(f"{proxy.base}/v1/files") as answer:
            assert answer.headers["x-pilotfish-service"] == "a"
    assert [a[2].get("x-api-key") for a in other.asked] == [planted("one")] * 2


async def test_who_gave_an_id_out_gets_it_back_whatever_the_rules_say(vendor, other, tmp_path):
    """By path and by body, with the credential that made it."""
    rules = TWO + "passthrough: {{openai: b}}\n"
    async with proxied(tmp_path, rules.format(a=vendor.base, b=other.base)) as proxy:
        other.says(200, {"id": "file-of-b", "object": "file"})
        async with proxy.http.post(f"{proxy.base}/v1/files", data=b"x") as answer:
            assert answer.status == 200
        proxy.rules.write_text(
            TWO.format(a=vendor.base, b=other.base) + "passthrough: {openai: a}\n"
        )
        await until(lambda: proxy.app.router.snapshot.passthrough == {"openai": "a"})
        async with proxy.http.get(f"{proxy.base}/v1/files/file-of-b/content") as answer:
            assert answer.headers["x-pilotfish-service"] == "b"
        body = {"input_file_id": "file-of-b", "endpoint": "/v1/responses"}
        async with proxy.http.post(f"{proxy.base}/v1/batches", json=body) as answer:
            assert answer.headers["x-pilotfish-service"] == "b"
        async with proxy.http.get(f"{proxy.base}/v1/files/file-unheard-of") as answer:
            assert answer.headers["x-pilotfish-service"] == "a"
        assert orjson.loads(other.asked[-1][3]) == body
    assert {a[2]["authorization"][7:] for a in other.asked} == {planted("two")}


async def test_a_holder_that_the_rules_no_longer_have_is_a_503_that_says_so(
    vendor, other, tmp_path
):
    rules = TWO + "passthrough: {{openai: b}}\n"
    async with proxied(tmp_path, rules.format(a=vendor.base, b=other.base)) as proxy:
        other.says(200, {"id": "file-of-b"})
        async with proxy.http.post(f"{proxy.base}/v1/files", data=b"x") as answer:
            assert answer.status == 200
        without = [line for line in TWO.splitlines() if not line.startswith("  b:")]
        text = "\n".join(without).replace(", {{provider: b, model: m}}", "")
        proxy.rules.write_text(text.format(a=vendor.base, b=other.base))
        await until(lambda: "b" not in proxy.app.router.snapshot.providers)
        async with proxy.http.get(f"{proxy.base}/v1/files/file-of-b") as answer:
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert await message(answer) == (
                "what this request names is held by provider 'b', which is not in the rules any "
                "more"
            )


async def test_a_path_that_nobody_knows_is_passed_on_where_the_rules_allow_it(
    vendor, other, tmp_path
):
    for allowed, status in ((False, 404), (True, 200)):
        rules = TWO + f"passthrough: {{{{openai: a, unknown_paths: {str(allowed).lower()}}}}}\n"
        async with proxied(tmp_path, rules.format(a=vendor.base, b=other.base)) as proxy:
            for path in ("/v1/quite/new?x=1", "/v1/organization/users"):
                async with proxy.http.get(proxy.base + path) as answer:
                    assert answer.status == status
            async with proxy.http.get(f"{proxy.base}/v1/../admin") as answer:
                assert answer.status == 404
    assert [a[1] for a in vendor.asked] == ["/v1/quite/new?x=1", "/v1/organization/users"]


async def test_it_is_counted_by_family_and_never_by_id(proxy, vendor):
    for i in range(3):
        async with proxy.http.get(f"{proxy.base}/v1/files/file-{i}") as answer:
            await answer.read()
    async with proxy.http.get(f"{proxy.base}/v1/vector_stores/vs_1/files/file-1") as answer:
        await answer.read()
    await proxy.settled()
    name = "pilotfish_passthrough_requests_total"
    assert await proxy.metric(name, provider="a", family="files", code="200") == 3
    assert await proxy.metric(name, provider="a", family="vector_stores", code="200") == 1
    assert "file-1" not in (await proxy.admin("/metrics")).text
    record = proxy.record()
    assert {k: record[k] for k in ("event", "rule", "family", "method", "path", "service")} == {
        "event": "request",
        "rule": None,
        "family": "vector_stores",
        "method": "GET",
        "path": "/v1/vector_stores/vs_1/files/file-1",
        "service": "a",
    }


async def test_our_own_limits_hold(vendor, tmp_path):
    rules = """
providers:
  a: {{kind: openai, api_base: "{a}/v1", token: {{env: KEY_ONE}}, limits: {{requests_per_minute: 2}}}}
rules: [{{name: r, request_model: m, services: [{{provider: a, model: m}}]}}]
"""
    async with proxied(tmp_path, rules.format(a=vendor.base)) as proxy:
        statuses = []
        for _ in range(3):
            async with proxy.http.get(f"{proxy.base}/v1/files") as answer:
                statuses.append(answer.status)
                told = (await answer.json()).get("error", {}).get("message")
        assert (statuses, answer.headers["retry-after"]) == ([200, 200, 429], "1")
        assert told == "2 requests a minute are the limit of provider a"
    assert len(vendor.asked) == 2


async def test_requests_passed_on_count_among_those_at_once(vendor, tmp_path):
    rules = """
providers:
  a: {{kind: openai, api_base: "{a}/v1", token: {{env: KEY_ONE}}, limits: {{concurrency: 1}}}}
rules: [{{name: r, request_model: m, services: [{{provider: a, model: m}}]}}]
"""
    gate = asyncio.Event()

    async def waits(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.json_response({})

    vendor.answers.append(waits)
    async with proxied(tmp_path, rules.format(a=vendor.base)) as proxy:
        first = asyncio.create_task(proxy.http.get(f"{proxy.base}/v1/files"))
        await until(lambda: vendor.asked)
        async with proxy.http.get(f"{proxy.base}/v1/files") as answer:
            assert answer.status == 429
        chat = await proxy.chat("m")
        assert chat.status == 429
        gate.set()
        assert (await first).status == 200


async def test_a_proxy_that_ends_or_has_no_rules_takes_nothing(proxy, vendor):
    proxy.app.engine.draining = True
    async with proxy.http.get(f"{proxy.base}/v1/files") as answer:
        assert (answer.status, await message(answer)) == (503, "this proxy is shutting down")
    proxy.app.engine.draining, proxy.app.engine.ready = False, False
    async with proxy.http.get(f"{proxy.base}/v1/files") as answer:
        assert (answer.status, await message(answer)) == (503, "no good rules have been read yet")
    assert vendor.asked == []
