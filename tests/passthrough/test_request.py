"""A request that is passed on: what of it goes up, what of the answer comes down, and when it is
sent again.
"""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from harness import proxied, until
from passthrough.conftest import ONE, Vendor
from planted import CLIENT_KEY, planted

CLIENT = {"authorization": f"Bearer {CLIENT_KEY}"}


async def test_an_answer_that_breaks_off_has_no_clean_end(proxy, vendor):
    async def breaks(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"the first half")
        request.transport.abort()
        return response

    vendor.answers.append(breaks)
    async with proxy.http.get(f"{proxy.base}/v1/files/file-1/content") as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    await proxy.settled()
    assert (proxy.record()["code"], proxy.record()["error"]) == (200, "broken_stream")


async def test_a_client_that_leaves_takes_the_vendors_answer_with_it(proxy, vendor):
    async def forever(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"something")
        await asyncio.Event().wait()
        return response

    vendor.answers.append(forever)
    async with proxy.http.get(f"{proxy.base}/v1/files/file-1/content") as answer:
        await answer.content.readany()
        answer.close()
    await asyncio.wait_for(vendor.left.wait(), 5)
    await proxy.settled()
    assert proxy.record()["error"] == "client_gone"


async def test_a_vendor_that_says_nothing_is_given_up_in_time(vendor, tmp_path):
    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    rules = ONE.format(a=vendor.base) + "defaults: {timeouts: {total_s: 0.1}}\n"
    vendor.answers.append(silent)
    async with (
        proxied(tmp_path, rules) as proxy,
        proxy.http.get(f"{proxy.base}/v1/files") as answer,
    ):
        assert (answer.status, answer.headers["x-pilotfish-attempts"]) == (504, "1")
        told = await answer.json()
        assert told["error"]["message"] == "the request took longer than 0.1 s"
        assert proxy.record()["attempts"][0]["outcome"] == "timeout"


async def test_a_vendor_that_stops_in_its_answer_is_given_up_in_time(vendor, tmp_path):
    async def stops(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"something")
        await asyncio.Event().wait()
        return response

    rules = ONE.format(a=vendor.base) + "defaults: {timeouts: {idle_s: 0.1}}\n"
    vendor.answers.append(stops)
    async with (
        proxied(tmp_path, rules) as proxy,
        proxy.http.get(f"{proxy.base}/v1/files/f/content") as answer,
    ):
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
        await proxy.settled()
        assert proxy.record()["error"] == "timeout"


async def test_a_vendor_that_cannot_be_reached_is_a_502_that_says_so(tmp_path, vendor):
    rules = ONE.format(a="http://127.0.0.1:1") + "defaults: {retries: {base_ms: 1}}\n"
    async with (
        proxied(tmp_path, rules) as proxy,
        proxy.http.post(f"{proxy.base}/v1/files", data=b"x" * 1000) as answer,
    ):
        assert (answer.status, answer.headers["x-pilotfish-attempts"]) == (502, "3")
        assert "cannot connect to 127.0.0.1:1" in (await answer.json())["error"]["message"]
        record = proxy.record()
        assert [a["outcome"] for a in record["attempts"]] == ["connect_failed"] * 3


async def test_only_what_may_be_done_twice_is_done_twice(tmp_path, vendor):
    rules = ONE.format(a=vendor.base) + "defaults: {retries: {base_ms: 1}}\n"
    async with proxied(tmp_path, rules) as proxy:
        for _ in range(2):
            vendor.says(503, {"error": {"message": "busy"}})
        async with proxy.http.get(f"{proxy.base}/v1/batches/batch_1") as answer:
            assert (answer.status, answer.headers["x-pilotfish-attempts"]) == (200, "3")
        for method in ("POST", "DELETE"):
            vendor.says(503, {"error": {"message": "busy"}})
            async with proxy.http.request(method, f"{proxy.base}/v1/batches/batch_1") as answer:
                assert (answer.status, answer.headers["x-pilotfish-attempts"]) == (503, "1")
        for _ in range(3):
            vendor.says(500, {"error": {"message": "broken"}})
        async with proxy.http.get(f"{proxy.base}/v1/batches/batch_1") as answer:
            assert (answer.status, (await answer.json())["error"]["message"]) == (500, "broken")


