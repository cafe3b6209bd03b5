"""`pilotfish demo`: the proxy with simulated providers, no keys and no cluster; `--once` shows what
it does and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Any

from pilotfish.errors import StartError

if TYPE_CHECKING:
    from pilotfish.demo.scene import Demo


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "demo", help="the proxy with simulated providers: no keys, no cluster"
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="send a few requests through it, say what happened, end (on free ports)",
    )
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="where clients connect (default: 127.0.0.1:14000)"
    )
    parser.add_argument(
        "--admin-listen",
        metavar="HOST:PORT",
        help="metrics, status, health (default: 127.0.0.1:14001)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0; 1 if `--once` did not go as it says; 2 for a port that is taken."""
    from pilotfish.process import run_loop
    from pilotfish.settings import address
    from pilotfish.telemetry import logs

    for given in (args.listen, args.admin_listen):
        try:
            address(given or "127.0.0.1:0")
        except ValueError as e:
            raise StartError(str(e)) from None
    # Of what goes wrong on purpose the requests' own lines tell.
    logs.set_up("error" if args.once else "warning", "console")
    went_well = True

    async def whole() -> None:
        nonlocal went_well
        if args.once:
            went_well = await once(args.listen or "127.0.0.1:0", args.admin_listen or "127.0.0.1:0")
        else:
            await on_and_on(
                args.listen or "127.0.0.1:14000", args.admin_listen or "127.0.0.1:14001"
            )

    run_loop(whole, "")
    return 0 if went_well else 1


async def once(listen: str, admin_listen: str) -> bool:
    import aiohttp
    import orjson

    from pilotfish.demo.scene import CHARACTERS, Demo
    from pilotfish.demo.story import Story, StoryError

    records: dict[str, dict[str, Any]] = {}

    def keep(lines: bytes) -> None:
        for line in lines.splitlines():
            record = orjson.loads(line)
            records[record["request_id"]] = record

    async with Demo(listen, admin_listen, keep) as demo, aiohttp.ClientSession() as http:
        print(f"proxy on {demo.app.base}, four simulated providers behind it:")
        for c in CHARACTERS:
            print(f"  {c.name:<9} {c.about}")
        try:
            async for line in Story(demo, records, http).told():
                print(line, flush=True)
        except (StoryError, aiohttp.ClientError, TimeoutError) as e:
            print(f"pilotfish demo: {e or type(e).__name__}", file=sys.stderr)
            return False
    print("all of it went as told")
    return True


async def on_and_on(listen: str, admin_listen: str) -> None:
    from pilotfish.demo.scene import Demo

    stop = asyncio.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)
    async with Demo(listen, admin_listen, tell) as demo:
        print(welcome(demo), flush=True)
        await stop.wait()
        print("\nstopping: requests in flight finish first", flush=True)
        await demo.app.drain()


def welcome(demo: Demo) -> str:
    from pilotfish.demo.scene import CHARACTERS, MODELS

    base, admin = demo.app.base, demo.app.admin_base
    json = "-H 'content-type: application/json'"
    hello = '"messages": [{"role": "user", "content": "hello"}]'
    lines = ["Pilotfish is running, with four simulated providers. No keys needed.", ""]
    lines += [
        f"  clients   {base}",
        f"  admin     {admin}",
        f"  rules     {demo.rules}   (edit it: a change is in force within a second)",
        "",
    ]
    lines += ["Providers", *(f"  {c.name:<15} {c.about}" for c in CHARACTERS), ""]
    lines += ["Models", *(f"  {name:<15} {about}" for name, about in MODELS.items()), "", "Try"]
    tries = {
        "a chat": f"""curl -i {base}/v1/chat/completions {json} -d '{{"model": "demo-chat", {hello}}}'""",
        "a stream": f"""curl -N {base}/v1/chat/completions {json} -d '{{"model": "demo-race", "stream": true, {hello}}}'""",
        "Anthropic's style": f"""curl {base}/v1/messages {json} -d '{{"model": "demo-claude", "max_tokens": 64, {hello}}}'""",
        "Gemini's style": f"""curl {base}/v1beta/models/demo-chat:generateContent {json} -d '{{"contents": [{{"parts": [{{"text": "hello"}}]}}]}}'""",
        "failovers": f"""for i in 1 2 3 4 5; do curl -si {base}/v1/chat/completions {json} -d '{{"model": "demo-failover", {hello}}}' | grep -i x-pilotfish; done""",
        "a rate limit": f"""for i in 1 2 3 4 5; do curl -si {base}/v1/chat/completions {json} -d '{{"model": "demo-limited", {hello}}}' | grep -i x-pilotfish-service; done""",
        "who would serve": f"""curl {admin}/explain {json} -d '{{"model": "demo-limited", {hello}}}'""",
        "state": f"curl {admin}/status",
        "metrics": f"curl -s {admin}/metrics | grep -E '^pilotfish_(requests|attempts|fallbacks)_total'",
    }
    for name, command in tries.items():
        lines += [f"  # {name}", f"  {command}"]
    lines += ["", "Each request is told here in a line. Ctrl-C ends it.", ""]
    return "\n".join(lines)


def tell(lines: bytes) -> None:
    """The access log for people: on a terminal nobody wants to read JSON."""
    import orjson

    for line in lines.splitlines():
        print(told(orjson.loads(line)), flush=True)


def told(record: dict[str, Any]) -> str:
    time = record["time"][11:19]
    tried = " -> ".join(
        a["service"] if a["outcome"] == "served" else f"{a['service']} ({a['outcome']})"
        for a in record["attempts"]
    )
    if not tried:
        return f"{time} {record['code']} {record['path']}: {record.get('reason', 'nobody asked')}"
    ttft = f", TTFT {record['ttft_ms']:.0f} ms" if record["stream"] and record["ttft_ms"] else ""
    tokens = f", {record['output_tokens']} tokens" if record["output_tokens"] else ""
    return f"{time} {record['code']} {record['model']}: {tried}; {record['duration_ms']:.0f} ms{ttft}{tokens}"
