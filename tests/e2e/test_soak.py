"""Mixed traffic with every fault, in every style, with clients that leave: everything is accounted
for once, and nothing is left.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import re
import sys
from collections import Counter
from typing import Any

import aiohttp
import orjson
import pytest

from harness import proxied, until
from pilotfish.proxy.attempt import Attempt
from pilotfish.proxy.request import ProxyRequest
from pilotfish.simulated import Profile, SimulatedVendor

ROUNDS, A_ROUND, AT_ONCE = 4, 300, 60
KINDS = ("openai", "responses", "anthropic", "google", "bedrock")
FAULTS = (
    "n8", "n200", "429", "429-ra1", "first3-500", "503", "529", "every2-reset", "silent", "roleonly", "heartbeats", "cut66", "half66", "rst50",
    "clean66", "stall66", "malformed", "nodone", "nodoneopen", "err-before", "err-after66", "contextlength", "contentpolicy", "noprefill",
    "shortlength", "gzip", "badgzip", "notjson", "badchunk", "slowhead-50ms", "close", "stale", "nousage", "split3", "crlf", "overlap3",
    "401", "404", "every3-ttft-300ms", "think",
)  # fmt: skip
MANNERS: tuple[dict[str, Any], ...] = (
    {},
    {"on_stream_break": "continue"},
    {"on_stream_break": "restart", "buffer": True},
    {"race": {"max_parallel": 2, "timeout_ms": 1000}},
    {"hedge": {"after": 50, "min_ms": 0, "budget_percent": 50}},
    {"response_model": "shown", "fallback_on": ["context_length", "content_policy"]},
)


def rules(base: str) -> str:
    key = {"env": "SOAK_KEY"}
    providers: dict[str, Any] = {
        "openai": {"kind": "openai", "api_base": f"{base}/v1", "token": key},
        "responses": {
            "kind": "openai",
            "api_base": f"{base}/v1",
            "token": key,
            "options": {"api": "responses"},
        },
        "anthropic": {"kind": "anthropic", "api_base": base, "token": key},
        "google": {"kind": "google", "api_base": f"{base}/v1beta", "token": key},
        "bedrock": {
            "kind": "bedrock",
            "api_base": base,
            "options": {"region": "us-east-1", "access_key": key, "secret_key": key},
        },
    }
    made = []
    for number, (fault, kind) in enumerate(itertools.product(FAULTS, KINDS)):
        second = KINDS[(KINDS.index(kind) + 1 + number % 4) % 5]
        services = [
            {"provider": kind, "model": f"s{number}-sim-{fault}"},
            {"provider": second, "model": f"t{number}-sim-n8", "tier": 1},
        ]
        made.append(
            {
                "name": f"rule{number}",
                "request_model": f"m{number}",
                "services": services,
                **MANNERS[number % len(MANNERS)],
            }
        )
    defaults = {
        "timeouts": {"first_token_s": 0.4, "idle_s": 0.4, "total_s": 3},
        "retries": {"base_ms": 5, "max_ms": 1000},
        "cooldown": {"base_delay_s": 0.2, "multiplier": 1, "max_delay_s": 0.2},
    }
    return orjson.dumps({"defaults": defaults, "providers": providers, "rules": made}).decode()


RULES = len(FAULTS) * len(KINDS)


def asked(style: str, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
    """Path and body of a request in this style."""
    turns = [{"role": "user", "content": "hello"}]
    if style == "openai":
        return "/v1/chat/completions", {"model": model, "messages": turns, "stream": stream}
    if style == "responses":
        return "/v1/responses", {"model": model, "input": "hello", "stream": stream}
    if style == "anthropic":
        return "/v1/messages", {
            "model": model,
            "max_tokens": 500,
            "messages": turns,
            "stream": stream,
        }
    if style == "bedrock":
        return f"/model/{model}/converse{'-stream' if stream else ''}", {
            "messages": [{"role": "user", "content": [{"text": "hello"}]}]
        }
    verb = (
        {"google": "streamGenerateContent?alt=sse", "google_array": "streamGenerateContent"}[style]
        if stream
        else "generateContent"
    )
    return f"/v1beta/models/{model}:{verb}", {
        "contents": [{"role": "user", "parts": [{"text": "hello"}]}]
    }


async def one_round(proxy: Any, rng: random.Random, number: int) -> list[str]:
    """The ids of the requests that were sent. One client in eight leaves after the first bytes it
    has read.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def client(http: aiohttp.ClientSession, i: int) -> str:
        style = rng.choice((*KINDS, "google_array"))
        path, body = asked(style, f"m{rng.randrange(RULES)}", rng.random() < 0.75)
        request_id, leaves = f"soak-{number}-{i}", rng.random() < 0.125
        headers = {"content-type": "application/json", "x-request-id": request_id}
        async with places:
            try:
                async with http.post(
                    proxy.base + path, data=orjson.dumps(body), headers=headers
                ) as answer:
                    if leaves:
                        await answer.content.readany()
                        answer.close()
                    else:
                        await answer.read()
            except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError):
                pass  # an answer that was broken off is one, too
        return request_id

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
        return await asyncio.gather(*(client(http, i) for i in range(A_ROUND)))


