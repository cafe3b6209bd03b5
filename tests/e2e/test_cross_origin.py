"""Web pages in front of a shared gateway: those that the settings name may send requests and read
answers, by the rules of the Fetch standard (CORS); others get neither.
"""

from __future__ import annotations

import orjson
import pytest

from harness import proxied
from pilotfish.simulated import SimulatedVendor

RULES = """
providers: {{v: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}}}
rules: [{{name: r, request_model: m, services: [{{provider: v, model: sim-n2}}]}}]
"""
PAGE = "https://chat.example.com"
BODY = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]})
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-os",
}
ALLOWED = "access-control-allow-origin"


@pytest.fixture
async def vendor():
    async with SimulatedVendor() as vendor:
        yield vendor


@pytest.fixture
async def proxy(vendor, tmp_path):
    rules = RULES.format(base=vendor.base)
    async with proxied(tmp_path, rules, allowed_origins=f"{PAGE},https://*.example.org") as proxy:
        yield proxy


def cors(headers) -> dict[str, str]:
    return {k.lower(): v for k, v in headers.items() if k.lower().startswith("access-control-")}


async def test_by_default_no_answer_is_for_pages(vendor, tmp_path):
    async with proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        for method, head in (("POST", {}), ("OPTIONS", PREFLIGHT), ("GET", {})):
            data = BODY if method == "POST" else None
            url = f"{proxy.base}/v1/chat/completions"
            async with proxy.http.request(
                method, url, data=data, headers={"origin": PAGE, **head}
            ) as answer:
                assert (answer.status, cors(answer.headers)) == (403, {})
    assert list(vendor.requests) == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files", "/v1/models", "/v1/nothing"])
async def test_a_page_is_told_what_it_may_send(proxy, vendor, path):
    async with proxy.http.options(
        proxy.base + path, headers={"origin": PAGE, **PREFLIGHT}
    ) as answer:
        assert answer.status == 204
        assert cors(answer.headers) == {
            ALLOWED: PAGE,
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": "authorization,content-type,x-stainless-os",
            "access-control-max-age": "600",
            "access-control-expose-headers": "*",
        }
        assert answer.headers["vary"] == "origin"
    assert list(vendor.requests) == []


async def test_a_page_of_the_public_web_may_ask_a_private_address_where_it_is_allowed(proxy):
    head = {"origin": PAGE, **PREFLIGHT, "access-control-request-private-network": "true"}
    async with proxy.http.options(f"{proxy.base}/v1/files", headers=head) as answer:
        assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_page_reads_its_answers(proxy, stream):
    body = orjson.dumps({**orjson.loads(BODY), "stream": stream})
    for origin in (PAGE, "https://a.example.org"):
        answer = await proxy.post("/v1/chat/completions", body, {"origin": origin})
        assert (answer.status, answer.headers[ALLOWED]) == (200, origin)
        assert answer.headers["vary"] == "origin"
        assert answer.headers["access-control-expose-headers"] == "*"


async def test_a_page_reads_errors_too_and_lists_and_what_is_passed_on(proxy):
    answer = await proxy.post("/v1/chat/completions", b"{", {"origin": PAGE})
    assert (answer.status, answer.headers[ALLOWED]) == (400, PAGE)
    for path in ("/v1/models", "/v1/files", "/v1/nothing"):
        async with proxy.http.get(proxy.base + path, headers={"origin": PAGE}) as got:
            assert got.headers[ALLOWED] == PAGE


async def test_another_page_gets_neither(proxy, vendor):
    for origin in ("https://evil.example", "https://example.org", "null", f"{PAGE}.evil.example"):
        answer = await proxy.post("/v1/chat/completions", BODY, {"origin": origin})
        assert (answer.status, cors(answer.headers)) == (403, {})
        async with proxy.http.options(
            f"{proxy.base}/v1/files", headers={"origin": origin, **PREFLIGHT}
        ) as got:
            assert (got.status, cors(got.headers)) == (403, {})
    assert list(vendor.requests) == []


async def test_who_is_no_page_sees_nothing_of_it(proxy):
    answer = await proxy.post("/v1/chat/completions", BODY)
    assert (answer.status, cors(answer.headers), "vary" in answer.headers) == (200, {}, False)
    async with proxy.http.options(f"{proxy.base}/v1/models", headers=PREFLIGHT) as got:
        assert (got.status, cors(got.headers)) == (404, {})
