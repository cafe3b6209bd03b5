"""What a web page can have a browser send to a proxy on the same machine: it gets a sentence, and
the vendor hears nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest

from harness import Proxy, proxied
from hostile.raw import answer, raw_vendor

RULES = """
providers:
  a: {{kind: anthropic, api_base: "{base}", no_key_required: true}}
  o: {{kind: openai, api_base: "{base}/v1", no_key_required: true{more}}}
rules:
  - {{name: chat, services: [{{provider: o, model: m}}], retries: {{max_retries: 0}}}}
  - {{name: claude, scenario: anthropic, services: [{{provider: a, model: c}}], retries: {{max_retries: 0}}}}
"""
REPLY = answer(
    b'{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"x"},'
    b'"finish_reason":"stop"}]}'
)
BODY = b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}'
CORS = answer(
    b'{"type":"error","error":{"type":"authentication_error","message":"CORS requests must set '
    b"'anthropic-dangerous-direct-browser-access' header\"}}",
    status="401 Unauthorized",
)
FROM_PAGES: dict[str, dict[str, str]] = {
    "another site's page": {"origin": "https://evil.example"},
    "a sandboxed page": {"origin": "null"},
    "a page of another server on this machine": {"origin": "http://127.0.0.1:3000"},
    "a page whose name points here": {"host": "evil.example:14000"},
    "both": {"host": "evil.example", "origin": "http://evil.example"},
    "a form of another site": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
}


async def asked(
    proxy: Proxy, base: str, path: str, head: dict[str, str], data: bytes | None = BODY
) -> tuple[int, str]:
    method = "GET" if data is None else "POST"
    async with proxy.http.request(method, base + path, data=data, headers=head) as said:
        return said.status, await said.text()


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
@pytest.mark.parametrize("what", FROM_PAGES)
async def test_a_page_spends_nothing(tmp_path: Path, what: str, kind: str) -> None:
    async with (
        raw_vendor(REPLY) as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base, more="")) as proxy,
    ):
        head = {**FROM_PAGES[what], "content-type": kind}
        for path in ("/v1/chat/completions", "/v1/messages"):
            status, text = await asked(proxy, proxy.base, path, head)
            assert (status, len(json.loads(text)["error"]["message"]) > 20) == (403, True)
        assert (await asked(proxy, proxy.base, "/v1/models", head, None))[0] == 403
        assert not vendor.heads
        status, _ = await asked(proxy, proxy.base, "/v1/chat/completions", {"content-type": kind})
        assert (status, len(vendor.heads)) == (200, 1)


@pytest.mark.parametrize("what", [name for name in FROM_PAGES if "form" not in name])
async def test_a_page_learns_and_resets_nothing(tmp_path: Path, what: str) -> None:
    rules = RULES.format(base="http://127.0.0.1:9", more="")
    async with proxied(tmp_path, rules) as proxy:
        base, head = proxy.app.admin_base, FROM_PAGES[what]
        for path in ("/", "/status", "/metrics", "/recent", "/healthz"):
            assert (await asked(proxy, base, path, head, None))[0] == 403
        for path, body in (("/reset", b'{"all": true}'), ("/explain", BODY)):
            status, text = await asked(proxy, base, path, head, body)
            assert (status, "may not call" in text or "not a name" in text) == (403, True)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_a_form_resets_nothing(tmp_path: Path, kind: str) -> None:
    """These three a page may have sent without being asked for leave."""
    async with proxied(tmp_path, RULES.format(base="http://127.0.0.1:9", more="")) as proxy:
        base, all_of_them = proxy.app.admin_base, b'{"all": true}'
        status, text = await asked(proxy, base, "/reset", {"content-type": kind}, all_of_them)
        assert (status, "application/json" in text) == (415, True)
        own = {"origin": base, "content-type": "application/json"}  # the button of our own page
        assert (await asked(proxy, base, "/reset", own, all_of_them))[0] == 200
        linked = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
        assert (await asked(proxy, base, "/", linked, None))[0] == 200


async def test_pages_that_the_settings_name_may_call(tmp_path: Path) -> None:
    async with (
        raw_vendor(REPLY) as vendor,
        proxied(
            tmp_path,
            RULES.format(base=vendor.base, more=""),
            allowed_origins="https://chat.example.com",
            allowed_hosts="llm.example.com",
        ) as proxy,
    ):
        head = {
            "origin": "https://chat.example.com",
            "referer": "https://chat.example.com/secret-project",
            "host": "llm.example.com",
            "sec-fetch-site": "cross-site",
        }
        assert (await asked(proxy, proxy.base, "/v1/chat/completions", head))[0] == 200
        assert b"chat.example.com" not in vendor.heads[0]


STEERING = {
    "Origin": "http://127.0.0.1:1", "Referer": "http://inside", "True-Client-IP": "10.1.1.1", "Client-IP": "10.1.1.1", "X-Client-IP": "10.1.1.1",
    "Helicone-Target-Url": "http://evil.example", "X-Litellm-Api-Base": "http://evil.example", "X-Portkey-Custom-Host": "http://evil.example",
}  # fmt: skip


async def test_nothing_steers_other_gateways_but_the_rules(tmp_path: Path) -> None:
    more = ', headers: {X-Portkey-Provider: "@team", Origin: "https://ours.example"}'
    async with (
        raw_vendor(REPLY) as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base, more=more), allowed_origins="*") as proxy,
    ):
        assert (await asked(proxy, proxy.base, "/v1/chat/completions", STEERING))[0] == 200
        (head,) = vendor.heads
        assert b"10.1.1.1" not in head
        assert b"evil" not in head
        assert b"inside" not in head
        sent = head.lower()
        assert b"x-portkey-provider: @team" in sent
        assert b"origin: https://ours.example" in sent


async def test_a_vendor_that_wants_no_pages_stays_in_service(tmp_path: Path) -> None:
    async with (
        raw_vendor(CORS) as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base, more="")) as proxy,
    ):
        status, _ = await asked(proxy, proxy.base, "/anthropic/v1/messages", {})
        assert status == 401
        assert (await proxy.service("a", "c"))["state"] == "serving"


async def test_a_page_cannot_open_a_websocket(tmp_path: Path) -> None:
    async with proxied(tmp_path, RULES.format(base="http://127.0.0.1:9", more="")) as proxy:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await proxy.http.ws_connect(
                f"{proxy.base}/v1/realtime?model=m", origin="https://evil.example"
            )
        assert refused.value.status == 403
