"""STATE_DIR: what the ledger has learnt, kept in a file over restarts. No failure here stops the
proxy.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from pilotfish.core.state import persistence
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.core.state.spending import Spending

FILE = "statistics.json"
SAVE_EVERY_S = 30.0
KEPT_DAMAGED = 9  # files set aside, so that a disk that damages every file is not filled with them

log = structlog.get_logger(__name__)


class StateFile:
    """One file in STATE_DIR, replaced whole: after a crash it is the old one or the new one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = (
            threading.Lock()
        )  # the last save, in the main thread, must not be overtaken by one that began before it

    def read(self) -> persistence.Saved | None:
        """None where there is no usable file. A damaged one is set aside, for people to look at."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning(
                "saved statistics cannot be read; starting without",
                file=str(self.path),
                error=str(error),
            )
            return None
        try:
            return persistence.decode(data)
        except ValueError as error:
            self._set_aside(str(error))
            return None

    def _set_aside(self, why: str) -> None:
        names = [self.path.with_name(f"{FILE}.damaged-{n}") for n in range(1, KEPT_DAMAGED + 1)]
        aside = next((name for name in names if not name.exists()), names[-1])
        try:
            self.path.replace(aside)
        except OSError as error:
            log.warning(
                "saved statistics are damaged and cannot be set aside",
                file=str(self.path),
                problem=why,
                error=str(error),
            )
            return
        log.warning(
            "saved statistics are damaged; starting without",
            file=str(self.path),
            problem=why,
            kept_as=str(aside),
        )

    def write(self, data: bytes) -> bool:
        """True if the file now holds `data`."""
        with self._lock:
            return self._write(data)

    def _write(self, data: bytes) -> bool:
        try:
            replace_whole(self.path, data)
        except OSError as error:
            log.warning("statistics cannot be saved", file=str(self.path), error=str(error))
            return False
        return True


def replace_whole(path: Path, data: bytes) -> None:
    """Writes a file so that after a crash it is the old one or the new one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


class StateKeeper:
    """Restores once, saves now and then, and a last time at the end. `clock` is the proxy's (any
    origin), `wall` gives epoch seconds.
    """

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        history: RaceHistory | None = None,
        spending: Spending | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        every_s: float = SAVE_EVERY_S,
    ) -> None:
        self.file = StateFile(folder)
        self._ledger, self._history, self._spending = ledger, history, spending
        self._clock, self._wall, self._every_s = clock, wall, every_s

    def restore(self) -> int:
        """Call it when the ledger has adopted the first rules. Returns how many services were
        filled.
        """
        saved = self.file.read()
        if saved is None:
            return 0
        filled = persistence.restore(
            saved, self._ledger, self._history, self._clock(), self._wall(), self._spending
        )
        log.info(
            "statistics restored",
            file=str(self.file.path),
            services=filled,
            age_s=round(self._wall() - saved.saved_at, 1),
        )
        return filled

    def _data(self) -> bytes:
        return persistence.encode(
            persistence.dump(
                self._ledger, self._history, self._clock(), self._wall(), self._spending
            )
        )

    def save(self) -> bool:
        """At once, in this thread: for the end of the process, after the last request."""
        return self.file.write(self._data())

    async def run(self) -> None:
        """Saves until cancelled, in a thread: a slow disk must not stop the requests."""
        while True:
            await asyncio.sleep(self._every_s)
            await asyncio.to_thread(self.file.write, self._data())
