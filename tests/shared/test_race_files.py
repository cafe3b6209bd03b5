"""Wins and losses in files that rules name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pilotfish.core.state.race_history import RaceHistory
from pilotfish.shared.race_files import RaceFiles


def files(history: RaceHistory, now: float = 100.0) -> RaceFiles:
    return RaceFiles(history, clock=lambda: now, wall=lambda: 1.7e9 + now)


def raced() -> RaceHistory:
    history = RaceHistory()
    history.record("fast", "a/m").add(True, 100.0, 0.5)
    history.record("other", "a/m").add(False, 100.0)
    return history


def test_what_was_kept_is_known_to_the_next_process_and_of_no_other_rule(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "races.json"
    kept = files(raced())
    kept.adopt({"fast": str(file)})
    assert kept.save()
    os.utime(file, (1.7e9 + 100, 1.7e9 + 100))
    history = RaceHistory()
    files(history).adopt({"fast": str(file), "other": str(file)})
    assert list(history.records) == [("fast", "a/m")]
    record = history.records["fast", "a/m"]
    assert (record.wins, record.total, record.latency_s) == (pytest.approx(1), 1, 0.5)
    assert record.last_at == pytest.approx(100.0)


def test_a_file_is_read_once_and_not_over_what_is_known_since(tmp_path: Path) -> None:
    file = str(tmp_path / "races.json")
    history = raced()
    kept = files(history)
    kept.adopt({"fast": file})
    kept.save()
    history.record("fast", "a/m").add(True, 100.0)
    kept.adopt({"fast": file})
    assert history.records["fast", "a/m"].total == 2
    assert kept.restore() == 0


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]"])
def test_a_damaged_file_is_as_none_and_written_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "races.json"
    file.write_bytes(content)
    history = RaceHistory()
    kept = files(history)
    kept.adopt({"fast": str(file)})
    assert not history.records
    assert kept.save()
    assert file.read_bytes() == b"[]"


def test_a_place_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = files(raced())
    kept.adopt({"fast": str(tmp_path / "file" / "races.json")})
    assert not kept.save()
