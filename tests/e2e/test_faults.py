"""Every fault in every ingress style, with the same and with another upstream style, through the
vendors' own client libraries.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
import pytest_asyncio

from faults import CANNED, CASES, CHUNKS, RETRIES, TIMEOUTS, Case, Expected
from harness import proxied
from listening import STYLES, Heard, Listener
from pilotfish.simulated import Profile, SimulatedVendor
from planted import PROVIDER_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Where an ingress style's requests go: to its own style, or away from it and then to a third.
UPSTREAMS = {(style, "same"): (style, style) for style in STYLES} | {
    (style, "other"): (STYLES[(i + 2) % 5], STYLES[(i + 3) % 5]) for i, style in enumerate(STYLES)
}
# And a Claude on Bedrock, which answers Anthropic's clients in their own form but in Bedrock's
# frames and with Bedrock's refusals.
UPSTREAMS["anthropic", "claude"] = ("bedrock_claude", "bedrock_claude")
CELLS = [
    *((style, relation) for style in STYLES for relation in ("same", "other")),
    ("anthropic", "claude"),
]


# How each style says inside a good answer that the vendor's filter stepped in.
FILTERED = (
    "content_filter",
    "refusal",
    "SAFETY",
    "PROHIBITED_CONTENT",
    "content_filtered",
    "guardrail_intervened",
    "incomplete",
)


def name_of(number: int, style: str, relation: str) -> str:
    return f"case{number}-{style}-{relation}"


def model_of(role: str, name: str, words: str) -> str:
    """Every cell has models of its own, so that no cell's failures take another's service out."""
    return f"{role}-{name.replace('_', '-')}-sim-{words}"


def services_of(number: int, case: Case, style: str, relation: str) -> list[dict[str, Any]]:
    name = name_of(number, style, relation)
    first, second = UPSTREAMS[style, relation]
    services = [{"provider": first, "model": model_of("first", name, case.first)}]
    if case.second is not None:
        services.append(
            {"provider": second, "model": model_of("second", name, case.second), "tier": 1}
        )
    return services


def rules(base: str) -> str:
    key = {"env": "FAULTS_KEY"}
    providers: dict[str, Any] = {
        "openai": {"kind": "openai", "api_base": f"{base}/v1", "token": key},
        "openai_responses": {
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
    providers["bedrock_claude"] = providers["bedrock"]
    made = [
        {
            "name": name_of(i, *cell),
            "request_model": name_of(i, *cell),
            "services": services_of(i, case, *cell),
            **case.rule,
        }
        for i, case in enumerate(CASES)
        for cell in CELLS
    ]
    # Each fault is looked at on its own: what many of them in a row do to a service is for other
    # tests.
    defaults = {
        "timeouts": TIMEOUTS,
        "retries": RETRIES,
        "health": {"consecutive_error_threshold": 50},
    }
    return orjson.dumps({"defaults": defaults, "providers": providers, "rules": made}).decode()


@pytest.fixture(scope="module", autouse=True)
def key():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAULTS_KEY", PROVIDER_KEY)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendor(key):
    async with SimulatedVendor(
        key=PROVIDER_KEY, profile=Profile(chunks=CHUNKS, gap_s=0.005)
    ) as vendor:
        yield vendor


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(vendor, tmp_path_factory):
    async with proxied(tmp_path_factory.mktemp("faults"), rules(vendor.base)) as proxy:
        yield proxy


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listener(proxy):
    listener = Listener(proxy.base)
    yield listener
    await listener.aclose()


def attempts_of(record: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        f"{a['service'].partition('/')[2].partition('-')[0]} {a['outcome']}"
        for a in record["attempts"]
    )


def problems(
    case: Case, heard: Heard, record: dict[str, Any], expected: Expected, asked: int
) -> list[str]:
    """What is not as it should be, in words; none is good."""
    found = list(heard.seams)

    def check(what: str, seen: Any, wanted: Any) -> None:
        if seen != wanted:
            found.append(f"{what}: {seen!r}, expected {wanted!r}")

    check("attempts", attempts_of(record), expected.attempts)
    check("rescued", record["rescued"], expected.rescued)
    if asked > sum(a.startswith("first ") for a in expected.attempts):
        found.append(f"the first service was asked {asked} times")
    check("ended", heard.ended, expected.said in ("all", "filtered", "canned"))
    if expected.said == "all":
        check("text", heard.text, case.whole_text)
        check("error", heard.error, "")
        if expected.usage:
            check("usages", heard.usages, 1)
            check("output tokens in client and log", heard.output_tokens, record["output_tokens"])
        if expected.usage and not expected.rescued:
            check("output tokens", record["output_tokens"], CHUNKS)
        check("ids", len(heard.ids), 0 if record["style"] == "bedrock" else 1)
        check("models", len(heard.models), 0 if record["style"] == "bedrock" else 1)
        check(
            "attempts header",
            heard.headers.get("x-pilotfish-attempts"),
            str(len(expected.attempts)) if not expected.rescued else "1",
        )
    elif expected.said in ("filtered", "canned"):
        text = CANNED if expected.said == "canned" else ""
        check("text and error", heard.text + heard.error, text)
        check("a finish that tells of it", heard.finish in FILTERED, True)
    else:
        check("an error", bool(heard.error), True)
        if expected.said.startswith("part") and not (
            heard.text and case.whole_text.startswith(heard.text)
        ):
            found.append(f"text {heard.text[:80]!r} is no beginning of the answer")
        if expected.said == "part" and heard.text == case.whole_text:
            found.append("the whole text came, and an error")
        if expected.said == "nothing":
            check("text", heard.text, "")
    if expected.status:
        check("status", heard.status, expected.status)
    return found


@pytest.mark.parametrize("number", range(len(CASES)), ids=[c.key for c in CASES])
async def test_a_fault_in_every_style(number, vendor, proxy, listener, record_property):
    case = CASES[number]
    names = [name_of(number, *cell) for cell in CELLS]
    heard = await asyncio.gather(
        *(
            listener.hear(style, name, stream=case.stream)
            for (style, _), name in zip(CELLS, names, strict=True)
        )
    )
    await proxy.settled()
    proxy.app.log.flush()
    wrong: list[str] = []
    rows: list[list[str]] = []
    for cell, name, one in zip(CELLS, names, heard, strict=True):
        records = [r for r in proxy.log if r.get("rule") == name]
        assert len(records) == 1, f"{name} is in the log {len(records)} times"
        first = model_of("first", name, case.first)
        asked = sum(seen.model == first and seen.method == "POST" for seen in vendor.requests)
        expected = case.expected(*UPSTREAMS[cell])
        wrong += [
            f"{' '.join(cell)}: {p}" for p in problems(case, one, records[0], expected, asked)
        ]
        if expected.said == "all" and not expected.rescued:
            marks = failed_marks(vendor, first, "first served" in expected.attempts)
            wrong += [
                f"{' '.join(cell)}: {m} of a failed attempt is visible"
                for m in marks
                if m in f"{one.headers} {one.ids}"
            ]
        rows.append([*cell, outcome_in_words(one), ", ".join(attempts_of(records[0]))])
    record_property("fault", [case.key, rows])
    assert not wrong, "\n" + "\n".join(wrong)


def failed_marks(vendor: SimulatedVendor, model: str, last_is_good: bool) -> list[str]:
    """The vendor's ids of the requests that came to nothing."""
    seen = [f"req_vendor_{s.number:06d}" for s in vendor.requests if s.model == model]
    return seen[:-1] if last_is_good else seen


def outcome_in_words(heard: Heard) -> str:
    if heard.error:
        return (
            "error after a part of the text"
            if heard.text
            else f"error {heard.status or ''}".strip()
        )
    return "whole answer" if heard.text else f"finish {heard.finish}"


async def test_nothing_is_left_behind(proxy):
    await proxy.settled()
    assert not proxy.app.engine.in_flight
    assert await proxy.metric("pilotfish_requests_in_flight") == 0
