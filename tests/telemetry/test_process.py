"""The process's own figures, held against what the system and the client library say."""

import os

import pytest
from prometheus_client import ProcessCollector

from pilotfish.telemetry.process import figures

STAT = "123 (a name) with) brackets) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0 1000 4096000 25 18446744073709551615"


@pytest.fixture
def proc(tmp_path):
    (tmp_path / "self" / "fd").mkdir(parents=True)
    (tmp_path / "self" / "stat").write_text(STAT)
    (tmp_path / "stat").write_text("cpu 1 2 3\nbtime 1700000000\n")
    for n in range(3):
        (tmp_path / "self" / "fd" / str(n)).touch()
    return tmp_path


@pytest.mark.parametrize("missing", ["stat", "self/stat"])
def test_where_the_system_tells_nothing_there_are_none(proc, missing):
    (proc / missing).unlink()
    assert list(figures(proc)) == []


def test_a_system_that_does_not_say_when_it_booted_tells_nothing(proc):
    (proc / "stat").write_text("cpu 1 2 3\n")
    assert list(figures(proc)) == []


def test_a_name_with_brackets_shifts_no_field(proc):
    found = {f.name: f.value for f in figures(proc)}
    ticks = os.sysconf("SC_CLK_TCK")
    assert found["process_cpu_seconds_total"] == 300 / ticks
    assert found["process_start_time_seconds"] == 1700000000 + 1000 / ticks
    assert found["process_virtual_memory_bytes"] == 4096000
    assert found["process_resident_memory_bytes"] == 25 * os.sysconf("SC_PAGE_SIZE")
    assert found["process_open_fds"] == 3


def test_they_are_those_of_the_client_library():
    theirs = {
        sample.name: sample.value
        for family in ProcessCollector(registry=None).collect()
        for sample in family.samples
    }
    ours = {f.name: f.value for f in figures()}
    assert ours.keys() == theirs.keys()
    for name in ("process_start_time_seconds", "process_max_fds"):
        assert ours[name] == pytest.approx(theirs[name])
    assert ours["process_resident_memory_bytes"] == pytest.approx(
        theirs["process_resident_memory_bytes"], rel=0.1
    )
