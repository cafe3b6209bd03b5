"""Files that rules name for the wins and losses of their races (`performance_file`)."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import structlog

from pilotfish.core.state.persistence import SavedRace, load_race, saved_race
from pilotfish.core.state.race_history import RaceHistory

SAVE_EVERY_S = 30.0

log = structlog.get_logger(__name__)


class RaceFiles:
    """Reads a file when rules first name it, and writes all of them now and then and at the end.
    `clock` is the proxy's (any origin), `wall` gives epoch seconds. No failure here stops the
    proxy.
    """

    def __init__(
        self,
        history: RaceHistory,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._history, self._clock, self._wall = history, clock, wall
        self._files: dict[str, str] = {}

    def adopt(self, files: Mapping[str, str]) -> None:
        """`files`: by rule."""
        for rule, file in files.items():
            if self._files.get(rule) != file:
                self._read(rule, Path(file))
        self._files = dict(files)

    def _read(self, rule: str, path: Path) -> None:
        try:
            saved_at = path.stat().st_mtime
            saved = msgspec.json.decode(path.read_bytes(), type=list[SavedRace])
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("races cannot be read", file=str(path), error=type(error).__name__)
            return
        now = self._clock()
        for race in saved:
            if race.rule == rule:
                load_race(race, self._history, now - self._wall(), now, saved_at)

    def restore(self) -> int:
        """Files are read when rules name them."""
        return 0

    def _contents(self) -> dict[str, bytes]:
        now = self._clock()
        shift = self._wall() - now
        races: dict[str, list[SavedRace]] = {file: [] for file in self._files.values()}
        for (rule, service), record in self._history.records.items():
            if rule in self._files:
                races[self._files[rule]].append(saved_race(rule, service, record, now, shift))
        return {file: msgspec.json.encode(saved) for file, saved in races.items()}

    def save(self) -> bool:
        """At once, in this thread. True if all files hold what is known."""
        contents = self._contents().items()
        return sum(_write(Path(file), content) for file, content in contents) == len(contents)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            for file, content in self._contents().items():
                await asyncio.to_thread(_write, Path(file), content)


def _write(path: Path, content: bytes) -> bool:
    """Replaces the file whole."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError as error:
        log.warning("races cannot be kept", file=str(path), error=str(error))
        return False
    return True
