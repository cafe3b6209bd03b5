"""What the official clients call beside chats: files, batches, stored responses, conversations. The
vendor checks what it gets, and the proxy is a process of its own whose memory is looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import anthropic as anthropic_sdk
import openai as openai_sdk
import pytest
from aiohttp import web
from google import genai
from google.genai import types as genai_types

from harness import process, proxied
from planted import CLIENT_KEY, planted

SIZE = 200 * 1024 * 1024
PIECE = b"The small pilot fish swims ahead of the great shark. " * 1024
MOST_MORE_KB = 48 * 1024  # that the proxy may grow by, whatever the size of a file
RULES = """
providers:
  openai: {{kind: openai, api_base: "{base}/v1", token: {{env: SDK_KEY}}}}
  anthropic: {{kind: anthropic, api_base: "{base}", token: {{env: SDK_KEY}}}}
  google: {{kind: google, api_base: "{base}/v1beta", token: {{env: SDK_KEY}}}}
rules: [{{name: r, request_model: m, services: [{{provider: openai, model: m}}]}}]
"""
KEY = planted("sdk")


def pieces() -> AsyncIterator[bytes]:
    async def made() -> AsyncIterator[bytes]:
        left = SIZE
        while left:
            piece = PIECE[:left]
            left -= len(piece)
            yield piece

    return made()


class Vendor:
    """Three vendors' files and what stands beside them. `seen`: (method, path) of each request."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.uploaded = ""  # hash of the last file, without the framing around it
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self.answer)
        self._runner = web.AppRunner(app, access_log=None)
        self.base = ""

    async def __aenter__(self) -> Vendor:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.path))
        sent = {k.lower(): v for k, v in request.headers.items()}
        assert KEY in (
            sent.get("authorization", "")[7:],
            sent.get("x-api-key"),
            sent.get("x-goog-api-key"),
        )
        assert CLIENT_KEY not in str(sent)
        if request.content_type.startswith("multipart/"):
            self.uploaded = await hash_of_parts(request)
        elif request.path.startswith("/upload/"):
            return await self.upload(request)
        if request.path.endswith("/content"):
            response = web.StreamResponse(headers={"content-type": "application/octet-stream"})
            response.content_length = SIZE
            await response.prepare(request)
            async for piece in pieces():
                await response.write(piece)
            return response
        if request.path.endswith("/results"):
            line = b'{"custom_id": "a", "result": {"type": "errored", "error": {"type": "error", "error": {"type": "api_error", "message": "no"}}}}\n'
            return web.Response(body=line, headers={"content-type": "application/x-jsonl"})
        return web.json_response(self.object_for(request))

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Google's resumable form: first the place, then the bytes."""
        if request.headers.get("x-goog-upload-command") == "start":
            there = f"{self.base}/upload/v1beta/files?upload_id=token123&upload_protocol=resumable"
            return web.Response(
                headers={"x-goog-upload-url": there, "x-goog-upload-status": "active"}
            )
        found = hashlib.sha256()
        async for piece in request.content.iter_any():
            found.update(piece)
        self.uploaded = found.hexdigest()
        final = "finalize" in request.headers["x-goog-upload-command"]
        headers = {"x-goog-upload-status": "final" if final else "active"}
        return web.json_response({"file": {"name": "files/abc123"}}, headers=headers)

    def object_for(self, request: web.Request) -> dict[str, object]:
        path = request.path
        if "anthropic-version" in request.headers:
            if "batches" in path:
                return {
                    "id": "msgbatch_1",
                    "type": "message_batch",
                    "processing_status": "ended",
                    "results_url": f"{self.base}/v1/messages/batches/msgbatch_1/results",
                }
            return {"id": "file_1", "type": "file", "filename": "a", "size_bytes": 1}
        named = {"files": "file-1", "batches": "batch_1", "conversations": "conv_1"}
        for word, one in named.items():
            if f"/{word}" in path:
                return {
                    "id": one,
                    "object": word,
                    "status": "completed",
                    "output_file_id": "file-2",
                }
        return {"id": "resp_1", "object": "response", "status": "completed", "output": []}


async def hash_of_parts(request: web.Request) -> str:
    """Of the part with a file name."""
    found = hashlib.sha256()
    async for part in await request.multipart():
        while piece := await part.read_chunk(1 << 16):
            if part.filename:
                found.update(piece)
    return found.hexdigest()


