"""What `pilotfish demo --once` does: a few requests through the demo's proxy, each checked to have
gone as the text says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from pilotfish.demo.scene import LIMIT, MODEL, Demo
from pilotfish.simulated import Fault

TIMEOUT_S = 10.0
PROMPT = "say:A pilotfish swims ahead of the shark and knows the way."


class StoryError(Exception):
    """Something did not go as the demo says that it goes."""


@dataclass(slots=True)
class StoryAnswer:
    """An answer as the client got it: status, what the proxy said in its headers, the body."""

    status: int
    service: str
    attempts: int
    request_id: str
    body: bytes


class Story:
    """Tells the story in lines of text. `records` are the access log's, by request id."""

    def __init__(
        self, demo: Demo, records: dict[str, dict[str, Any]], http: aiohttp.ClientSession
    ) -> None:
        self._demo, self._records, self._http = demo, records, http

    async def told(self) -> AsyncIterator[str]:
        """Raises StoryError at the first thing that is not as it says."""
        for part in (
            self._who_served,
            self._failover,
            self._limit,
            self._race,
            self._styles,
            self._measured,
        ):
            async for line in part():
                yield line

    async def _who_served(self) -> AsyncIterator[str]:
        yield "one model, two services in turns"
        served = set()
        for _ in range(2):
            answer = await self._chat("demo-chat", stream=True)
            expect(answer.status == 200, "demo-chat is served", answer)
            served.add(answer.service)
            yield f"  demo-chat       served by {answer.service}{self._speed(answer)}"
        expect(served == {f"fast/{MODEL}", f"slow/{MODEL}"}, "both have served", served)

    async def _failover(self) -> AsyncIterator[str]:
        yield "a failover: flaky answers 503, and its client does not notice"
        self._demo.vendors["flaky"].script(Fault.status(503))
        answer = await self._chat("demo-failover")
        expect(answer.status == 200, "the client gets its answer although flaky fails", answer)
        expect(
            answer.service == f"fast/{MODEL}" and answer.attempts == 2,
            "fast takes over from flaky",
            answer,
        )
        tried = self._record(answer)["attempts"]
        yield "  demo-failover   " + ", then ".join(
            f"{a['service']}: {a['outcome']}" for a in tried
        )

    async def _limit(self) -> AsyncIterator[str]:
        yield f"a rate limit: limited takes {LIMIT.requests} requests in {LIMIT.window_s:.0f} s"
        limited = self._demo.vendors["limited"]
        by = [await self._chat("demo-limited") for _ in range(LIMIT.requests + 4)]
        for answer in by:
            expect(answer.status == 200, "every request is served", answer)
        served = [a.service.partition("/")[0] for a in by]
        expect(
            served == ["limited"] * LIMIT.requests + ["fast"] * 4,
            "limited serves up to its limit, then fast",
            served,
        )
        refused = sum(seen.status == 429 for seen in limited.requests)
        expect(
            refused <= 1, "limited is not asked again after it has said when to come back", refused
        )
        state = next(s for s in (await self._status())["services"] if s["provider"] == "limited")
        times = f"{refused} time{'' if refused == 1 else 's'}"
        yield f"  demo-limited    limited served {LIMIT.requests}, fast the next 4"
        yield f"                  limited was asked {times} in vain"
        left = state["headroom"]["requests"]
        yield f"                  its requests left, as it says itself: {left:g}"

    async def _race(self) -> AsyncIterator[str]:
        yield "a race: fast and slow are asked at once"
        slow = self._demo.vendors["slow"]
        slow.left.clear()
        answer = await self._chat("demo-race", stream=True)
        expect(
            answer.status == 200 and answer.service == f"fast/{MODEL}", "fast wins the race", answer
        )
        async with asyncio.timeout(TIMEOUT_S):
            await slow.left.wait()
        spoke = f"{answer.service} spoke first{self._speed(answer)}"
        yield f"  demo-race       {spoke}; slow's request was cancelled"

    async def _styles(self) -> AsyncIterator[str]:
        yield "any style in, any style out"
        messages = [{"role": "user", "content": PROMPT}]
        answer = await self._post(
            "/v1/messages", {"model": "demo-chat", "max_tokens": 100, "messages": messages}
        )
        expect(
            answer.status == 200 and orjson.loads(answer.body)["type"] == "message",
            "an Anthropic client gets an Anthropic answer",
            answer,
        )
        yield f"  Anthropic       client of demo-chat, served by {answer.service}"
        answer = await self._chat("demo-claude")
        expect(
            answer.status == 200 and answer.service == f"slow/{MODEL}",
            "slow serves demo-claude",
            answer,
        )
        text = orjson.loads(answer.body)["choices"][0]["message"]["content"]
        expect(text == PROMPT.removeprefix("say:"), "the text comes through the translation", text)
        by = f"served by {answer.service}, an Anthropic service"
        yield f"  OpenAI          client of demo-claude, {by}"
        contents = [{"role": "user", "parts": [{"text": PROMPT}]}]
        answer = await self._post(
            "/v1beta/models/demo-claude:generateContent", {"contents": contents}
        )
        expect(
            answer.status == 200 and orjson.loads(answer.body)["candidates"],
            "a Gemini client gets a Gemini answer",
            answer,
        )
        yield f"  Gemini          client of demo-claude, served by {answer.service}"

    async def _measured(self) -> AsyncIterator[str]:
        yield "what the proxy has measured"
        # A service of several rules has one state; flaky has served nobody.
        services = {
            s["provider"]: s
            for s in (await self._status())["services"]
            if s["latency_ms"]["samples"]
        }
        for s in services.values():
            ttft = f"TTFT {s['ttft_ms']['p50']:.0f} ms" if s["ttft_ms"].get("samples") else ""
            speed = (
                f"{s['tokens_per_second']['avg']:.0f} tokens/s"
                if s["tokens_per_second"]["samples"]
                else ""
            )
            said = ", ".join(
                x for x in (ttft, speed, f"whole answers {s['latency_ms']['p50']:.0f} ms") if x
            )
            yield f"  {s['provider'] + '/' + s['model']:<17} {said}"

    # ---- requests

    async def _chat(self, model: str, *, stream: bool = False) -> StoryAnswer:
        body = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "stream": stream}
        return await self._post("/v1/chat/completions", body)

    async def _post(self, path: str, body: dict[str, Any]) -> StoryAnswer:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        headers = {
            "content-type": "application/json",
            "authorization": "Bearer a-client-needs-no-key",
        }
        async with self._http.post(
            self._demo.app.base + path, data=orjson.dumps(body), headers=headers, timeout=timeout
        ) as got:
            data = await got.read()
            said = got.headers
            service, attempts = (
                said.get("x-pilotfish-service", ""),
                int(said.get("x-pilotfish-attempts", "0")),
            )
            return StoryAnswer(got.status, service, attempts, said.get("x-request-id", ""), data)

    async def _status(self) -> dict[str, Any]:
        async with self._http.get(f"{self._demo.app.admin_base}/status") as got:
            status: dict[str, Any] = await got.json()
            return status

    def _record(self, answer: StoryAnswer) -> dict[str, Any]:
        self._demo.app.log.flush()
        return self._records[answer.request_id]

    def _speed(self, answer: StoryAnswer) -> str:
        """Of a stream: time to first token, and tokens per second after it."""
        record = self._record(answer)
        if not record["stream"] or not record["ttft_ms"] or not record["output_tokens"]:
            return ""
        # The stream's first token ends the wait for it; the others take the rest of the time.
        rest_s = (record["duration_ms"] - record["ttft_ms"]) / 1000
        speed = f", {(record['output_tokens'] - 1) / rest_s:.0f} tokens/s" if rest_s > 0 else ""
        return f", TTFT {record['ttft_ms']:.0f} ms{speed}"


def expect(holds: bool, what: str, found: object) -> None:
    if not holds:
        raise StoryError(f"expected: {what}; found: {found!r}")
