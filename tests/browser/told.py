"""The status page in front of an admin port that says whatever a test wants it to say: crowds, odd
names, faults, hours of decisions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from browser.chromium import Page, opened
from pilotfish.admin import page


def service(
    rule: str = "chat",
    provider: str = "acme",
    model: str = "large",
    *,
    tier: int = 0,
    state: str = "serving",
    **more: Any,
) -> dict[str, Any]:
    """As `/status` has it. `more` replaces what it has otherwise."""
    out = state != "serving"
    return {
        "provider": provider, "model": model, "rule": rule, "tier": tier, "weight": 1, "active": True, "state": state,
        "reason": "rate_limited (status 429, asked to wait 30 s)" if out else None, "until": "2026-01-01T00:00:30Z" if out else None,
        "seconds_left": 29.4 if out else None, "consecutive_errors": int(out), "trips": int(out), "in_flight": 3,
        "outcomes": {"served": 1200, "rate_limited": int(out)}, "latency_ms": {"avg": 900, "p50": 850, "p95": 1900, "p99": 2400, "samples": 100},
        "ttft_ms": {"avg": 320, "p50": 290, "p95": 810, "p99": 1200, "samples": 100}, "tokens_per_second": {"avg": 61.4, "samples": 100},
        "window": {"requests": 1201, "input_tokens": 1_204_001, "output_tokens": 220_410, "cache_hit_rate": 0.4},
        "headroom": {"requests": 812, "tokens": 120_000, "resets_at": None}, "credentials": [{"source": "secret llm/key", "state": "serving", "reason": None, "until": None}],
        **more,
    }  # fmt: skip


def history(points: int = 179) -> dict[str, Any]:
    """As `/history` has it: an hour that rises, falls, and has a gap."""
    waves = [1.0 + 0.5 * ((n * 7) % 11) / 11 + n / points for n in range(points)]
    gap = [None if 60 < n < 80 else value for n, value in enumerate(waves)]
    return {
        "step_s": 5.0,
        "most": 179,
        "requests_per_second": [round(8 * x, 2) for x in waves],
        "error_share": [0.2 if 100 < n < 110 else x and 0.01 for n, x in enumerate(gap)],
        "ttft_p50_ms": [x and round(200 * x) for x in gap],
        "ttft_p95_ms": [x and round(480 * x) for x in gap],
        "tokens_per_second": [round(400 * x) for x in waves],
        "usd_per_hour": [round(2 * x, 3) for x in waves],
    }


def decision(n: int, *, code: int = 200, model: str = "gpt-4o", **more: Any) -> dict[str, Any]:
    """As `/recent` has it."""
    out = {
        "service": "acme/large",
        "why": "cooling until 2026-01-01T00:00:30Z (24 s): rate_limited (status 429, asked to wait 30 s)",
    }
    return {
        "event": "request", "time": "2026-01-01T00:00:06.250Z", "request_id": f"3f2a{n:08x}", "rule": "chat", "style": "openai", "op": "chat",
        "path": "/v1/chat/completions", "model": model, "code": code, "stream": True, "service": "other/small" if code < 400 else None,
        "attempts": [
            {"service": "third/medium", "outcome": "server_error", "duration_ms": 120.4, "status": 500, "error": "upstream is on fire", "code": "", "why": "by adaptive, among third/medium, other/small (tier 0)", "passed_over": [out]},
            {"service": "other/small", "outcome": "served" if code < 400 else "timeout", "duration_ms": 900.1, "status": 200, "why": "the only one usable of tier 0", "passed_over": [out]},
        ],
        "duration_ms": 1024.9, "ttft_ms": 301.2, "overhead_ms": 0.31, "input_tokens": 1204, "output_tokens": 310, "cached_input_tokens": 0, "reasoning_tokens": 0,
        "cost_usd": 0.01, "finish_reason": "stop", "rescued": False, "forced": False,
        "why": {"rule": "request_model glob 'gpt-*' matches", "smart_routing": "block 0 (long) matched: token ge '60000'", "tactic": "adaptive", "none_usable": [],
                "left_out": [{"service": "old/one", "why": "inactive"}]},
        **more,
    }  # fmt: skip


class Told:
    """`services`, `recent`, `status` (what stands beside the services): a test may change them
    while the page looks.
    """

    def __init__(self) -> None:
        self.services: list[dict[str, Any]] = [service()]
        self.recent: list[dict[str, Any]] = []
        self.rules: dict[str, Any] = {
            "version": "350d95c5adca", "applied_at": "2026-01-01T00:00:00Z", "sources": ["configmap:shop/llm-rules@48213"], "names": ["chat"], "problems": [], "notes": [],
        }  # fmt: skip
        self.status: dict[str, Any] = {
            "version": "0.1.0",
            "ready": True,
            "draining": False,
            "in_flight": 3,
            "races": [],
        }
        self.log: dict[str, Any] = {"enabled": True, "sample": 1.0}
        self.traffic: dict[str, Any] = {
            "requests_per_second": 12.4, "error_share": 0.031, "ttft_p50_ms": 290.0, "ttft_p95_ms": 810.0, "tokens_per_second": 843.2, "usd_per_hour": 4.61,
        }  # fmt: skip
        self.late: dict[str, Any] = {"count": 0, "requests": []}
        self.history: dict[str, Any] = history()
        self.asked = 0
        self.resets: list[Any] = []
        self.reset_answer: dict[str, Any] = {"reset": 1}
        self.reset_status = 200

    def application(self) -> web.Application:
        content = page.content()

        async def index(request: web.Request) -> web.Response:
            return web.Response(
                body=content, headers={"content-type": page.TYPE, **page.headers(content)}
            )

        async def status(request: web.Request) -> web.Response:
            self.asked += 1
            return web.json_response(
                {
                    **self.status,
                    "rules": self.rules,
                    "services": self.services,
                    "access_log": self.log,
                    "traffic": self.traffic,
                    "late": self.late,
                }
            )

        async def recent(request: web.Request) -> web.Response:
            shown = [
                r
                for r in self.recent
                if "unusual" not in request.query or len(r["attempts"]) != 1 or r["code"] >= 400
            ]
            return web.json_response(shown)

        async def past(request: web.Request) -> web.Response:
            return web.json_response(self.history)

        async def reset(request: web.Request) -> web.Response:
            self.resets.append(await request.json())
            return web.json_response(self.reset_answer, status=self.reset_status)

        app = web.Application()
        app.add_routes(
            [
                web.get("/", index),
                web.get("/status", status),
                web.get("/recent", recent),
                web.get("/history", past),
                web.post("/reset", reset),
            ]
        )
        return app


@asynccontextmanager
async def told_page(folder: Path, told: Told) -> AsyncIterator[Page]:
    """The page in a browser, with `told` behind it."""
    (folder / "profile").mkdir()
    runner = web.AppRunner(told.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        async with opened(f"http://127.0.0.1:{port}/", folder / "profile") as found:
            yield found
    finally:
        await runner.cleanup()
