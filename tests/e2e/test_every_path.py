"""Every path of the vendors' public API references, sent through the proxy: docs/paths.md says what
becomes of it, and that is what happens.
"""

from __future__ import annotations

import asyncio
import runpy
from collections import Counter
from pathlib import Path

import pytest
from yarl import URL

from harness import proxied
from passthrough.conftest import Vendor
from planted import planted

PAGE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "paths_page.py"))
LISTED = [(one, PAGE["what_becomes_of"](one)) for one in PAGE["listed"]()]
RULES = """
providers:
  openai: {{kind: openai, api_base: "{base}/v1", token: {{env: KEY}}}}
  anthropic: {{kind: anthropic, api_base: "{base}", token: {{env: KEY}}}}
  google: {{kind: google, api_base: "{base}", token: {{env: KEY}}}}
  bedrock: {{kind: bedrock, api_base: "{base}", options: {{region: us-east-1, access_key: {{env: KEY}}, secret_key: {{env: KEY}}}}}}
  azure: {{kind: azure, api_base: "{base}", token: {{env: KEY}}}}
passthrough: {{openai: openai}}
defaults: {{retries: {{max_retries: 0}}, health: {{probe_enabled: false}}}}
rules:
  - {{name: r, request_model: m, services: [{{provider: openai, model: m}}]}}
"""
AT_ONCE = 16


@pytest.fixture
async def vendor():
    async with Vendor() as vendor:
        yield vendor


async def test_what_the_page_says_of_a_path_is_what_happens(vendor, tmp_path, monkeypatch):
    monkeypatch.setenv("KEY", planted("vendor"))
    rules = RULES.format(base=vendor.base)
    azure = rules.replace("passthrough: {openai: openai}", "passthrough: {openai: azure}")
    wrong = []
    for text, vendors in ((rules, set(PAGE["TITLES"]) - {"azure"}), (azure, {"azure"})):
        async with proxied(tmp_path, text) as proxy:
            todo = iter([(one, way) for one, way in LISTED if one.vendor in vendors])

            async def client(proxy=proxy, todo=todo):
                for one, way in todo:
                    if one.method == "WEBSOCKET":
                        continue  # tests/realtime has sessions
                    found = await asked(proxy, vendor, one)
                    if found != way.partition(":")[0]:
                        wrong.append((one.method, one.path, way, found))

            await asyncio.gather(*(client() for _ in range(AT_ONCE)))
            for family in {w.partition(": ")[2] for o, w in LISTED if o.vendor in vendors} - {""}:
                name = "pilotfish_passthrough_requests_total"
                assert await proxy.metric(name, family=family), family
    assert wrong == []


async def asked(proxy, vendor, one) -> str:
    """What became of a request to this path."""
    headers = {**PAGE["HEADERS"][one.vendor], "x-request-id": f"{one.method}-{hash(one.path)}"}
    url = URL(proxy.base + one.example, encoded=True)
    body = None if one.method in ("GET", "DELETE") else b'{"model": "x1"}'
    async with proxy.http.request(one.method, url, headers=headers, data=body) as answer:
        text = await answer.text()
        if "x-pilotfish-service" in answer.headers and "x-pilotfish-rule" not in answer.headers:
            there = [a for a in vendor.asked if (a[0], a[1].partition("?")[0]) == one_there(one)]
            assert there, f"{one.method} {one.path} reached the vendor elsewhere"
            return "passed"
    if answer.status == 404 and ("no such path" in text or "call the vendor itself" in text):
        return "refused"
    return "served"


def one_there(one) -> tuple[str, str]:
    """The method and path as they must reach the vendor."""
    return one.method, one.example


def test_every_vendor_is_in_the_list_and_most_of_what_it_has_works():
    count = Counter((one.vendor, way.partition(":")[0]) for one, way in LISTED)
    assert {vendor for vendor, _ in count} == set(PAGE["TITLES"])
    refused = [one.path for one, way in LISTED if way == "refused"]
    administration = ("/v1/organization", "/v1/projects/", "/v1/safety/")
    others = [path for path in refused if not path.startswith(administration)]
    assert others == ["/model/{modelId}/invoke-with-bidirectional-stream"]
