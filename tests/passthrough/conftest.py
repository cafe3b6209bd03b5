"""A vendor's files, as far as tests look at them: it remembers what it was asked, and answers what
it is told to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from harness import proxied
from planted import planted

Answers = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Vendor:
    """`asked` holds (method, path with query, headers, body) of each request. `answers`: what is
    said next, one after the other; then whatever `otherwise` says.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: list[Answers] = []
        self.base = ""
        self.ids = iter(range(1, 10_000))
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        self.sockets: set[object] = set()  # by which requests came
        self.left = asyncio.Event()  # somebody has gone away before the answer was over

    @property
    def connections(self) -> int:
        return len(self.sockets)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        self.sockets.add(request.transport.get_extra_info("peername"))
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None and getattr(answer, "streams", False):
            self.asked.append(self._line(request, b""))
            return await self._watched(answer, request)
        self.asked.append(self._line(request, await request.read()))
        return await self._watched(answer or self.otherwise, request)

    async def _watched(self, answer: Answers, request: web.Request) -> web.StreamResponse:
        try:
            return await answer(request)
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise

    @staticmethod
    def _line(request: web.Request, body: bytes) -> tuple[str, str, dict[str, str], bytes]:
        headers = {k.lower(): v for k, v in request.headers.items()}
        return request.method, request.raw_path, headers, body

    async def otherwise(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"id": f"file-{next(self.ids):06d}", "object": "file"})

    def says(self, status: int = 200, body: Any = None, **headers: str) -> None:
        """The next answer."""
        data = body if isinstance(body, bytes) else orjson.dumps({} if body is None else body)
        head = {k.replace("_", "-"): v for k, v in headers.items()}
        head.setdefault("content-type", "application/json")

        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, body=data, headers=head)

        self.answers.append(answer)

    async def __aenter__(self) -> Vendor:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()


@pytest.fixture
async def vendor():
    async with Vendor() as vendor:
        yield vendor


@pytest.fixture
async def other():
    async with Vendor() as vendor:
        yield vendor


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name in ("one", "two", "three"):
        monkeypatch.setenv(f"KEY_{name.upper()}", planted(name))


ONE = """
providers:
  a: {{kind: openai, api_base: "{a}/v1", token: {{env: KEY_ONE}}}}
rules:
  - {{name: r, request_model: m, services: [{{provider: a, model: m}}]}}
"""


@pytest.fixture
async def proxy(vendor, tmp_path):
    """With one provider, which has all that is passed on."""
    async with proxied(tmp_path, ONE.format(a=vendor.base)) as proxy:
        yield proxy
