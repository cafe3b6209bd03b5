"""The demo on a terminal: what it prints, once or until it is stopped."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import aiohttp
import orjson

from pilotfish.demo.scene import CHARACTERS, MODELS, Demo
from pilotfish.demo.story import Story, StoryError
from pilotfish.errors import Problem
from pilotfish.sources.store import RulesStore

EDITS_EVERY_S = 0.2


async def once(listen: str, admin_listen: str) -> bool:
    """Sends a few requests and prints what happens. False if something else did."""
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
    print("all of it went as planned")
    return True


async def until_stopped(listen: str, admin_listen: str) -> None:
    """Serves until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)
    async with Demo(listen, admin_listen, print_log) as demo:
        store = demo.app.store
        # Before anybody can read where the rules are, and edit them.
        edits = asyncio.get_running_loop().create_task(print_edits(store, _read_last(store)))
        print(welcome(demo), flush=True)
        await stop.wait()
        edits.cancel()
        print("\nstopping: requests in flight finish first", flush=True)
        await demo.app.drain()


def welcome(demo: Demo) -> str:
    """Addresses, models, and commands to try."""
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

    def post(path: str, body: str, flags: str = "") -> str:
        return f"curl {flags}{base}{path} {json} -d '{{{body}}}'"

    chat, gemini = "/v1/chat/completions", "/v1beta/models/demo-chat:generateContent"
    five = "for i in 1 2 3 4 5; do {} | grep -i {}; done"
    failover = post(chat, f'"model": "demo-failover", {hello}', "-si ")
    limited = post(chat, f'"model": "demo-limited", {hello}', "-si ")
    claude = f'"model": "demo-claude", "max_tokens": 64, {hello}'
    explained = f"""'{{"model": "demo-limited", {hello}}}'"""
    families = "^pilotfish_(requests|attempts|fallbacks)_total"
    tries = {
        "a chat": post(chat, f'"model": "demo-chat", {hello}', "-i "),
        "a stream": post(chat, f'"model": "demo-race", "stream": true, {hello}', "-N "),
        "Anthropic's style": post("/v1/messages", claude),
        "Gemini's style": post(gemini, '"contents": [{"parts": [{"text": "hello"}]}]'),
        "failovers": five.format(failover, "x-pilotfish"),
        "a rate limit": five.format(limited, "x-pilotfish-service"),
        "who would serve": f"curl {admin}/explain {json} -d {explained}",
        "state": f"curl {admin}/status",
        "metrics": f"curl -s {admin}/metrics | grep -E '{families}'",
    }
    for name, command in tries.items():
        lines += [f"  # {name}", f"  {command}"]
    lines += ["", "Each request is printed here in a line. Ctrl-C ends it.", ""]
    return "\n".join(lines)


def _read_last(store: RulesStore) -> tuple[float | None, list[Problem]]:
    """Tells one reading of the rules from the next."""
    return store.applied_at, list(store.problems)


async def print_edits(store: RulesStore, seen: tuple[float | None, list[Problem]]) -> None:
    """Says of each edit of the rules what it changed, or why it is not in force."""
    while True:
        await asyncio.sleep(EDITS_EVERY_S)
        now = _read_last(store)
        if now != seen:
            seen = now
            print("\n".join(lines_of_edit(store.status())), flush=True)


def lines_of_edit(rules: dict[str, Any]) -> list[str]:
    """`rules`: those of `/status`."""
    if rules["problems"]:
        wrong = [f"  {p['path'] or p['source']}: {p['message']}" for p in rules["problems"]]
        return ["rules: the edit is not in force, those before it are:", *wrong]
    changes = rules["changes"] or {}
    parts = [f"{kind} {', '.join(names)}" for kind, names in changes.items() if names]
    return [f"rules: the edit is in force: {'; '.join(parts) or 'nothing changed'}"]


def print_log(lines: bytes) -> None:
    """Prints the access log for people."""
    for line in lines.splitlines():
        print(line_of(orjson.loads(line)), flush=True)


def line_of(record: dict[str, Any]) -> str:
    """A record of the access log in a line."""
    time = record["time"][11:19]
    tried = " -> ".join(
        a["service"] if a["outcome"] == "served" else f"{a['service']} ({a['outcome']})"
        for a in record["attempts"]
    )
    if not tried:
        why = record.get("reason", "no service was asked")
        return f"{time} {record['code']} {record['path']}: {why}"
    ttft = f", TTFT {record['ttft_ms']:.0f} ms" if record["stream"] and record["ttft_ms"] else ""
    tokens = f", {record['output_tokens']} tokens" if record["output_tokens"] else ""
    took = f"{record['duration_ms']:.0f} ms{ttft}{tokens}"
    return f"{time} {record['code']} {record['model']}: {tried}; {took}"
