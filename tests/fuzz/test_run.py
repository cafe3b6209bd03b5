"""The fuzzers themselves: the corpus that is kept breaks nothing, and what fails is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz import run
from fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_kept_breaks_nothing(name: str) -> None:
    kept = run.seeds(name)
    assert len(kept) >= 5
    for data in kept:
        TARGETS[name](data)


@pytest.mark.interpreted
def test_what_fails_is_written_down_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(data: bytes) -> None:
        assert b"model" not in data

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(TARGETS, "json", fails)
    with pytest.raises(AssertionError):
        run.mutate("json", 60.0, keep=False)
    (found,) = tmp_path.glob("fuzz-json-*")
    assert b"model" in found.read_bytes()
    assert found.name in capsys.readouterr().err


@pytest.mark.interpreted
def test_the_mutator_counts_its_inputs() -> None:
    assert run.mutate("forms", 0.05, keep=False) > 5
