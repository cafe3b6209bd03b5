"""What thousands of requests leave behind: nothing."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import cycle, islice

import aiohttp
import orjson

from harness import proxied, until
from pilotfish.simulated import Fault, Profile, SimulatedVendor

CLIENTS = 16
RULES = """
providers:
  a: {{kind: openai, api_base: {a}/v1, no_key_required: true, timeout: 0.5}}
  b: {{kind: anthropic, api_base: {b}, no_key_required: true, timeout: 0.5}}
defaults:
  timeouts: {{connect_s: 1, first_token_s: 0.1, idle_s: 0.1, total_s: 10}}
  retries: {{max_retries: 1, base_ms: 1}}
  health: {{consecutive_error_threshold: 100000, error_ratio: 1.0}}
rules:
  - name: r
    request_model: m
    lb_tactic: {{type: random}}
    services: [{{provider: a, model: m}}, {{provider: b, model: m}}]
"""
# Each of the ways in which an answer may fail that takes no time of its own, and now and then one
# that does.
FAULTS = [
    Fault.status(500), Fault.reset(), Fault.cut_at(50), Fault.error_event("before"), Fault(malformed=True), Fault.status(503), Fault.cut_at(66, "rst"),
    Fault.status(400), Fault.error_event("after"), Fault(body="gzip"), Fault(body="bad_gzip"), Fault(body="bad_chunk"), Fault(body="not_json"),
    Fault.cut_at(0, "clean"), Fault(connection="stale"), Fault(connection="close"), Fault(usage="none"), Fault.cut_at(50, "half"), Fault(split=7),
]  # fmt: skip
SLOW = [Fault.stall(50), Fault.silence("after_head")]


def memory() -> tuple[int, int]:
    """Objects alive, and resident bytes."""
    gc.collect()
    with open("/proc/self/statm") as statm:
        return len(gc.get_objects()), int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def by_clients(count: int, ask: Callable[[int], Awaitable[None]]) -> None:
    """`count` requests, `CLIENTS` at a time."""
    numbers = iter(range(count))

    async def client() -> None:
        for n in numbers:
            await ask(n)

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())


async def test_two_thousand_requests_with_faults_on_every_third_leave_nothing_behind(tmp_path):
    profile = Profile(chunks=4)
    async with (
        SimulatedVendor(profile=profile, remember=10) as a,
        SimulatedVendor(profile=profile, remember=10) as b,
    ):
        faults = cycle([*FAULTS, *FAULTS, SLOW[0], *FAULTS, SLOW[1]])
        for vendor in (a, b):
            vendor.script(*(f for fault in islice(faults, 700) for f in (Fault(), Fault(), fault)))
        async with proxied(tmp_path, RULES.format(a=a.base, b=b.base)) as proxy:
            seen: Counter[str] = Counter()
            codes: Counter[int] = Counter()

            def count(data: bytes) -> None:
                for line in data.splitlines():
                    record = orjson.loads(line)
                    seen[record["request_id"]] += 1
                    codes[record["code"]] += 1

            proxy.app.log._write = count
            engine = proxy.app.engine
            tasks = asyncio.all_tasks()
            async with aiohttp.ClientSession() as http:

                async def ask(n: int) -> None:
                    body = {
                        "model": "m",
                        "stream": n % 2 == 0,
                        "messages": [{"role": "user", "content": "hello"}],
                    }
                    path = "/v1/chat/completions" if n % 4 < 2 else "/v1/messages"
                    try:
                        async with http.post(
                            proxy.base + path, json={**body, "max_tokens": 50}
                        ) as answer:
                            await answer.read()
                    except aiohttp.ClientPayloadError:
                        pass  # a whole answer that breaks off

                await by_clients(500, ask)
                await until(lambda: not engine.in_flight._draining)
                before = memory()
                await by_clients(1500, ask)
                await proxy.settled()
                await until(lambda: not engine.in_flight._draining)
                after = memory()
            proxy.app.log.flush()
            await until(lambda: not proxy.app.server.connections)
            await until(lambda: asyncio.all_tasks() - a._tasks - b._tasks <= tasks)

            assert (len(seen), set(seen.values())) == (2000, {1})
            assert codes[200] > 1500
            assert set(codes) - {200}, "the faults were felt"
            assert await proxy.metric("pilotfish_requests_total") == 2000
            for code, number in codes.items():
                assert await proxy.metric("pilotfish_requests_total", code=str(code)) == number
            assert await proxy.metric("pilotfish_request_duration_seconds_count") == 2000
            assert await proxy.metric("pilotfish_requests_in_flight") == 0
            assert not engine.in_flight
            assert [s["in_flight"] for s in (await proxy.status())["services"]] == [0, 0]
            kept = [upstream for pool in engine.pools.values() for upstream in pool.open]
            assert kept
            assert len(kept) == sum(len(pool._idle) for pool in engine.pools.values()), (
                "only idle connections are open"
            )
            assert after[0] - before[0] < 5000, "objects"
            assert after[1] - before[1] < 8 << 20, (
                "resident bytes; the log's ids are the test's own"
            )
        assert asyncio.all_tasks() - a._tasks - b._tasks == {asyncio.current_task()}


async def test_a_thousand_requests_of_sixteen_clients_make_no_more_than_sixteen_connections(
    tmp_path,
):
    rules = "providers: {{v: {{kind: openai, api_base: {0}/v1, no_key_required: true}}}}"
    async with (
        SimulatedVendor(profile=Profile(chunks=2)) as vendor,
        proxied(tmp_path, rules.format(vendor.base)) as proxy,
    ):

        async def ask(n: int) -> None:
            assert (await proxy.chat("v/m", stream=n % 2 == 0)).status == 200

        await by_clients(1000, ask)
        assert (len(vendor.requests), vendor.connections_made <= CLIENTS) == (1000, True)
