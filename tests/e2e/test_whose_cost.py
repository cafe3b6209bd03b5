"""Namespace, workload and labels of the Pod travel with requests and costs."""

from __future__ import annotations

import orjson
import pytest

from harness import proxied
from pilotfish.simulated import SimulatedVendor
from planted import planted

OWNER = {"workload": "shop/web", "cost_labels": ("team=payments",)}


def rules(base: str, kind: str = "openai", **provider: object) -> str:
    made = {"kind": kind, "api_base": base, "no_key_required": True, **provider}
    rule = {"name": "r", "services": [{"provider": "p", "model": "sim-n2"}]}
    prices = {"p/*": {"input": 1, "output": 1}}
    return orjson.dumps({"providers": {"p": made}, "rules": [rule], "prices": prices}).decode()


async def test_costs_are_labelled_with_whose_they_are(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, rules(vendor.base), **OWNER) as proxy,
    ):
        await proxy.chat("m")
        whose = {"workload_namespace": "shop", "workload": "web", "label_team": "payments"}
        for name in ("pilotfish_cost_usd_total", "pilotfish_tokens_total"):
            assert any(await proxy.series(name, **whose)), name
        assert not await proxy.series("pilotfish_attempts_total", workload="web")


async def test_a_vendor_is_told_nothing_unless_it_is_asked_for(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, rules(vendor.base), **OWNER) as proxy,
    ):
        await proxy.chat("m")
        (asked,) = vendor.requests
    assert not [name for name in asked.headers if name.startswith("x-pilotfish")]
    assert "user" not in orjson.loads(asked.body)


async def test_a_server_of_ones_own_is_told_by_headers_that_no_client_can_set(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, rules(f"{vendor.base}/v1", "vllm"), **OWNER) as proxy,
    ):
        body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        forged = {"x-pilotfish-workload": "somebody-else"}
        await proxy.post("/v1/chat/completions", body, forged)
        (asked,) = vendor.requests
    told = {n: v for n, v in asked.headers.items() if n.startswith("x-pilotfish")}
    assert told == {
        "x-pilotfish-namespace": "shop",
        "x-pilotfish-workload": "web",
        "x-pilotfish-label-team": "payments",
    }


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("openai", "user", "shop/web"),
        ("anthropic", "metadata", {"user_id": "shop/web"}),
        (
            "bedrock",
            "requestMetadata",
            {"namespace": "shop", "workload": "web", "team": "payments"},
        ),
    ],
)
async def test_where_it_is_asked_for_the_vendors_own_field_says_it_unless_the_client_does(
    tmp_path, monkeypatch, kind, field, value
):
    monkeypatch.setenv("WHOSE_KEY", planted("whose"))
    more = {"no_key_required": False, "token": {"env": "WHOSE_KEY"}} if kind == "bedrock" else {}
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, rules(vendor.base, kind, attribution="metadata", **more), **OWNER) as p,
    ):
        await p.chat("m")
        if kind == "openai":
            await p.chat("m", user="mine")
        asked = [orjson.loads(request.body)[field] for request in vendor.requests]
    assert asked == ([value, "mine"] if kind == "openai" else [value])
