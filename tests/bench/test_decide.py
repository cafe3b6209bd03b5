"""The benchmark of decisions measures what it says: the last block matches, and a service is
chosen by each tactic.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from pilotfish import tactics

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("bench.decide")


@pytest.mark.parametrize("tactic", tactics.names())
def test_every_block_is_looked_at_and_a_service_is_chosen(bench: ModuleType, tactic: str) -> None:
    candidate, block = bench.decide(bench.router(tactic), *bench.requests(1), 0.0)
    assert candidate is not None
    assert block == bench.BLOCKS - 1


def test_a_figure_is_a_time(bench: ModuleType) -> None:
    assert bench.microseconds("random", rounds=1) > 0
