"""What a command finds where its standard files should be: closed, full, or read by nobody."""

import asyncio
import subprocess

import pytest

from harness import command, environment, until


@pytest.mark.parametrize("where", ["<&- >&- 2>&-", ">&-", "2>&-", ">/dev/full 2>/dev/full"])
async def test_a_proxy_whose_standard_files_are_closed_or_full_serves_and_ends_well(
    tmp_path, where
):
    """With number 1 or 2 free, the first connection would get it, and the log with it."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: []")
    port = tmp_path / "port"
    told = "import os, sys; from pilotfish.app import App; from pilotfish.cli import main\n"
    told += "run = App.start\n"
    told += "async def start(self):\n    await run(self)\n    open(sys.argv.pop(), 'w').write(str(self.listen))\nApp.start = start\n"
    told += "sys.exit(main(sys.argv[1:-1]))"
    args = [
        "proxy",
        "--config",
        str(rules),
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        str(port),
    ]
    child = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        f'exec "$@" {where}',
        "sh",
        command()[0],
        "-c",
        told,
        *args,
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    try:
        await until(lambda: port.exists() and port.read_text(), 20)
        host, _, number = port.read_text().rpartition(":")
        for _ in range(3):
            reader, writer = await asyncio.open_connection(host, int(number))
            writer.write(b"GET /v1/nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
            writer.close()
        child.terminate()
        assert await child.wait() == 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