def totals(metrics: str) -> Counter[str]:
    """The sum of each series, and by outcome where it has one. There are too many lines for a
    parser that knows more.
    """
    sums: Counter[str] = Counter()
    for name, labels, value in re.findall(
        r"^(pilotfish_\w+)\{([^}]*)\} (\S+)$", metrics, re.MULTILINE
    ):
        outcome = re.search(r'outcome="(\w+)"', labels)
        sums[name] += int(float(value))
        if outcome is not None:
            sums[f"{name} {outcome[1]}"] += int(float(value))
    return sums


def leftovers() -> list[Any]:
    gc.collect()
    return [o for o in gc.get_objects() if type(o) is ProxyRequest or type(o) is Attempt]


@pytest.mark.timeout(180)
async def test_everything_is_accounted_once_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("SOAK_KEY", "hush-soak")
    rng = random.Random(7)
    async with SimulatedVendor(profile=Profile(gap_s=0.002), key="hush-soak") as vendor:
        before = asyncio.all_tasks()
        sent: list[str] = []
        attempts: Counter[str] = Counter()
        blocks: list[int] = []
        async with proxied(tmp_path, rules(vendor.base)) as proxy:
            for number in range(ROUNDS):
                ids = await one_round(proxy, rng, number)
                await proxy.settled()
                proxy.app.log.flush()
                logged = Counter(r["request_id"] for r in proxy.log)
                assert logged == Counter(ids), "each request once in the log"
                attempts.update(str(a["outcome"]) for r in proxy.log for a in r.get("attempts", []))
                assert all(r["code"] for r in proxy.log)
                sent += ids
                proxy.log.clear()
                vendor.requests.clear()
                vendor.cancelled.clear()
                await until(
                    lambda: not leftovers()
                )  # a complete answer's connection may take a moment to end its framing
                blocks.append(sys.getallocatedblocks())
            counted = totals((await proxy.admin("/metrics")).text)
            assert counted["pilotfish_requests_total"] == len(sent)
            assert counted["pilotfish_attempts_total"] == attempts.total()
            assert {o: counted[f"pilotfish_attempts_total {o}"] for o in attempts} == dict(attempts)
            assert counted["pilotfish_requests_in_flight"] == 0
            assert {s["in_flight"] for s in (await proxy.status())["services"]} == {0}
            # What services are known by is kept in windows: so much a request at most, and never a
            # request itself.
            assert (blocks[-1] - blocks[0]) / (A_ROUND * (ROUNDS - 1)) < 100
        await until(lambda: vendor.connections_open == 0)
        await until(lambda: asyncio.all_tasks() <= before)
        # All that can go wrong did go wrong.
        assert set(attempts) >= {
            "served", "rate_limited", "overloaded", "server_error", "timeout", "connect_failed", "broken_stream", "auth_failed", "not_found",
            "bad_request", "client_gone", "lost_race",
        }  # fmt: skip
