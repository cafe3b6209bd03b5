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
def decide(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("bench.decide")


@pytest.mark.parametrize("tactic", tactics.names())
def test_every_block_is_looked_at_and_a_service_is_chosen(decide: ModuleType, tactic: str) -> None:
    candidate, block = decide.decider(tactic).decide(*decide.requests(1), 0.0)
    assert candidate is not None
    assert block == decide.BLOCKS - 1


def test_a_figure_is_a_time(decide: ModuleType) -> None:
    assert decide.microseconds("random", rounds=1) > 0
