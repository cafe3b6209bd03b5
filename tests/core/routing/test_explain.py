"""Which rule, which services in which order, and why each other one is left out."""

from __future__ import annotations

from typing import Any

from core.routing.playbook import House
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.routing.explain import explained, rfc3339
from pilotfish.core.state.headroom import VendorLimits

WALL = 1_700_000_000.0  # 2023-11-14T22:13:20Z, when the ledger's clock says `now`


def explain(
    house: House, now: float = 0.0, *, op: str = "chat", block: int | None = None, tokens: int = 100
) -> dict[str, Any]:
    return explained(house.plan(op=op, block=block, tokens=tokens), "because", [], block, now, WALL)


def test_services_come_in_the_order_in_which_they_would_be_asked() -> None:
    found = explain(House("a@1 b c"))
    assert [(c["service"], c["tier"]) for c in found["candidates"]] == [
        ("b/m", 0),
        ("c/m", 0),
        ("a/m", 1),
    ]
    assert (found["rule"], found["why"], found["tactic"], found["left_out"]) == (
        "chat",
        "because",
        "round_robin",
        [],
    )
    assert found["candidates"][0]["why"] == "had no turn yet"


def test_a_cooling_service_says_until_when_and_why() -> None:
    house = House("a b")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=30)
    [left] = explain(house, 10)["left_out"]
    assert left == {
        "service": "a/m",
        "why": "cooling until 2023-11-14T22:13:40Z (20 s): rate_limited (status 429, asked to wait 30 s)",
    }


def test_a_limit_of_ours_says_which() -> None:
    house = House("a", a="no_key_required: true, limits: {concurrency: 1}")
    house.request().begins(0)
    assert explain(house)["left_out"] == [
        {"service": "a/m", "why": "at its limit: 1 requests at once are the limit of provider a"}
    ]


def test_a_vendors_limit_says_what_is_left_and_what_is_needed() -> None:
    house = House("a")
    house.candidate("a").state.headroom.observe(
        VendorLimits(remaining={"tokens": 50.0, "requests": 9.0}, reset_s={"tokens": 60.0}), 0
    )
    [left] = explain(house, tokens=100)["left_out"]
    assert left["why"] == (
        "rate limit nearly used up: requests 9, tokens 50 left, this request needs about 100 tokens; until 2023-11-14T22:14:20Z"
    )


def test_refused_keys_and_pending_probes_are_named() -> None:
    house = House("a a/other b", a="token: {env: KEY}")
    house.happened("a/other", Outcome.AUTH_FAILED, 0)
    house.happened("b", Outcome.SERVER_ERROR, 0, times=3)
    left = {entry["service"]: entry["why"] for entry in explain(house, 60 - 1)["left_out"]}
    assert left["a/m"] == "credential refused"
    assert left["a/other"] == "credential refused"


def test_services_that_are_switched_off_or_cannot_do_it_are_named() -> None:
    rule = "services: [{provider: a, model: m, active: false}, {provider: b, model: m}, {provider: cl, model: m}]"
    house = House(
        "",
        rule,
        others="a b",
        more="  cl: {kind: anthropic, token: {env: KEY}}",
        b="no_key_required: true, enabled: false",
    )
    assert {
        entry["service"]: entry["why"] for entry in explain(house, op="embeddings")["left_out"]
    } == {
        "a/m": "inactive",
        "b/m": "its provider is disabled",
        "cl/m": "provider kind 'anthropic' has no embeddings",
    }


def test_a_matching_block_comes_first_and_what_it_names_too_is_not_named_twice() -> None:
    block = "{ops: [{position: stream, operation: equals, value: 'true'}], services: [{provider: c, model: m}, {provider: a, model: m}]}"
    house = House("a b", f"smart_routing: [{block}]", others="c")
    found = explain(house, block=0)
    assert [c["service"] for c in found["candidates"]] == ["c/m", "a/m", "b/m"]
    assert found["smart_routing"] == {"block": 0, "checked": []}
    house.happened("a", Outcome.SERVER_ERROR, 0, times=3)
    assert [entry["service"] for entry in explain(house, 1, block=0)["left_out"]] == ["a/m"]


def test_explaining_changes_nothing() -> None:
    house = House("a b", "health: {probe_enabled: false}")
    house.happened("a", Outcome.SERVER_ERROR, 0, times=3)
    assert explain(house, 60) == explain(house, 60)
    assert house.request(now=60).begins(60).startswith("start 0 a")


def test_times_are_written_as_everybody_reads_them() -> None:
    assert rfc3339(0.4) == "1970-01-01T00:00:00Z"