async def test_bytes_headers_and_status_are_the_vendors(proxy, vendor):
    data = bytes(range(256)) * 4000
    vendor.says(
        206,
        data,
        content_type="audio/weird",
        content_encoding="gzip",
        content_disposition='attachment; filename="a b"',
        content_range="bytes 0-1023999/2000000",
        openai_version="2020-10-01",
        x_request_id="the vendor's own",
        set_cookie="a=b",
        authorization=f"Bearer {planted('one')}",
    )
    async with proxy.http.get(
        URL(f"{proxy.base}/v1/files/file-1/content?a=%2F&key=mine", encoded=True),
        headers={**CLIENT, "range": "bytes=0-1023999", "x-custom": "1", "cookie": "c=d"},
        auto_decompress=False,
    ) as answer:
        got, told = await answer.read(), answer.headers
    assert (answer.status, got) == (206, data)
    assert told["content-type"] == "audio/weird"
    assert told["content-encoding"] == "gzip"
    assert told["content-length"] == str(len(data))
    assert told["content-disposition"] == 'attachment; filename="a b"'
    assert told["content-range"] == "bytes 0-1023999/2000000"
    assert told["openai-version"] == "2020-10-01"
    assert told["x-pilotfish-service"] == "a"
    assert "set-cookie" not in told
    assert "authorization" not in told
    method, target, headers, _ = vendor.asked[0]
    assert (method, target) == ("GET", "/v1/files/file-1/content?a=%2F")
    assert headers["authorization"] == f"Bearer {planted('one')}"
    assert (headers["range"], headers["x-custom"]) == ("bytes=0-1023999", "1")
    assert headers["accept-encoding"] == "identity"
    assert "cookie" not in headers


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_is_streamed_as_it_comes_and_keeps_its_framing(proxy, vendor, chunked):
    """The vendor has the first part while the client has not sent the second."""
    first, gate = asyncio.Event(), asyncio.Event()
    got = bytearray()

    async def reads(request: web.Request) -> web.StreamResponse:
        async for piece in request.content.iter_any():
            got.extend(piece)
            first.set()
        told = {"length": request.headers.get("content-length"), "id": "file-1"}
        return web.json_response(told)

    reads.streams = True

    async def body():
        yield b"a" * 1000
        await first.wait()
        gate.set()
        yield b"b" * 500_000

    vendor.answers.append(reads)
    headers = {"content-type": "multipart/form-data; boundary=x"}
    if not chunked:
        headers["content-length"] = "501000"
    async with proxy.http.post(f"{proxy.base}/v1/files", data=body(), headers=headers) as answer:
        told = await answer.json()
    assert gate.is_set()
    assert bytes(got) == b"a" * 1000 + b"b" * 500_000
    assert told["length"] == (None if chunked else "501000")
    assert vendor.asked[0][2]["content-type"] == "multipart/form-data; boundary=x"
    await proxy.settled()
    record = proxy.record()
    assert (record["bytes_in"], record["code"], record["family"]) == (501_000, 200, "files")


async def test_an_error_is_the_vendors_without_the_key_that_it_quotes(proxy, vendor):
    vendor.says(403, {"error": {"message": f"key {planted('one')} may not", "code": "x"}})
    async with proxy.http.delete(f"{proxy.base}/v1/files/file-1") as answer:
        assert answer.status == 403
        assert await answer.json() == {"error": {"message": "key [key] may not", "code": "x"}}
    assert "[key]" not in str(proxy.record())


async def test_a_key_that_was_rotated_is_tried_at_once(tmp_path, vendor):
    key = tmp_path / "key"
    key.write_text(planted("old"))
    rules = ONE.format(a=vendor.base).replace("{env: KEY_ONE}", f'{{file: "{key}"}}')
    async with proxied(tmp_path, rules) as proxy:
        async with proxy.http.get(f"{proxy.base}/v1/files") as answer:
            assert answer.status == 200

        async def refuses(request: web.Request) -> web.StreamResponse:
            key.write_text(planted("new"))
            return web.json_response({"error": {"message": "no"}}, status=401)

        vendor.answers.append(refuses)
        async with proxy.http.get(f"{proxy.base}/v1/files") as answer:
            assert (answer.status, answer.headers["x-pilotfish-attempts"]) == (200, "2")
    assert [a[2]["authorization"][7:] for a in vendor.asked] == [
        planted("old"),
        planted("old"),
        planted("new"),
    ]


