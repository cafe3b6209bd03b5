"""The simulator's promises: the tactics' figures in docs/tactics.md stand on it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("bench.simulate.__main__")


def run(main: ModuleType, workload: str, tactic: str, seed: int = 1) -> Any:
    [found] = [w for w in main.WORKLOADS if w.name == workload]
    return main.simulate(found, main.choices()[tactic], seed)


def p99(main: ModuleType, results: list[Any]) -> float:
    return float(main.percentile([t for r in results for t in r.ttfts], 0.99))


@pytest.mark.parametrize("workload", ["brown-out", "flapping"])
def test_adaptive_comes_within_1_3_times_the_oracles_p99_and_is_hardly_ever_limited_in_vain(
    main: ModuleType, workload: str
) -> None:
    oracle = [run(main, workload, "(oracle)", seed) for seed in (1, 2, 3)]
    adaptive = [run(main, workload, "adaptive", seed) for seed in (1, 2, 3)]
    assert p99(main, adaptive) <= 1.3 * p99(main, oracle)
    assert sum(r.limited_in_vain for r in adaptive) < 0.01 * sum(r.requests for r in adaptive)
    assert sum(r.errors for r in adaptive) == 0


def test_a_proxy_leaves_a_limited_service_before_or_at_its_first_429(main: ModuleType) -> None:
    result = run(main, "rate limits", "adaptive")
    assert result.limited_in_vain < 0.01 * result.requests


def test_herding_shows_in_the_baseline_that_never_explores(main: ModuleType) -> None:
    """A simulator in which every tactic looks good would show nothing."""
    herd = run(main, "brown-out", "(lowest latency)")
    assert p99(main, [herd]) > 5 * p99(main, [run(main, "brown-out", "adaptive")])


def test_the_oracle_makes_no_mistakes(main: ModuleType) -> None:
    for workload in ("flapping", "rate limits, four proxies"):
        oracle = run(main, workload, "(oracle)")
        assert (oracle.errors, oracle.limited_in_vain) == (0, 0)


def test_the_same_seed_gives_the_same_figures_and_every_request_ends(main: ModuleType) -> None:
    one, other = (run(main, "flapping", "random") for _ in range(2))
    assert one.ttfts == other.ttfts
    assert one.requests == len(one.ttfts) + one.errors


def test_the_table_has_a_line_for_every_tactic(
    main: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["simulate", "steady"])
    main.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "### steady"
    for name in main.choices():
        assert sum(line.startswith(f"| {name} |") for line in lines) == 1


# ---- a bad day


@pytest.fixture
def incidents(main: ModuleType) -> ModuleType:
    return importlib.import_module("bench.simulate.incidents")


def test_no_fault_is_felt_much_longer_than_the_vendor_has_it(incidents: ModuleType) -> None:
    """A step of the cooldown, and a minute for the last one: by then a trial has found out."""
    days = incidents.days()
    for incident, now in zip(incidents.INCIDENTS, days["now"].felt, strict=True):
        assert now.back_s <= 75.0, incident.title
        assert now.seconds <= incident.end - incident.start + 15.0, incident.title
        assert now.worst_s <= 31.0, incident.title


def test_clients_get_an_error_only_where_nobody_could_have_served_them(
    incidents: ModuleType,
) -> None:
    days = incidents.days()
    assert [f.errors for f in days["now"].felt] == [f.errors for f in days["(oracle)"].felt]
    for incident, now in zip(incidents.INCIDENTS, days["now"].felt, strict=True):
        assert incident.both or not now.errors, incident.title


def test_trials_and_rivals_cost_less_than_a_request_in_a_hundred(incidents: ModuleType) -> None:
    now = incidents.days()["now"]
    assert now.extra < 0.01 * now.requests


def test_before_it_was_an_hour_until_a_healthy_vendor_was_used_again(incidents: ModuleType) -> None:
    assert max(felt.back_s for felt in incidents.BEFORE.felt) > 3500
    assert len(incidents.BEFORE.felt) == len(incidents.INCIDENTS)