@pytest.fixture
async def vendor():
    async with Vendor() as vendor:
        yield vendor


def most_memory_kb(pid: int) -> int:
    """The most that a process has ever had in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


async def test_a_file_of_200_mb_goes_up_and_down_and_the_proxy_does_not_grow(vendor, tmp_path):
    file = tmp_path / "large.bin"
    whole = hashlib.sha256()
    with file.open("wb") as out:
        async for piece in pieces():
            out.write(piece)
            whole.update(piece)
    async with process(tmp_path, RULES.format(base=vendor.base), SDK_KEY=KEY) as proxy:
        async with openai_sdk.AsyncOpenAI(
            base_url=f"{proxy.base}/v1", api_key=CLIENT_KEY, max_retries=0
        ) as client:
            small = await client.files.create(file=("a", b"x"), purpose="batch")
            assert small.id == "file-1"
            before = most_memory_kb(proxy.child.pid)
            await client.files.create(file=file, purpose="batch")
            assert vendor.uploaded == whole.hexdigest()
            came = hashlib.sha256()
            async with client.files.with_streaming_response.content("file-1") as answer:
                async for piece in answer.iter_bytes(1 << 16):
                    came.update(piece)
            assert came.hexdigest() == whole.hexdigest()
        assert most_memory_kb(proxy.child.pid) - before < MOST_MORE_KB


@pytest.fixture
async def proxy(vendor, tmp_path, monkeypatch):
    monkeypatch.setenv("SDK_KEY", KEY)
    async with proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        yield proxy


async def test_openais_batches_conversations_and_stored_responses(proxy, vendor):
    async with openai_sdk.AsyncOpenAI(
        base_url=f"{proxy.base}/v1", api_key=CLIENT_KEY, max_retries=0
    ) as client:
        batch = await client.batches.create(
            input_file_id="file-1", endpoint="/v1/responses", completion_window="24h"
        )
        assert (await client.batches.retrieve(batch.id)).output_file_id == "file-2"
        await client.batches.cancel(batch.id)
        conversation = await client.conversations.create(metadata={"a": "b"})
        await client.conversations.items.list(conversation.id)
        await client.responses.retrieve("resp_1")
        await client.responses.cancel("resp_1")
        await client.responses.delete("resp_1")
        await client.vector_stores.create(name="x")
    assert vendor.seen == [
        ("POST", "/v1/batches"),
        ("GET", "/v1/batches/batch_1"),
        ("POST", "/v1/batches/batch_1/cancel"),
        ("POST", "/v1/conversations"),
        ("GET", "/v1/conversations/conv_1/items"),
        ("GET", "/v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("DELETE", "/v1/responses/resp_1"),
        ("POST", "/v1/vector_stores"),
    ]


async def test_anthropics_files_and_batches_with_their_results(proxy, vendor):
    async with anthropic_sdk.AsyncAnthropic(
        base_url=proxy.base, api_key=CLIENT_KEY, max_retries=0
    ) as client:
        made = await client.beta.files.upload(file=("a", b"hello"))
        assert (made.id, vendor.uploaded) == ("file_1", hashlib.sha256(b"hello").hexdigest())
        message = {"role": "user", "content": "hello"}
        params = {"model": "m", "max_tokens": 9, "messages": [message]}
        batch = await client.messages.batches.create(
            requests=[{"custom_id": "a", "params": params}]
        )
        results = [one async for one in await client.messages.batches.results(batch.id)]
        assert [one.custom_id for one in results] == ["a"]
    assert [path for _, path in vendor.seen] == [
        "/v1/files",
        "/v1/messages/batches",
        "/v1/messages/batches/msgbatch_1",
        "/v1/messages/batches/msgbatch_1/results",
    ]


async def test_geminis_files_go_up_where_the_vendor_says_through_the_proxy(proxy, vendor, tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes(b"hello " * 1000)
    client = genai.Client(
        api_key=CLIENT_KEY, http_options=genai_types.HttpOptions(base_url=proxy.base)
    )
    made = await client.aio.files.upload(file=file)
    assert made.name == "files/abc123"
    assert vendor.uploaded == hashlib.sha256(file.read_bytes()).hexdigest()
    assert all(path.startswith("/upload/v1") for _, path in vendor.seen)
    assert len(vendor.seen) == 2
    assert proxy.app.ledger.holders.of("files/abc123") is not None
