"""The process of the proxy: what it says when the machine has too little of something."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import sys

import pytest
from structlog.testing import capture_logs

from pilotfish import process
from pilotfish.errors import StartError
from pilotfish.settings import Address


def test_uvloop_that_is_asked_for_and_not_installed_is_one_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)

    async def main() -> None:
        raise AssertionError("nothing is to run")

    with pytest.raises(StartError, match="uvloop, which is not installed; expected it installed"):
        process.run_loop(main, "uvloop")


@pytest.mark.parametrize(
    ("setting", "installed", "loop"),
    [("asyncio", True, "asyncio"), ("", True, "uvloop"), ("", False, "asyncio")],
)
def test_uvloop_is_used_where_it_is_installed_unless_asyncio_is_asked_for(
    setting, installed, loop, monkeypatch
):
    if not installed:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    ran_on: list[str] = []

    async def main() -> None:
        ran_on.append(type(asyncio.get_running_loop()).__module__.partition(".")[0])

    process.run_loop(main, setting)
    assert ran_on == [loop]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(98, "Address already in use"), "the port is taken"),
        (OSError(48, "Address already in use"), "the port is taken"),
        (OSError(errno.EACCES, "as the system has it"), "Permission denied"),
        (socket.gaierror(-2, "Name or service not known"), "no such host"),
        (OSError("whatever it is"), "whatever it is"),
    ],
)
def test_why_an_address_cannot_be_listened_on(error, words):
    assert process.why(error) == words


async def test_a_second_listener_on_a_port_is_refused_and_the_first_says_where_it_is():
    first, at = await process.listen(asyncio.Protocol, Address(("127.0.0.1", 0)))
    try:
        assert at[1] > 0
        with pytest.raises(OSError) as refused:
            await process.listen(asyncio.Protocol, at)
        assert process.why(refused.value) == "the port is taken"
    finally:
        first.close()


class Limits:
    """The system's limits of descriptors, as `resource` has them."""

    def __init__(self, soft: int, hard: int) -> None:
        self.soft, self.hard = soft, hard

    def get(self, which: int) -> tuple[int, int]:
        return self.soft, self.hard

    def set(self, which: int, limits: tuple[int, int]) -> None:
        if limits[1] > self.hard:
            raise ValueError("not allowed to raise maximum limit")
        self.soft, self.hard = limits


@pytest.mark.parametrize(
    ("soft", "hard", "becomes", "warned"),
    [
        (256, 10_000, 2128, False),
        (1024, 1500, 1500, True),
        (1024, resource.RLIM_INFINITY, 2128, False),
        (5000, 10_000, 5000, False),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY, False),
    ],
)
def test_descriptors_are_raised_as_far_as_the_system_allows_and_too_few_are_a_warning(
    soft, hard, becomes, warned, monkeypatch
):
    limits = Limits(soft, hard)
    if hard == resource.RLIM_INFINITY:
        limits.hard = 1 << 40
        monkeypatch.setattr(resource, "RLIM_INFINITY", 1 << 40)
        limits.soft = 1 << 40 if soft == -1 else soft
        becomes = 1 << 40 if becomes == -1 else becomes
    monkeypatch.setattr(resource, "getrlimit", limits.get)
    monkeypatch.setattr(resource, "setrlimit", limits.set)
    with capture_logs() as logged:
        process.raise_descriptor_limit(1000)
    assert limits.soft == becomes
    assert [entry["event"] for entry in logged] == (["few_descriptors"] if warned else [])


async def test_connections_that_cannot_be_accepted_are_logged_once_a_second(monkeypatch):
    loop = asyncio.get_running_loop()
    now = 100.0
    monkeypatch.setattr(loop, "time", lambda: now)
    told: list[dict[str, object]] = []
    monkeypatch.setattr(loop, "default_exception_handler", told.append)
    errors = process.LoopErrors()
    full = {"message": "socket.accept() out of system resource", "exception": OSError("too many")}
    with capture_logs() as logged:
        for _ in range(1000):
            errors(loop, full)
        now = 101.0
        errors(loop, full)
    assert [entry["event"] for entry in logged] == ["cannot_accept"] * 2
    other = {"message": "Exception in callback"}
    errors(loop, other)
    assert told == [other], "everything else is asyncio's to report"


async def test_a_task_that_was_to_run_for_ever_and_failed_is_in_the_log():
    async def fails() -> None:
        raise LookupError("a bug")

    async def ends() -> None: ...

    with capture_logs() as logged:
        for coroutine in (fails(), ends()):
            task = asyncio.get_running_loop().create_task(coroutine, name="prober")
            await asyncio.wait([task])
            process.log_failed_task(task)
        cancelled = asyncio.get_running_loop().create_task(asyncio.Event().wait())
        cancelled.cancel()
        await asyncio.wait([cancelled])
        process.log_failed_task(cancelled)
    assert [(e["event"], e["task"], str(e["exc_info"])) for e in logged] == [
        ("task_failed", "prober", "a bug")
    ]


MIB = 1024 * 1024
GROUPS = {
    "version 2, in a container": ({"": {"memory.max": 512 * MIB}}, "0::/\n", 512 * MIB),
    "version 2, without a limit": ({"": {"memory.max": "max"}}, "0::/\n", None),
    "version 2, a group around it has the limit": (
        {"a": {"memory.max": 64 * MIB}, "a/b": {"memory.max": "max"}},
        "0::/a/b\n",
        64 * MIB,
    ),
    "version 1": (
        {"memory/pods/x": {"memory.limit_in_bytes": 128 * MIB}},
        "12:cpu:/\n5:memory:/pods/x\n",
        128 * MIB,
    ),
    "version 1, whose path is the host's": (
        {"memory": {"memory.limit_in_bytes": 128 * MIB}},
        "5:memory:/kubepods/x\n",
        128 * MIB,
    ),
    "version 1, without a limit": (
        {"memory": {"memory.limit_in_bytes": 9223372036854771712}},
        "5:memory:/\n",
        None,
    ),
    "nothing that can be read": ({}, "what\n0::/../..\n", None),
    "no control groups": ({}, None, None),
}


@pytest.mark.parametrize("what", GROUPS)
def test_the_limit_of_memory_is_what_the_control_group_says(tmp_path, what):
    folders, mine, limit = GROUPS[what]
    for folder, files in folders.items():
        place = tmp_path / "sys/fs/cgroup" / folder
        place.mkdir(parents=True, exist_ok=True)
        for name, value in files.items():
            (place / name).write_text(f"{value}\n")
    if mine is not None:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(mine)
    assert process.memory_limit(tmp_path) == limit


@pytest.mark.parametrize(
    ("chosen", "limit", "held"),
    [(7, 512 * MIB, 7), (0, 512 * MIB, 128 * MIB), (0, None, 256 * MIB)],
)
def test_a_quarter_of_the_memory_is_for_bodies(monkeypatch, chosen, limit, held):
    monkeypatch.setattr(process, "memory_limit", lambda: limit)
    assert process.buffered_bytes(chosen) == held


async def test_memory_can_be_given_back():
    await process.give_memory_back()
