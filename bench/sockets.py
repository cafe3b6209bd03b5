"""What a WebSocket session costs: 200 of them with 50 events a second each, through the proxy and
through a bare relay of aiohttp's, in turns in one run.

    python bench/sockets.py [--sessions 200] [--rate 50] [--seconds 10] [--rounds 2]

Every event carries the time at which the vendor wrote it; its delay is what has passed when the
client has it. A direct connection's delays are subtracted at each percentile. CPU is what the
kernel says that the gateway's process used, for each frame that it relayed. Vendor and clients are
processes of their own, so that they are not what is measured. Only ratios within one run mean
anything (bench/README.md).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from aiohttp import WSMsgType, web

TICKS = os.sysconf("SC_CLK_TCK")
TEXT = "x" * 200  # about as long as a delta of text or of compressed speech
RULES = """
providers:
  vendor: {{kind: openai_compatible, api_base: http://127.0.0.1:{port}/v1, no_key_required: true}}
rules:
  - {{name: voice, request_model: voice, services: [{{provider: vendor, model: m}}]}}
"""


# ---- the other processes


async def vendor(port: int) -> None:
    """Sends events at the rate that the first message asks for."""

    async def realtime(request: web.Request) -> web.WebSocketResponse[bool]:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        await socket.send_str('{"type":"session.created"}')
        asked = await socket.receive_json()
        gap_s, number = 1 / asked["rate"], asked["rate"] * asked["seconds"]
        begin = time.monotonic() + asked["offset"]
        for i in range(int(number)):
            await asyncio.sleep(max(0.0, begin + i * gap_s - time.monotonic()))
            await socket.send_str(
                f'{{"type":"response.output_text.delta","delta":"{TEXT}","at":{time.monotonic()}}}'
            )
        await socket.close()
        return socket

    await _serve(port, realtime)


async def relay(port: int, upstream: int) -> None:
    """As little as a relay can do: two loops of aiohttp's."""
    session = aiohttp.ClientSession()

    async def carry(source: object, target: object) -> None:
        async for message in source:  # type: ignore[attr-defined]
            if message.type is WSMsgType.TEXT:
                await target.send_str(message.data)  # type: ignore[attr-defined]
        await target.close()  # type: ignore[attr-defined]

    async def realtime(request: web.Request) -> web.WebSocketResponse[bool]:
        client = web.WebSocketResponse(compress=False)
        url = f"http://127.0.0.1:{upstream}{request.raw_path}"
        async with session.ws_connect(url) as server:
            await client.prepare(request)
            await asyncio.gather(carry(client, server), carry(server, client))
        return client

    await _serve(port, realtime)


async def _serve(port: int, handler: object) -> None:
    app = web.Application()
    app.router.add_get("/v1/realtime", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


# ---- the clients


async def one(session: aiohttp.ClientSession, url: str, asked: dict[str, float]) -> list[float]:
    """The delays of one session's events, in seconds."""
    delays = []
    async with session.ws_connect(url) as socket:
        await socket.receive()
        await socket.send_json(asked)
        async for message in socket:
            now = time.monotonic()
            _, _, at = message.data.rpartition('"at":')
            delays.append(now - float(at[:-1]))
    return delays


async def all_sessions(port: int, options: argparse.Namespace) -> list[float]:
    url = f"http://127.0.0.1:{port}/v1/realtime?model=voice"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        asked = {"rate": options.rate, "seconds": options.seconds}
        found = await asyncio.gather(
            *(
                # Sessions begin at moments of their own, not all at once.
                one(session, url, {**asked, "offset": 1 + i / options.sessions / options.rate})
                for i in range(options.sessions)
            )
        )
    return [delay for delays in found for delay in delays]


# ---- the run


def free_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def process(*command: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    env = {**os.environ, "PILOTFISH_LOG_LEVEL": "error"}
    started = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                import socket

                socket.create_connection(("127.0.0.1", port), 0.1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield started
    finally:
        started.terminate()
        started.wait()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def gateway(name: str, port: int, upstream: int, folder: Path) -> tuple[str, ...]:
    if name == "relay":
        return (sys.executable, __file__, "--serve", "relay", str(port), str(upstream))
    rules = folder / "rules.yaml"
    rules.write_text(RULES.format(port=upstream))
    listen = ("--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{free_port()}")
    return (sys.executable, "-m", "pilotfish", "proxy", "--config", str(rules), *listen)


def run(options: argparse.Namespace) -> None:
    upstream, results = free_port(), dict[str, list[tuple[float, float, float]]]()
    serve = (sys.executable, __file__, "--serve", "vendor", str(upstream), "0")
    with tempfile.TemporaryDirectory() as folder, process(*serve, port=upstream):
        for _ in range(options.rounds):
            for name in ("direct", "relay", "pilotfish"):
                if name == "direct":
                    delays, used = asyncio.run(all_sessions(upstream, options)), 0.0
                else:
                    port = free_port()
                    command = gateway(name, port, upstream, Path(folder))
                    with process(*command, port=port) as started:
                        before = cpu_s(started.pid)
                        delays = asyncio.run(all_sessions(port, options))
                        used = cpu_s(started.pid) - before
                measured = (
                    percentile(delays, 0.5) * 1000,
                    percentile(delays, 0.99) * 1000,
                    used / len(delays) * 1e6,
                )
                results.setdefault(name, []).append(measured)
    print(f"{options.sessions} sessions, {options.rate} events/s each, {options.seconds} s")
    print(f"{'':12}{'p50 ms':>9}{'p99 ms':>9}{'added p99':>11}{'CPU us/frame':>14}")
    direct = statistics.median(p99 for _, p99, _ in results["direct"])
    for name, rounds in results.items():
        p50, p99, cpu = (statistics.median(values) for values in zip(*rounds, strict=True))
        print(f"{name:12}{p50:9.2f}{p99:9.2f}{p99 - direct:11.2f}{cpu:14.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--rate", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--serve", nargs=3, metavar=("WHAT", "PORT", "UPSTREAM"))
    options = parser.parse_args()
    if options.serve is None:
        run(options)
        return
    what, port, upstream = options.serve[0], int(options.serve[1]), int(options.serve[2])
    asyncio.run(vendor(port) if what == "vendor" else relay(port, upstream))


if __name__ == "__main__":
    main()
