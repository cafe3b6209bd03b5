"""Smart routing through the running proxy: every operation once with a request that it takes, and
once with one that it leaves alone.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from harness import proxied
from pilotfish.simulated import Profile, SimulatedVendor

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CLAUDE_CODE = "You are Claude Code, Anthropic's official CLI for Claude."


def turn(text: str) -> dict:
    return {"role": "user", "content": text}


def picture() -> dict:
    return {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}],
    }


def chat(*turns: dict, **more: object) -> dict:
    return {"messages": list(turns) or [turn("hello")], **more}


def system(text: str) -> dict:
    return chat({"role": "system", "content": text}, turn("hello"))


def around(hours: int) -> str:
    """A range of the day, in UTC, that begins so many hours from now and lasts two."""
    start = datetime.now(UTC) + timedelta(hours=hours)
    return json.dumps(
        {
            "start": start.strftime("%H:%M"),
            "end": (start + timedelta(hours=2)).strftime("%H:%M"),
            "timezone": "UTC",
        }
    )


# position, operation, value, a request that it takes, one that it does not, headers of the first
CASES = [
    ("model", "contains", "odel-", chat(), None, {}),
    ("model", "glob", "model-*", chat(), None, {}),
    ("thinking", "enabled", "", chat(reasoning_effort="high"), chat(), {}),
    ("thinking", "disabled", "", chat(), chat(reasoning_effort="high"), {}),
    ("system", "contains", "lawyer", system("You are a lawyer."), system("You are a cook."), {}),
    (
        "context_system",
        "any_contains",
        "lawyer,judge",
        system("You are a judge."),
        system("You are a cook."),
        {},
    ),
    ("system", "regex", "la[wv]yer$", system("be a lawyer"), system("a lawyer be"), {}),
    ("user", "contains", "refund", chat(turn("a refund"), turn("now")), chat(turn("a rebate")), {}),
    (
        "context_user",
        "any_contains",
        "refund,rebate",
        chat(turn("a rebate")),
        chat(turn("a gift")),
        {},
    ),
    ("user", "regex", "[0-9]{4}", chat(turn("order 1234")), chat(turn("order 12")), {}),
    ("user", "type", "image", chat(picture(), turn("what is it?")), chat(), {}),
    (
        "latest_user",
        "contains",
        "now",
        chat(turn("later"), turn("now")),
        chat(turn("now"), turn("later")),
        {},
    ),
    ("latest_user", "regex", "^now", chat(turn("now then")), chat(turn("then now")), {}),
    (
        "latest_user",
        "type",
        "image",
        chat(turn("look"), picture()),
        chat(picture(), turn("and?")),
        {},
    ),
    ("tool_use", "equals", "weather", chat(tools=[TOOL]), chat(), {}),
    ("tool_use", "is", "weather", chat(tools=[TOOL]), chat(), {}),
    ("tool_use", "contains", "weath", chat(tools=[TOOL]), chat(), {}),
    ("token", "ge", "500", chat(turn("word " * 1000)), chat(), {}),
    ("token", "gt", "500", chat(turn("word " * 1000)), chat(), {}),
    ("token", "le", "500", chat(), chat(turn("word " * 1000)), {}),
    ("token", "lt", "500", chat(), chat(turn("word " * 1000)), {}),
    ("agent.claude_code", "equals", "main", system(CLAUDE_CODE), system("You are a cook."), {}),
    ("time", "time_range", around(-1), chat(), None, {}),
    ("header", "equals", "x-team: red", chat(), chat(), {"x-team": "red"}),
    ("header", "contains", "x-team: re", chat(), chat(), {"x-team": "red"}),
    ("header", "regex", "x-team: ^r.d$", chat(), chat(), {"x-team": "red"}),
    ("header", "exists", "x-team", chat(), chat(), {"x-team": "red"}),
    ("stream", "equals", "false", chat(), chat(stream=True), {}),
]


def rule(
    number: int,
    position: str,
    operation: str,
    value: str,
    *,
    negate: bool = False,
    block: str = "yes",
) -> str:
    op = json.dumps(
        {"position": position, "operation": operation, "value": value, "negate": negate}
    )
    return (
        f"  - {{name: r{number}, request_model: model-{number}, services: [{{provider: own, model: m}}], smart_enabled: true,"
        f" smart_routing: [{{description: d, ops: [{op}], services: [{{provider: {block}, model: m, model_capacity: 10}}]}}]}}\n"
    )


PROVIDERS = """
providers:
  own: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}
  yes: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}
