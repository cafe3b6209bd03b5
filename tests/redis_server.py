"""A redis-server of the test's own, on a socket file: started, stopped, frozen, and started again
empty.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def require_redis_server() -> str:
    """Its path. Where it is missing the tests are skipped loudly, but in CI that is a failure."""
    found = shutil.which("redis-server")
    if found is None:
        text = "redis-server is not installed (Debian: apt-get install redis-server): sharing limits and cooldowns is NOT tested"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return found


class RedisServer:
    def __init__(self) -> None:
        self._program = require_redis_server()
        self._folder = Path(tempfile.mkdtemp(prefix="pf-redis-"))
        self._socket = self._folder / "s"
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"unix://{self._socket}"

    async def start(self) -> None:
        """Without any data: it keeps none."""
        arguments = (
            "--port",
            "0",
            "--unixsocket",
            str(self._socket),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(self._folder),
        )
        self._process = await asyncio.create_subprocess_exec(
            self._program, *arguments, stdout=asyncio.subprocess.DEVNULL
        )
        # One that is not there yet is asked again at once: by default the client waits for seconds in
        # between, and without end for one that takes the connection and says nothing.
        patient = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
        at_once = Retry(NoBackoff(), 0)
        async with redis.asyncio.from_url(self.url, retry=at_once, **patient) as client:
            for _ in range(2000):
                try:
                    await client.ping()
                    return
                except redis.RedisError:
                    await asyncio.sleep(0.01)  # until the process listens
        raise AssertionError("redis-server does not listen")

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self.thaw()
            self._process.kill()
            await self._process.wait()

    def freeze(self) -> None:
        """A partition: connections stay, nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def __aenter__(self) -> RedisServer:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
