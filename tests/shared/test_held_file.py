"""Who holds what, over restarts."""

from __future__ import annotations

import asyncio

import pytest

from harness import until
from pilotfish.core.state.holders import MOST, Holder, Holders
from pilotfish.shared import held_file
from pilotfish.shared.held_file import HeldIdsFile

A, B = Holder("a"), Holder("b", "environment variable KEY")


def kept(folder):
    """What a proxy knows that begins now."""
    holders = Holders()
    HeldIdsFile(folder, holders).restore()
    return dict(holders.items())


def test_what_was_noted_is_known_after_a_restart(tmp_path):
    holders = Holders()
    keeper = HeldIdsFile(tmp_path / "new", holders)
    assert keeper.restore() == 0
    holders.note(["resp_1", "file-1"], A)
    assert keeper.save()
    holders.note(["resp_1"], B)
    holders.note(["ünïcode"], A)
    assert keeper.save()
    assert keeper.save()
    assert kept(tmp_path / "new") == {"resp_1": B, "file-1": A, "ünïcode": A}


@pytest.mark.parametrize(
    "damage", [b'["cut', b"\xff\xfe\n", b"{}\n", b"[1,2,3]\n", b"\x00" * 1000, b'["a","b"]\n']
)
def test_lines_that_a_crash_or_a_stranger_left_cost_no_others(tmp_path, damage):
    holders = Holders()
    keeper = HeldIdsFile(tmp_path, holders)
    holders.note(["resp_1"], A)
    keeper.save()
    with keeper.path.open("ab") as file:
        file.write(damage + b"\n")
    holders.note(["resp_2"], B)
    keeper.save()
    assert kept(tmp_path) == {"resp_1": A, "resp_2": B}


def test_a_folder_that_takes_nothing_stops_nobody(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    holders = Holders()
    keeper = HeldIdsFile(path, holders)
    assert keeper.restore() == 0
    holders.note(["resp_1"], A)
    assert keeper.save() is False
    assert holders.of("resp_1") == A


def test_the_file_is_written_anew_before_it_grows_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(held_file, "MOST_LINES", 100)
    holders = Holders(20)
    keeper = HeldIdsFile(tmp_path, holders)
    for i in range(1000):
        holders.note([f"resp_{i}"], A)
        keeper.save()
        assert len(keeper.path.read_bytes().splitlines()) <= 101
    assert "resp_999" in kept(tmp_path)


def test_of_a_file_that_is_too_large_the_end_is_read(tmp_path, monkeypatch):
    holders = Holders()
    keeper = HeldIdsFile(tmp_path, holders)
    holders.note([f"resp_{i:06d}" for i in range(1000)], A)
    keeper.save()
    monkeypatch.setattr(held_file, "READ_BYTES", 1000)
    found = kept(tmp_path)
    assert "resp_000999" in found
    assert len(found) < 50


def test_a_disk_that_is_slow_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(held_file, "MOST", 10)
    holders = Holders()
    keeper = HeldIdsFile(tmp_path, holders)
    holders.note([f"resp_{i}" for i in range(100)], A)
    assert len(keeper._new) == 10
    assert MOST > 10


async def test_it_is_written_while_the_proxy_runs(tmp_path):
    holders = Holders()
    keeper = HeldIdsFile(tmp_path, holders, every_s=0.001)
    running = asyncio.create_task(keeper.run())
    holders.note(["resp_1"], A)
    await until(keeper.path.exists)
    await until(lambda: kept(tmp_path) == {"resp_1": A})
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
