"""What a hedge at p95 is worth against an upstream with a heavy tail, in one run of the real proxy
on loopback.

    python bench/hedge.py [--requests 1200] [--clients 16]

Two equal services; one request in 33 meets a first token fifty times later than usual, whoever is
asked. The same number of requests goes through a rule without a hedge and through one with `hedge:
{after: p95, budget_percent: 5}`, in turns, so that a noisy machine is noisy for both. Exit code 1
if p99 TTFT is not at least halved, or if more than 5 % more requests went upstream.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from pilotfish.app import App
from pilotfish.settings import Settings
from pilotfish.simulated import Profile, SimulatedVendor
from pilotfish.telemetry.access_log import AccessLog

# One request in `EVERY` of each model is late. Both numbers are fixed, so that two runs differ only
# by the machine.
EVERY, LATE_MS, USUAL_MS = 33, 1000, 20
WARM_UP = 100
RULES = ("plain", "hedged")


def rules(base: str) -> str:
    provider = {"kind": "openai_compatible", "api_base": f"{base}/v1", "no_key_required": True}
    made: list[dict[str, Any]] = []
    for name in RULES:
        models = [f"{name}-{which}-sim-every{EVERY}-ttft-{LATE_MS}ms" for which in ("one", "two")]
        made.append(
            {
                "name": name,
                "request_model": name,
                "services": [{"provider": "a", "model": m} for m in models],
                "lb_tactic": "round_robin",
            }
        )
    made[1]["hedge"] = {"after": "p95", "min_ms": 0, "budget_percent": 5}
    return orjson.dumps({"providers": {"a": provider}, "rules": made}).decode()


async def ttft(http: aiohttp.ClientSession, base: str, model: str) -> float:
    """Seconds to the first content event of one stream, which is then read to its end."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    began, first = time.perf_counter(), 0.0
    async with http.post(
        base + "/v1/chat/completions",
        data=orjson.dumps(body),
        headers={"content-type": "application/json"},
    ) as answer:
        if answer.status != 200:
            raise RuntimeError(
                f"status {answer.status} for {model}: {(await answer.read())[:200]!r}"
            )
        async for line in answer.content:
            if not first and b'"content":"' in line and b'"content":""' not in line:
                first = time.perf_counter() - began
    return first


async def measure(base: str, requests: int, clients: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in RULES}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=60)
    ) as http:
        for name in RULES:
            for _ in range(WARM_UP):  # the percentile is of the services' own past
                await ttft(http, base, name)
        numbers = iter(range(requests))

        async def client() -> None:
            for _ in numbers:
                for name in RULES:
                    times[name].append(await ttft(http, base, name))

        await asyncio.gather(*(client() for _ in range(clients)))
    return times


def percentile(values: list[float], percent: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


async def run(requests: int, clients: int) -> bool:
    """Whether the hedge was worth it; prints both."""
    async with SimulatedVendor(
        profile=Profile(ttft_s=USUAL_MS / 1000), remember=10 * (requests + WARM_UP)
    ) as vendor:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rules.yaml"
            path.write_text(rules(vendor.base))
            app = App(
                Settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0", config=(str(path),)),
                access_log=AccessLog(lambda _: None),
            )
            async with app:
                times = await measure(app.base, requests, clients)
                await app.engine.in_flight.idle.wait()
        sent = {
            name: sum((seen.model or "").startswith(name) for seen in vendor.requests)
            for name in RULES
        }
    print(
        f"{requests} requests each, {clients} clients, one in {EVERY} first tokens after {LATE_MS} ms, the others after {USUAL_MS} ms"
    )
    print(f"{'rule':8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'upstream requests':>18}")
    for name in RULES:
        p50, p95, p99 = (percentile(times[name], p) * 1000 for p in (50, 95, 99))
        print(f"{name:8} {p50:8.1f} {p95:8.1f} {p99:8.1f} {sent[name]:18d}")
    ratio = percentile(times["hedged"], 99) / percentile(times["plain"], 99)
    more = 100 * (sent["hedged"] / sent["plain"] - 1)
    print(
        f"p99 TTFT {ratio:.2f} of that without a hedge (wanted: at most 0.50), {more:.1f} % more requests (wanted: at most 5)"
    )
    return ratio <= 0.5 and more <= 5


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=1200)
    parser.add_argument("--clients", type=int, default=16)
    asked = parser.parse_args()
    return 0 if asyncio.run(run(asked.requests, asked.clients)) else 1


if __name__ == "__main__":
    sys.exit(main())
