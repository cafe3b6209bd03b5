"""A Prometheus of our own on loopback, and questions to it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

SCRAPE_S = 0.25  # how often targets are looked at, and how long they may take to answer


class Prometheus:
    def __init__(self, base: str, http: aiohttp.ClientSession) -> None:
        self._base, self._http = base, http

    async def query(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """The samples of an instant query, now or at that Unix time."""
        data = {"query": expr} if at is None else {"query": expr, "time": f"{at:.3f}"}
        async with self._http.post(f"{self._base}/api/v1/query", data=data) as answer:
            said = await answer.json()
        assert said["status"] == "success", f"{expr}: {said.get('error')}"
        return said["data"]["result"]

    async def exemplars(self, expr: str) -> list[dict[str, Any]]:
        params = {"query": expr, "start": "0", "end": "9999999999"}
        async with self._http.get(f"{self._base}/api/v1/query_exemplars", params=params) as answer:
            return (await answer.json())["data"]

    async def moment(self, targets: int) -> float:
        """When each of so many targets had answered a scrape that began after this call. A busy
        machine misses one now and then, and nothing is known of its target until the next.
        """
        after = time.time() + SCRAPE_S
        async with asyncio.timeout(60):
            while True:
                at = time.time() - SCRAPE_S  # whatever began before is there
                found = await self.query("count(up == 1)", at)
                if at > after and found and float(found[0]["value"][1]) == targets:
                    return at
                await asyncio.sleep(0.05)

    async def until(
        self, expr: str, value: float, timeout_s: float = 60.0, *, at_least: bool = False
    ) -> None:
        """Waits until a query has this value: what was counted has been scraped."""
        found: Any = None
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    found = await self.query(expr)
                    have = float(found[0]["value"][1]) if found else None
                    if have is not None and (have == value or (at_least and have > value)):
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{expr} is {found}, expected {value}") from None


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@asynccontextmanager
async def scraping(
    folder: Path, targets: dict[str, dict[str, str]], rules: list[Path]
) -> AsyncIterator[Prometheus]:
    """`targets`: HOST:PORT with its labels. Scraped four times a second."""
    program = shutil.which("prometheus")
    assert program is not None, "no prometheus in PATH: apt-get install prometheus"
    config = folder / "prometheus.yml"
    statics = [{"targets": [target], "labels": labels} for target, labels in targets.items()]
    scrapes = [
        {
            "job_name": "pilotfish",
            "scrape_interval": f"{SCRAPE_S * 1000:g}ms",
            "scrape_timeout": f"{SCRAPE_S * 1000:g}ms",
            "static_configs": statics,
        }
    ]
    settings = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": list(map(str, rules)),
        "scrape_configs": scrapes,
    }
    config.write_text(yaml.safe_dump(settings))
    port = free_port()
    log = (folder / "log").open("w")
    process = await asyncio.create_subprocess_exec(
        program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage", stdout=log, stderr=log,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as http:
            base = f"http://127.0.0.1:{port}"
            async with asyncio.timeout(30):
                while True:
                    assert process.returncode is None, (folder / "log").read_text()
                    with contextlib.suppress(aiohttp.ClientError):
                        async with http.get(f"{base}/-/ready") as answer:
                            if answer.status == 200:
                                break
                    await asyncio.sleep(0.05)
            yield Prometheus(base, http)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        log.close()
