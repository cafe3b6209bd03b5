"""The process that a proxy runs in: event loop, listening sockets, descriptors, collector."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import os
import resource
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from pilotfish.errors import StartError
from pilotfish.settings import Address

log = structlog.get_logger(__name__)

GC_THRESHOLDS = (20_000, 20, 50)
DESCRIPTORS_BESIDE = 128  # idle connections to providers, the admin port, files
BACKLOG = 4096  # connections that wait to be accepted
LOOP_ERROR_S = 1.0  # how often a connection that cannot be accepted is logged
NO_LIMIT_BYTES = 1 << 60  # what control groups say where there is none is larger
BUFFERED_BYTES = 256 * 1024 * 1024  # of request bodies, where no limit of memory is known
TRIMMED_BYTES = 16 * 1024 * 1024  # of large bodies that are done with
_PORT_TAKEN = (98, 48)  # Linux, macOS


def run_loop(main: Callable[[], Coroutine[Any, Any, None]], event_loop: str) -> None:
    """Runs a coroutine on the event loop that the settings name: uvloop where it is installed,
    unless asyncio is asked for.
    """
    factory = None
    if event_loop != "asyncio":
        try:
            import uvloop

            factory = uvloop.new_event_loop
        except ImportError:
            if event_loop == "uvloop":
                raise StartError(
                    "PILOTFISH_EVENT_LOOP is uvloop, which is not installed;"
                    " expected it installed, or asyncio"
                ) from None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


async def listen(
    protocol: Callable[[], asyncio.Protocol], at: Address
) -> tuple[asyncio.Server, Address]:
    """A listening socket, and where it listens. Raises OSError."""
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(protocol, at[0], at[1], backlog=BACKLOG)
    return listener, Address(listener.sockets[0].getsockname()[:2])


def why(error: OSError) -> str:
    """Why an address cannot be listened on, for people."""
    if error.errno in _PORT_TAKEN:
        return "the port is taken"
    if isinstance(error, socket.gaierror):
        return "no such host"
    return os.strerror(error.errno) if error.errno else str(error)


def raise_descriptor_limit(max_in_flight: int) -> None:
    """As many file descriptors as the system allows: each request in flight takes two, and shells
    give 1024, or 256. Logs a warning where they are too few.
    """
    needed = DESCRIPTORS_BESIDE + 2 * max_in_flight
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    if soft != resource.RLIM_INFINITY and soft < needed:
        log.warning("few_descriptors", limit=soft, needed=needed, max_in_flight=max_in_flight)


def memory_limit(root: Path = Path("/")) -> int | None:
    """The bytes that this process may take by its control group (version 2 or 1) or one around it;
    None where there is no limit. `root`: where the system's files are.
    """
    folders = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    limits = []
    for number, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if number == "0" and not controllers:
            files = _upwards(folders, path, "memory.max")
        elif "memory" in controllers.split(","):
            files = _upwards(folders / "memory", path, "memory.limit_in_bytes")
        else:
            continue
        for file in files:
            with contextlib.suppress(OSError, ValueError):
                limits.append(int(file.read_text()))  # "max" is no number
    known = [limit for limit in limits if 0 < limit < NO_LIMIT_BYTES]
    return min(known, default=None)


def _upwards(base: Path, path: str, name: str) -> list[Path]:
    """The file of this name in the folder of a control group and in all around it."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return [base.joinpath(*parts[:i], name) for i in range(len(parts), -1, -1)]


def buffered_bytes(chosen: int) -> int:
    """How much of request bodies may be held at once: what was chosen, or for 0 a quarter of the
    memory that the process may take.
    """
    if chosen:
        return chosen
    limit = memory_limit()
    return BUFFERED_BYTES if limit is None else max(limit // 4, 1)


async def give_memory_back() -> None:
    """Lets the C library give what is free to the system. It keeps the room that large bodies took,
    which counts as used where memory is limited.
    """
    import ctypes  # imported on use: few proxies see large bodies

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc has it
    if trim is not None:
        await asyncio.to_thread(trim, 0)


def calm_collector() -> None:
    """What is alive now stays: the garbage collector need not go through it again and again. A
    request leaves few cycles behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class LoopErrors:
    """The event loop's exception handler. asyncio reports each connection that it cannot accept for
    want of a descriptor, thousands of times a second; once a second is enough.
    """

    def __init__(self) -> None:
        self._logged_at = -math.inf

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "socket.accept()" not in context.get("message", ""):
            loop.default_exception_handler(context)
        elif loop.time() - self._logged_at >= LOOP_ERROR_S:
            self._logged_at = loop.time()
            log.error("cannot_accept", error=str(context.get("exception")))


def log_failed_task(task: asyncio.Task[None]) -> None:
    """A done callback for tasks that are to run for ever: if one does not, the log has why."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task_failed", task=task.get_name(), exc_info=error)
