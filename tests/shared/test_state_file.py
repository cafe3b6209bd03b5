"""STATE_DIR: kept over restarts, replaced whole, and never in the way of the proxy."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleet import ledger_of, measured, service
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.shared.state_file import FILE, KEPT_DAMAGED, StateFile, StateKeeper


def keeper(
    folder: Path, ledger: Ledger, *, now: float = 100.0, wall: float = 1.7e9, every_s: float = 30.0
) -> StateKeeper:
    return StateKeeper(
        folder, ledger, RaceHistory(), clock=lambda: now, wall=lambda: wall, every_s=every_s
    )


def known(latency: float = 1.5) -> Ledger:
    ledger, [c], _ = ledger_of(service("m"))
    measured(c, 100.0, latency=latency)
    return ledger


def average(ledger: Ledger, now: float = 100.0) -> float | None:
    return ledger.candidate(service("m")).state.latency.average(now)


def test_a_restart_finds_what_was_learnt(tmp_path: Path) -> None:
    assert keeper(tmp_path, known()).save() is True
    new, _, _ = ledger_of(service("m"))
    assert keeper(tmp_path, new, now=3.0).restore() == 1
    assert average(new, 3.0) == 1.5


def test_the_first_start_finds_nothing_and_says_nothing(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert keeper(tmp_path, known()).restore() == 0
    assert logs == []


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe\x00", b'{"version": 99, "saved_at": 0}', b"[]"]
)
def test_a_damaged_file_is_set_aside_with_a_warning_and_is_not_fatal(
    tmp_path: Path, data: bytes
) -> None:
    (tmp_path / FILE).write_bytes(data)
    with capture_logs() as logs:
        assert keeper(tmp_path, known()).restore() == 0
    aside = tmp_path / f"{FILE}.damaged-1"
    assert aside.read_bytes() == data
    assert not (tmp_path / FILE).exists()
    [line] = logs
    assert line["log_level"] == "warning"
    assert line["kept_as"] == str(aside)
    assert line["problem"]


def test_damaged_files_are_numbered_and_do_not_fill_the_disk(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    for i in range(KEPT_DAMAGED + 5):
        file.path.write_bytes(b"damaged %d" % i)
        assert file.read() is None
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"{FILE}.damaged-{n}" for n in range(1, KEPT_DAMAGED + 1)
    ]


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    assert keeper(tmp_path / "a" / "b", known()).save() is True


def test_a_folder_that_cannot_be_written_to_is_a_warning_and_not_fatal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where a folder was expected")
    with capture_logs() as logs:
        assert keeper(tmp_path / "file", known()).save() is False
    assert [line["event"] for line in logs] == ["statistics cannot be saved"]


def test_a_file_that_cannot_be_read_is_a_warning_and_not_fatal(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with capture_logs() as logs:
        assert keeper(tmp_path, known()).restore() == 0
    assert [line["log_level"] for line in logs] == ["warning"]


def test_a_crash_while_writing_leaves_the_last_good_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper(tmp_path, known(1.5)).save()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with capture_logs():
        assert keeper(tmp_path, known(9.0)).save() is False
    monkeypatch.undo()
    new, _, _ = ledger_of(service("m"))
    keeper(tmp_path, new).restore()
    assert average(new) == 1.5
    assert [p.name for p in tmp_path.iterdir()] == [FILE]


def test_only_the_proxys_own_user_may_read_it(tmp_path: Path) -> None:
    keeper(tmp_path, known()).save()
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


async def test_it_is_saved_now_and_then_until_cancelled(tmp_path: Path) -> None:
    written = asyncio.Event()
    state, loop = keeper(tmp_path, known(), every_s=0.0), asyncio.get_running_loop()
    write = state.file.write

    def told(data: bytes) -> bool:
        good = write(data)
        loop.call_soon_threadsafe(written.set)
        return good

    state.file.write = told  # type: ignore[method-assign]
    task = asyncio.create_task(state.run())
    await asyncio.wait_for(written.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert StateFile(tmp_path).read() is not None