async def test_a_place_where_an_upload_goes_on_is_put_below_the_clients_address(tmp_path, vendor):
    """The client has no key for the vendor, and may not reach it."""
    rules = """
providers: {{g: {{kind: google, api_base: "{a}/v1beta", token: {{env: KEY_ONE}}}}}}
rules: [{{name: r, request_model: m, services: [{{provider: g, model: m}}]}}]
"""
    async with proxied(tmp_path, rules.format(a=vendor.base)) as proxy:
        there = f"{vendor.base}/upload/v1beta/files?upload_id=abc_123&key=gone&x=1"
        vendor.says(200, {}, x_goog_upload_url=there)
        async with proxy.http.post(
            f"{proxy.base}/upload/v1beta/files", json={"file": {"display_name": "x"}}
        ) as answer:
            here = answer.headers["x-goog-upload-url"]
        assert here == f"{proxy.base}/upload/v1beta/files?upload_id=abc_123&x=1"
        async with proxy.http.post(
            here, data=b"data", headers={"x-goog-upload-command": "upload, finalize"}
        ) as answer:
            assert answer.status == 200
    assert [a[1] for a in vendor.asked] == [
        "/upload/v1beta/files",
        "/upload/v1beta/files?upload_id=abc_123&x=1",
    ]
    assert vendor.asked[1][2]["x-goog-api-key"] == planted("one")
    assert vendor.asked[1][2]["x-goog-upload-command"] == "upload, finalize"


async def test_no_place_but_this_one_is_where_a_client_is_sent(tmp_path, vendor):
    rules = """
providers: {{g: {{kind: google, api_base: "{a}/v1beta", token: {{env: KEY_ONE}}}}}}
rules: [{{name: r, request_model: m, services: [{{provider: g, model: m}}]}}]
"""
    async with proxied(tmp_path, rules.format(a=vendor.base)) as proxy:
        places = {
            f"{vendor.base}/upload/x?key=gone": f"{proxy.base}/upload/x",
            "/upload/x": "/upload/x",
            "https://elsewhere.example/x": None,
            "//elsewhere.example/x": None,
            f"{proxy.base}.elsewhere.example/": None,
        }
        for place, shown in places.items():
            vendor.says(200, {}, location=place, refresh="0; url=//x", clear_site_data="*")
            async with proxy.http.get(f"{proxy.base}/v1beta/files") as answer:
                assert answer.headers.get("location") == shown
                assert not {"refresh", "clear-site-data"} & set(answer.headers)


async def test_a_signed_request_is_held_and_signed(tmp_path, vendor):
    rules = """
providers:
  b: {{kind: bedrock, api_base: "{a}", options: {{region: us-east-1, access_key: {{env: KEY_ONE}}, secret_key: {{env: KEY_TWO}}}}}}
rules: [{{name: r, request_model: m, services: [{{provider: b, model: m}}]}}]
"""
    async with proxied(tmp_path, rules.format(a=vendor.base), max_body_bytes=1000) as proxy:
        for size, status in ((100, 200), (2000, 413)):
            async with proxy.http.post(
                URL(f"{proxy.base}/guardrail/a%3Ab/version/1/apply", encoded=True),
                data=b"{" + b" " * size + b"}",
            ) as answer:
                assert answer.status == status
    (method, target, headers, body), *more = vendor.asked
    assert (method, target, len(body), more) == (
        "POST",
        "/guardrail/a%3Ab/version/1/apply",
        102,
        [],
    )
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=")


async def test_a_kept_connection_serves_the_next_request(proxy, vendor):
    for _ in range(3):
        async with proxy.http.get(f"{proxy.base}/v1/files") as answer:
            assert answer.status == 200
    assert vendor.connections == 1


async def test_a_drain_lets_what_is_passed_on_finish(proxy, vendor):
    gate = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one ")
        await gate.wait()
        await response.write(b"two")
        return response

    vendor.answers.append(slow)
    async with proxy.http.get(f"{proxy.base}/v1/files/f/content") as answer:
        await answer.content.readexactly(4)
        draining = asyncio.create_task(proxy.app.drain())
        await until(lambda: proxy.app.engine.draining)
        gate.set()
        assert await answer.read() == b"two"
        await draining


async def test_what_an_error_says_to_the_end_of_the_world_is_cut(proxy, vendor: Vendor):
    vendor.says(500, b"x" * 1_000_000)
    vendor.answers *= 3
    async with proxy.http.get(f"{proxy.base}/v1/files/f/content") as answer:
        assert len(await answer.read()) == 64 * 1024
