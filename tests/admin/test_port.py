"""The admin port: what it says of what is not there, and what becomes of it when a handler or a
client fails.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest
import structlog
from aiohttp import web

from harness import Answer, until
from pilotfish.admin import port
from pilotfish.admin.port import AdminPort, bounded, errors_as_json, json_answer, without_own_name
from pilotfish.settings import Address

LIMIT = 100


@asynccontextmanager
async def listening(app):
    """The base URL of an application behind the port."""
    served = AdminPort(app)
    at = await served.open(Address(("127.0.0.1", 0)))
    try:
        yield f"http://{at}", served
    finally:
        await served.close()


@asynccontextmanager
async def asking(app):
    """Asks an application for a path, over a real connection."""
    async with listening(app) as (base, _), aiohttp.ClientSession() as http:

        async def ask(path, method="GET", **more):
            async with http.request(method, base + path, **more) as answer:
                return Answer(
                    answer.status,
                    {k.lower(): v for k, v in answer.headers.items()},
                    await answer.read(),
                )

        yield ask


def application(**handlers):
    """Each handler by its name, for GET and POST."""
    app = web.Application(middlewares=[bounded, errors_as_json], client_max_size=LIMIT)
    app.on_response_prepare.append(without_own_name)
    for name, handler in handlers.items():
        app.router.add_get(f"/{name}", handler)
        app.router.add_post(f"/{name}", handler)
    return app


async def told(request):
    """What a handler sees of a request."""
    return json_answer([request.method, dict(request.query), (await request.read()).decode()])


class Slow:
    """A handler that waits until it is left."""

    def __init__(self):
        self.begun, self.left = asyncio.Event(), asyncio.Event()

    async def handle(self, request):
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()


async def test_a_handler_that_fails_costs_one_answer_and_not_the_connection():
    async def fails(request):
        raise RuntimeError("a bug")

    with structlog.testing.capture_logs() as logs:
        async with asking(application(fails=fails)) as ask:
            for _ in range(2):
                answer = await ask("/fails?key=value")
                assert answer.status == 500
                assert "a bug" not in answer.text
    assert [(x["event"], x["path"]) for x in logs] == [("admin_failed", "/fails")] * 2


async def test_what_is_not_there_is_told_with_what_is():
    async with asking(application(told=told, other=told)) as ask:
        answer = await ask("/tolled")
        assert answer.status == 404
        assert answer.json["error"]["message"] == "no such path: /tolled; known: /other, /told"


async def test_a_method_that_a_path_does_not_take_is_told_with_those_that_it_does():
    async with asking(application(told=told)) as ask:
        answer = await ask("/told", "DELETE")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")
        assert answer.json["error"]["message"] == "/told takes GET, HEAD, POST, not DELETE"


async def test_a_body_that_is_too_large_is_refused_in_the_words_of_this_port():
    async with asking(application(told=told)) as ask:
        answer = await ask("/told", "POST", data=b"x" * (LIMIT + 1))
        assert answer.status == 413
        assert answer.json["error"]["message"] == "the request body is larger than 100 bytes"


async def test_a_client_that_leaves_takes_its_handler_with_it():
    slow = Slow()
    async with asking(application(slow=slow.handle)) as ask:
        asked = asyncio.create_task(ask("/slow"))
        await slow.begun.wait()
        asked.cancel()
        await slow.left.wait()


async def test_closing_ends_what_is_still_being_answered():
    slow = Slow()
    async with (
        listening(application(slow=slow.handle)) as (base, served),
        aiohttp.ClientSession() as http,
    ):
        asked = asyncio.create_task(http.get(f"{base}/slow"))
        await slow.begun.wait()
        await served.close()
        assert slow.left.is_set()
        with pytest.raises(aiohttp.ClientError):
            await asked


async def test_an_answer_that_is_not_ready_in_time_ends_its_connection(monkeypatch):
    monkeypatch.setattr(port, "ANSWER_S", 0.01)
    slow = Slow()
    async with asking(application(slow=slow.handle)) as ask:
        with pytest.raises(aiohttp.ClientError):
            await ask("/slow")
    assert slow.left.is_set()


async def test_a_client_that_does_not_read_its_answer_is_cut_off(monkeypatch):
    monkeypatch.setattr(port, "ANSWER_S", 0.2)
    begun = asyncio.Event()

    async def large(request):
        begun.set()
        return web.Response(body=bytes(100_000_000))

    async with listening(application(large=large)) as (base, served):
        _, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
        writer.transport.pause_reading()
        writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        await begun.wait()
        await until(lambda: not served._runner.server.connections)
        writer.transport.abort()


@pytest.mark.parametrize("begun", [b"", b"GET /told HT"])
async def test_a_connection_without_a_whole_head_is_closed_after_its_time(monkeypatch, begun):
    monkeypatch.setattr(port, "IDLE_S", 0.01)
    async with listening(application(told=told)) as (base, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
        writer.write(begun)
        assert await reader.read() == b""
        writer.close()


async def test_a_handler_sees_the_request():
    async with asking(application(told=told)) as ask:
        answer = await ask("/told?a=1&b=", "POST", data=b"body")
        assert answer.json == ["POST", {"a": "1", "b": ""}, "body"]
        assert answer.headers["content-type"] == "application/json"


async def test_head_is_answered_as_get_is_without_a_body():
    async with asking(application(told=told)) as ask:
        answer = await ask("/told", "HEAD")
        assert (answer.status, answer.headers["content-length"], answer.body) == (200, "14", b"")


async def test_which_versions_run_is_not_told():
    async with asking(application(told=told)) as ask:
        assert "server" not in (await ask("/told")).headers
