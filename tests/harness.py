"""What tests of the running proxy share: an App on loopback with rules from a text, and its log and
metrics to look at.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from prometheus_client.parser import text_string_to_metric_families

import leaks
from pilotfish.app import App
from pilotfish.settings import Settings
from pilotfish.telemetry.access_log import AccessLog
from planted import CLIENT_KEY


class Proxy:
    """A running App. `log` holds the access log's records as they are written."""

    def __init__(
        self, app: App, rules: Path, lines: list[dict[str, Any]], http: aiohttp.ClientSession
    ) -> None:
        self.app, self.rules, self.log, self.http = app, rules, lines, http

    @property
    def base(self) -> str:
        return self.app.base

    async def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        head = {
            "content-type": "application/json",
            "authorization": f"Bearer {CLIENT_KEY}",
            **(headers or {}),
        }
        async with self.http.post(self.base + path, data=data, headers=head) as answer:
            return Answer(
                answer.status,
                {k.lower(): v for k, v in answer.headers.items()},
                await answer.read(),
            )

    async def chat(self, model: str, text: str = "hello", **more: Any) -> Answer:
        return await self.post(
            "/v1/chat/completions",
            {"model": model, "messages": [{"role": "user", "content": text}], **more},
        )

    async def admin(self, path: str, body: Any = None) -> Answer:
        method = "GET" if body is None else "POST"
        async with self.http.request(
            method,
            self.app.admin_base + path,
            data=None if body is None else orjson.dumps(body),
            headers={"content-type": "application/json"},
        ) as answer:
            return Answer(
                answer.status,
                {k.lower(): v for k, v in answer.headers.items()},
                await answer.read(),
            )

    async def status(self) -> dict[str, Any]:
        return (await self.admin("/status")).json

    async def service(self, provider: str, model: str) -> dict[str, Any]:
        return next(
            s
            for s in (await self.status())["services"]
            if (s["provider"], s["model"]) == (provider, model)
        )

    async def series(self, name: str, **labels: str) -> list[float]:
        """The values of the samples of this name with these labels."""
        text = (await self.admin("/metrics")).text
        return [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and all(sample.labels.get(k) == v for k, v in labels.items())
        ]

    async def metric(self, name: str, **labels: str) -> float:
        """Their sum."""
        return sum(await self.series(name, **labels))

    def record(self) -> dict[str, Any]:
        """The newest record of the access log."""
        self.app.log.flush()
        return self.log[-1]

    async def settled(self) -> None:
        """No request is in flight any more."""
        await self.app.engine.in_flight.idle.wait()


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def events(self) -> list[Any]:
        """The data of each SSE event, parsed where it is JSON."""
        found: list[Any] = []
        for block in self.text.replace("\r\n", "\n").split("\n\n"):
            data = "\n".join(
                line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")
            )
            if data:
                found.append(data if data == "[DONE]" else orjson.loads(data))
        return found

    def said(self) -> str:
        """The text of a Chat Completions stream."""
        return "".join(
            c["delta"].get("content") or ""
            for e in self.events
            if e != "[DONE]"
            for c in e.get("choices", [])
        )


@asynccontextmanager
async def proxied(
    folder: Path, rules: str, *, paths: tuple[str, ...] = (), **settings: Any
) -> AsyncIterator[Proxy]:
    """A proxy with these rules, in a file that may be changed while it runs; or with those at
    `paths`.

    Whatever a test did with it, at its end it is asked for all that it tells of itself, so that
    `leaks` hears it.
    """
    path = folder / "rules.yaml"
    path.write_text(rules)
    lines: list[dict[str, Any]] = []

    def write(data: bytes) -> None:
        leaks.hear("the access log", data)
        lines.extend(orjson.loads(line) for line in data.splitlines())

    chosen = Settings(
        listen="127.0.0.1:0", admin_listen="127.0.0.1:0", config=paths or (str(path),), **settings
    )
    app = App(chosen, access_log=AccessLog(write))
    async with app, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        proxy = Proxy(app, path, lines, http)
        yield proxy
        with suppress(aiohttp.ClientConnectionError):  # the test has stopped it already
            for told in ("/metrics", "/status", "/recent"):
                await proxy.admin(told)
        for what in (
            chosen,
            app.engine.snapshot,
            app.engine.clients,
            [link.keys for link in app.engine.clients.values()],
        ):
            leaks.hear("a repr", repr(what))


class Process:
    """`pilotfish proxy` as users start it. `base` and `admin` are its addresses, `said` what it
    wrote on stderr so far.
    """

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child
        self.base = self.admin = ""
        self.said: list[dict[str, Any]] = []

    async def listening(self) -> None:
        assert self.child.stderr is not None
        async for line in self.child.stderr:
            self.said.append(orjson.loads(line))
            if self.said[-1]["event"] == "listening":
                self.base, self.admin = (
                    f"http://{self.said[-1]['listen']}",
                    f"http://{self.said[-1]['admin']}",
                )
                return
        raise AssertionError(f"the proxy ended before it listened: {self.said}")


def command(*args: str, program: str = "pilotfish") -> list[str]:
    return [sys.executable, "-m", program, *args]


def environment(**more: str) -> dict[str, str]:
    """The test's own, with the sources under test."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}


@asynccontextmanager
async def process(
    folder: Path, rules: str, *args: str, program: str = "pilotfish", **env: str
) -> AsyncIterator[Process]:
    """The proxy in a process of its own; killed if the test has not ended it. `program`: a module
    that runs it in another way than its own."""
    path = folder / "rules.yaml"
    path.write_text(rules)
    async with launched("--config", str(path), *args, program=program, **env) as running:
        yield running


@asynccontextmanager
async def launched(*args: str, program: str = "pilotfish", **env: str) -> AsyncIterator[Process]:
    """The same, its rules wherever the arguments say."""
    child = await asyncio.create_subprocess_exec(
        *command(
            "proxy",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--log-format",
            "json",
            *args,
            program=program,
        ),
        env=environment(**env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    running = Process(child)
    try:
        await running.listening()
        yield running
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def until(condition: Any, timeout_s: float = 5.0) -> None:
    """Waits for something that another task brings about; fails the test if it never does."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.005)