rules:
"""


@pytest.fixture
async def routed(tmp_path):
    """Rules 0, 1, ...: each case; from 100: each case turned round."""
    async with SimulatedVendor(profile=Profile(chunks=1)) as vendor:
        rules = PROVIDERS.format(base=vendor.base)
        for i, (position, operation, value, *_) in enumerate(CASES):
            rules += rule(i, position, operation, value) + rule(
                100 + i, position, operation, value, negate=True
            )
        async with proxied(tmp_path, rules) as proxy:
            yield proxy


async def served_by(proxy, number: int, body: dict, headers: dict[str, str]) -> str:
    answer = await proxy.post("/v1/chat/completions", {"model": f"model-{number}", **body}, headers)
    assert answer.status == 200, answer.text
    return answer.headers["x-pilotfish-service"].partition("/")[0]


async def test_every_operation_takes_what_it_says_and_nothing_else(routed):
    wrong = []
    for i, (position, operation, _, takes, leaves, headers) in enumerate(CASES):
        if await served_by(routed, i, takes, headers) != "yes":
            wrong.append(f"{position} {operation} does not take its request")
        if leaves is not None and await served_by(routed, i, leaves, {}) != "own":
            wrong.append(f"{position} {operation} takes another's request")
    assert wrong == []


async def test_turned_round_it_takes_the_others(routed):
    wrong = []
    for i, (position, operation, _, takes, leaves, headers) in enumerate(CASES):
        if await served_by(routed, 100 + i, takes, headers) != "own":
            wrong.append(f"not {position} {operation} takes what it should leave")
        if leaves is not None and await served_by(routed, 100 + i, leaves, {}) != "yes":
            wrong.append(f"not {position} {operation} leaves what it should take")
    assert wrong == []


@pytest.mark.parametrize(
    ("position", "operation", "value"),
    [
        ("model", "equals", "model-7"),
        ("model", "glob", "no-*"),
        ("model", "contains", "nothing of it"),
        ("time", "time_range", around(3)),
    ],
)
async def test_what_looks_at_nothing_of_the_request_can_leave_it_too(
    tmp_path, position, operation, value
):
    async with SimulatedVendor(profile=Profile(chunks=1)) as vendor:
        rules = (
            PROVIDERS.format(base=vendor.base)
            + rule(7, position, operation, value)
            + rule(8, position, operation, value)
        )
        async with proxied(tmp_path, rules) as proxy:
            assert await served_by(proxy, 8, chat(), {}) == "own"
            assert await served_by(proxy, 7, chat(), {}) == (
                "yes" if operation == "equals" else "own"
            )


@pytest.mark.parametrize(
    ("operation", "takes"), [("avg_le", 0.1), ("avg_ge", 0.9), ("max_le", 0.1), ("max_ge", 0.9)]
)
async def test_a_blocks_services_may_be_too_slow_for_it(tmp_path, operation, takes):
    async with SimulatedVendor(profile=Profile(chunks=1)) as vendor:
        rules = PROVIDERS.format(base=vendor.base) + rule(0, "service_ttft", operation, "500")
        async with proxied(tmp_path, rules) as proxy:
            ttft = proxy.app.engine.ledger.services[("yes", "m")].ttft
            ttft.add(takes, time.monotonic())
            assert await served_by(proxy, 0, chat(), {}) == "yes"
            for _ in range(200):
                ttft.add(1.0 - takes, time.monotonic())
            assert await served_by(proxy, 0, chat(), {}) == "own"


@pytest.mark.parametrize(
    ("operation", "takes"), [("util_le", 0), ("util_lt", 0), ("util_ge", 9), ("util_gt", 9)]
)
async def test_a_blocks_services_may_be_too_busy_for_it(tmp_path, operation, takes):
    async with SimulatedVendor(profile=Profile(chunks=1)) as vendor:
        rules = PROVIDERS.format(base=vendor.base) + rule(0, "service_capacity", operation, "50")
        async with proxied(tmp_path, rules) as proxy:
            state = proxy.app.engine.ledger.services[("yes", "m")]
            state.in_flight += takes
            assert await served_by(proxy, 0, chat(), {}) == "yes"
            state.in_flight += 9 - 2 * takes
            assert await served_by(proxy, 0, chat(), {}) == "own"
            state.in_flight = 0
