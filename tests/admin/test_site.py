"""The server of the admin port: what it finds, what it refuses, and what becomes of it when a
handler or a client fails.
"""

import asyncio
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest

from harness import Answer
from pilotfish.admin.site import Response, Site, json_answer, text_answer
from pilotfish.http1.server import Server

LIMIT = 100


@asynccontextmanager
async def asking(site):
    """Asks a site for a path, over a real connection."""
    server = Server(site.handle, site.refuse, max_body_bytes=LIMIT, clock=time.monotonic)
    listener = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
    base = "http://{}:{}".format(*listener.sockets[0].getsockname())
    try:
        async with aiohttp.ClientSession() as http:

            async def ask(path, method="GET", **more):
                async with http.request(method, base + path, **more) as answer:
                    return Answer(
                        answer.status,
                        {k.lower(): v for k, v in answer.headers.items()},
                        await answer.read(),
                    )

            yield ask
    finally:
        listener.close()
        site.close()
        for connection in list(server.connections):
            connection.close(reset=False)


async def told(request):
    """What a handler sees of a request."""
    return json_answer(
        [
            request.method,
            request.path,
            dict(request.query),
            request.header(b"x-word"),
            request.body.decode(),
            request.peer,
        ]
    )


SITE = {"/told": {"GET": told, "POST": told}, "/two words": {"GET": told}}


async def test_a_handler_that_fails_costs_one_answer_and_not_the_connection(caplog):
    async def fails(request):
        raise RuntimeError("a bug")

    async with asking(Site({"/fails": {"GET": fails}})) as ask:
        for _ in range(2):
            answer = await ask("/fails")
            assert answer.status == 500
            assert "a bug" not in answer.text


async def test_what_is_not_there_is_told_with_what_is():
    async with asking(Site(SITE)) as ask:
        answer = await ask("/tolled")
        assert answer.status == 404
        assert answer.json["error"]["message"] == "no such path: /tolled; known: /told, /two words"


async def test_a_method_that_a_path_does_not_take_is_told_with_those_that_it_does():
    async with asking(Site(SITE)) as ask:
        answer = await ask("/told", "DELETE")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")


async def test_a_body_that_is_too_large_is_refused_in_the_words_of_this_port():
    async with asking(Site(SITE)) as ask:
        answer = await ask("/told", "POST", data=b"x" * (LIMIT + 1))
        assert answer.status == 413
        assert "larger than 100 bytes" in answer.json["error"]["message"]


async def test_a_client_that_leaves_takes_its_handler_with_it():
    begun, left = asyncio.Event(), asyncio.Event()

    async def slow(request):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    async with asking(Site({"/slow": {"GET": slow}})) as ask:
        asked = asyncio.create_task(ask("/slow"))
        await begun.wait()
        asked.cancel()
        await asyncio.wait_for(left.wait(), 10)


async def test_closing_ends_what_is_still_being_answered():
    begun, left = asyncio.Event(), asyncio.Event()

    async def slow(request):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    site = Site({"/slow": {"GET": slow}})
    async with asking(site) as ask:
        asked = asyncio.create_task(ask("/slow"))
        await begun.wait()
        site.close()
        await asyncio.wait_for(left.wait(), 10)
        asked.cancel()


async def test_a_handler_sees_the_request():
    async with asking(Site(SITE)) as ask:
        answer = await ask("/told?a=1&b=&a=2", "POST", data=b"body", headers={"X-Word": "w"})
        assert answer.json == ["POST", "/told", {"a": "1", "b": ""}, "w", "body", "127.0.0.1"]
        assert answer.headers["content-type"] == "application/json"
        assert (await ask("/two%20words")).json[1:3] == ["/two words", {}]


async def test_head_is_answered_as_get_is_without_a_body():
    async def page(request):
        return text_answer(request.method)

    async with asking(Site({"/": {"GET": page}})) as ask:
        answer = await ask("/", "HEAD")
        assert (answer.status, answer.headers["content-length"], answer.body) == (200, "4", b"")


@pytest.mark.parametrize("value", ["plain", "line\r\nbreak"])
async def test_headers_go_out_but_never_more_of_them_than_were_meant(value):
    async def headed(request):
        return Response(b"", headers={"x-answer": value})

    async with asking(Site({"/": {"GET": headed}})) as ask:
        answer = await ask("/")
        assert answer.headers.get("x-answer") == (value if value == "plain" else None)
        assert "break" not in answer.headers
