"""Places at a vendor where a client is to go on, put below the address by which it came."""

from __future__ import annotations

import orjson
import pytest
from aiohttp import web

from harness import proxied
from pilotfish.http1.origin import Origin
from pilotfish.passthrough.places import HELD_BYTES, body_through_here, through_here

VENDOR = Origin("https", "api.vendor.example", 443)
HERE = "http://127.0.0.1:14000"


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("https://api.vendor.example/v1/x?a=1", f"{HERE}/v1/x?a=1"),
        ("https://api.vendor.example/v1/x?key=k&a=1", f"{HERE}/v1/x?a=1"),
        ("https://api.vendor.example.evil.example/v1/x", None),
        ("https://other.example/v1/x", None),
        ("/v1/x", None),
    ],
)
def test_a_header_that_leads_to_the_vendor_leads_here(there, here):
    name = b"x-goog-upload-url"
    found = through_here((name, there.encode()), VENDOR, HERE)
    assert found == (name, (here or there).encode())
    assert through_here((b"etag", there.encode()), VENDOR, HERE) == (b"etag", there.encode())


def test_a_field_that_leads_to_the_vendor_leads_here_and_nothing_else_changes():
    body = (
        b'{"id": "b", "results_url" : "https://api.vendor.example/v1/messages/batches/b/results",'
        b'"note": "https://api.vendor.example/v1", "data": [{"results_url":null}]}'
    )
    found = body_through_here(body, "anthropic", "batches", VENDOR, HERE)
    assert found == body.replace(
        b'"https://api.vendor.example/v1/messages', b'"%b/v1/messages' % HERE.encode()
    )


RULES = """
providers: {{c: {{kind: anthropic, api_base: "{a}", token: {{env: KEY_ONE}}}}}}
rules: [{{name: r, request_model: m, services: [{{provider: c, model: m}}]}}]
"""


@pytest.mark.parametrize("chunked", [False, True])
async def test_the_results_of_a_batch_are_fetched_through_the_proxy(vendor, tmp_path, chunked):
    """Anthropic's own client goes to the URL that the batch names, with a key that is none."""

    async def batch(request: web.Request) -> web.StreamResponse:
        url = f"{vendor.base}/v1/messages/batches/msgbatch_1/results"
        data = orjson.dumps({"id": "msgbatch_1", "results_url": url})
        response = web.StreamResponse(headers={"content-type": "application/json"})
        if not chunked:
            response.content_length = len(data)
        await response.prepare(request)
        await response.write(data)
        return response

    vendor.answers.append(batch)
    async with proxied(tmp_path, RULES.format(a=vendor.base)) as proxy:
        async with proxy.http.get(f"{proxy.base}/v1/messages/batches/msgbatch_1") as answer:
            told = await answer.json()
        assert told["results_url"] == f"{proxy.base}/v1/messages/batches/msgbatch_1/results"
        async with proxy.http.get(told["results_url"]) as answer:
            assert answer.status == 200
        assert proxy.app.ledger.holders.of("msgbatch_1") is not None


async def test_an_answer_that_is_too_large_to_hold_is_passed_on_as_it_is(vendor, tmp_path):
    data = orjson.dumps({"data": ["x" * HELD_BYTES] * 3})
    vendor.says(200, data)
    async with (
        proxied(tmp_path, RULES.format(a=vendor.base)) as proxy,
        proxy.http.get(f"{proxy.base}/v1/messages/batches") as answer,
    ):
        assert await answer.read() == data
