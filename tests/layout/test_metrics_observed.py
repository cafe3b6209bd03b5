"""A metric of the catalogue that is never observed is found: every series is named by code that
records it, and one run in which everything happens once leaves none at nothing.
"""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from harness import Proxy, proxied, until
from layout.source_index import last_name, nodes, sources
from pilotfish.simulated import Profile, RateLimit, SimulatedVendor
from pilotfish.telemetry import series
from pilotfish.telemetry.registry import Counter, Gauge, Registry
from pilotfish.telemetry.series import CATALOGUE, INJECTOR_ONLY, Series

# What needs a cluster: `tests/injector` and `tests/sources/test_kubernetes.py` observe them.
IN_A_CLUSTER = {*INJECTOR_ONLY, series.WATCH_RESTARTS}

# Rule -> what its services do, one after the other, and more of the rule.
STORY = {
    "plain": ("a/sim-n4-gap-20ms", ""),
    "translated": ("c/sim-n4-cached100", ""),
    "thinking": ("a/sim-n4-think", ""),
    "remembered": ("c/sim-n4-cachewrite100", ""),
    "retried": ("a/sim-503-first1", "retries: {max_retries: 1, base_ms: 1}"),
    "fails": ("a/sim-500", "retries: {max_retries: 0}"),
    "moved": ("a/sim-503 a/sim-n2", "retries: {max_retries: 0}"),
    "rescued": ("a/sim-cut50 a/sim-large", "on_stream_break: continue"),
    "garbled": ("a/sim-malformed", ""),
    "silent": ("a/sim-nousage", ""),
    "cooled": ("d/sim-401", "retries: {max_retries: 0}"),
    "left": ("a/sim-n50-gap-100ms", ""),
    "best": ("a/sim-n9 a/sim-n10", "race: {strategy: quality, max_parallel: 2}"),
    "race": ("a/sim-n3 a/sim-ttft-60s", "race: {max_parallel: 2}"),
    "rival": ("a/sim-ttft-62s a/sim-n6", "timeouts: {patience_s: 0.05}"),
    "hedge": (
        "a/sim-ttft-61s a/sim-n1",
        "hedge: {after: 10, min_ms: 1, budget_percent: 100}",
    ),
}


def rules(vendor: SimulatedVendor) -> str:
    made: dict[str, object] = {
        "providers": {
            name: {"kind": kind, "api_base": vendor.base, "no_key_required": True}
            for name, kind in (("a", "openai"), ("c", "anthropic"), ("d", "openai"))
        },
        "defaults": {"health": {"consecutive_error_threshold": 1, "probe_enabled": False}},
        "budgets": {"*": {"usd_per_day": 5}},
        "prices": {"a/sim-n4-gap-20ms": {"input": 1, "output": 2}},
        "rules": [
            {
                "name": name,
                "request_model": name,
                "lb_tactic": "round_robin",
                "services": [
                    dict(zip(("provider", "model"), service.split("/"), strict=True))
                    for service in services.split()
                ],
                **yaml.safe_load(f"{{{more}}}"),
            }
            for name, (services, more) in STORY.items()
        ],
    }
    return yaml.safe_dump(made)


async def happens(proxy: Proxy) -> AsyncIterator[None]:
    """Everything once; stops where there is something to see that passes."""
    for name in STORY:
        if name not in ("left", "translated"):
            await proxy.chat(name, stream=name not in ("fails", "moved", "cooled"))
    await proxy.chat("fails")  # it cools, and there is no other
    await proxy.chat("translated", logit_bias={"1": 2})
    async with proxy.http.get(f"{proxy.base}/v1/messages/batches") as answer:
        await answer.read()
    body = {"model": "left", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    async with proxy.http.post(f"{proxy.base}/v1/chat/completions", json=body) as answer:
        await answer.content.readany()
        yield
        answer.close()
    await proxy.settled()
    yield


def observed(registry: Registry) -> set[str]:
    """Names of the series of which some child is no longer what it was at first."""
    return {
        family.series.name
        for family in registry.families.values()
        for child in family.children.values()
        if (child.value if isinstance(child, Counter | Gauge) else sum(child.counts))
    }


@pytest.fixture
async def seen(tmp_path: Path) -> set[str]:
    limited = Profile(rate_limit=RateLimit(requests=100))
    async with (
        SimulatedVendor(profile=limited) as vendor,
        proxied(tmp_path, rules(vendor)) as proxy,
    ):
        registry = proxy.app.registry
        found: set[str] = set()
        async for _ in happens(proxy):
            await proxy.admin("/metrics")
            found |= observed(registry)
        proxy.rules.write_text("rules: [{name: 7}]")
        await until(lambda: proxy.metric("pilotfish_config_problems"))
        return found | observed(registry)


async def test_when_everything_happens_every_series_counts_something(seen: set[str]) -> None:
    missing = {s.name for s in CATALOGUE if s not in IN_A_CLUSTER} - seen
    assert missing == set()


def test_code_that_records_names_each_series() -> None:
    """Of those that need a cluster, too: what nobody names, nobody observes."""
    named = {
        last_name(node)
        for path in sources()
        if path.name != "series.py" and uses_the_catalogue(path)
        for node in nodes(path)
        if isinstance(node, ast.Name | ast.Attribute)
    }
    catalogue = {name for name, one in vars(series).items() if isinstance(one, Series)}
    assert len(catalogue) == len(CATALOGUE)
    assert catalogue <= named


def uses_the_catalogue(path: Path) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and (
            node.module == "pilotfish.telemetry.series"
            or (node.module == "pilotfish.telemetry" and "series" in [a.name for a in node.names])
        )
        for node in nodes(path)
    )
