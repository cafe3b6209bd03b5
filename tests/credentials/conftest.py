"""A token endpoint on loopback whose answers a test decides, and a clock that a test turns."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from certificates import Authority
from pilotfish import providers
from pilotfish.core.model.service import Provider
from pilotfish.credentials import CredentialContext
from pilotfish.credentials.fetch import Fetcher
from pilotfish.http1.origin import Origin


class Clock:
    """Wall time in epoch seconds, turned by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Endpoint:
    """Counts what it is asked and answers what it is told. `gate` holds answers back until it is
    set.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer: Callable[[int], tuple[int, object]] = lambda n: (
            200,
            {"access_token": f"hush-token-{n}", "expires_in": 3600},
        )
        self.by_path: dict[str, Callable[[int], tuple[int, object]]] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked.append(
            (
                request.method,
                request.path_qs,
                {k.lower(): v for k, v in request.headers.items()},
                body,
            )
        )
        self.arrived.set()
        await self.gate.wait()
        status, content = self.by_path.get(request.path, self.answer)(len(self.asked))
        if isinstance(content, str):
            return web.Response(status=status, text=content)
        return web.json_response(content, status=status, headers={"Metadata-Flavor": "Google"})


@asynccontextmanager
async def listening(context: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    known = Endpoint()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", known.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    known.url = f"http{'s' if context else ''}://127.0.0.1:{port}"
    try:
        yield known
    finally:
        known.gate.set()
        await runner.cleanup()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with listening() as known:
        yield known


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


class Internet:
    """The hosts that there are, by name; all others are not there. `connect` is what a Fetcher
    takes.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, Endpoint] = {}

    async def connect(
        self,
        factory: Callable[[], asyncio.Protocol],
        origin: Origin,
        context: ssl.SSLContext | None,
    ) -> tuple[Any, Any]:
        endpoint = self.hosts.get(origin.host)
        if endpoint is None:
            raise ConnectionRefusedError(f"{origin.host} is not there")
        port = int(endpoint.url.rpartition(":")[2])
        name = origin.host if context else None
        return await asyncio.get_running_loop().create_connection(
            factory, "127.0.0.1", port, ssl=context, server_hostname=name
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    made = Fetcher()
    yield made
    await made.close()


@pytest.fixture
def context(tmp_path, clock, fetcher) -> CredentialContext:
    return CredentialContext(
        secrets_dir=str(tmp_path / "secrets"),
        environ={},
        fetcher=fetcher,
        wall=clock,
        rng=random.Random(1),
    )


def provider_of(kind: str, **more: object) -> Provider:
    record = providers.get(kind)
    base = str(more.pop("base", record.base_url))
    return Provider(
        name="p", kind=record, base=base, style=record.style, paths=record.paths, **more
    )  # type: ignore[arg-type]


@pytest.fixture
def make() -> Callable[..., Provider]:
    return provider_of
