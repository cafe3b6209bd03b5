"""`performance_file`: wins and losses of races in files of their own, below STATE_DIR/races.

So they can be looked at, taken to another place or thrown away without the rest of the statistics.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.state.ledger import all_rules
from pilotfish.core.state.persistence import Amount, Moment
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.shared.state_file import replace_whole

FOLDER = "races"
VERSION = 1

log = structlog.get_logger(__name__)


class SavedWins(msgspec.Struct):
    wins: Amount
    losses: Amount


class SavedRaces(msgspec.Struct):
    """A file's content. `races`: rule or virtual model -> provider/model -> wins and losses, as
    they were worth at `saved_at` (epoch seconds)."""

    version: int
    saved_at: Moment
    races: dict[str, dict[str, SavedWins]] = {}


class RaceFiles:
    """Reads a file when rules first name it, and writes all of them now and then and at the end.
    One that is not ours is left as it is. `folder` is STATE_DIR; None: there is none, and nothing
    is kept."""

    def __init__(
        self,
        folder: Path | None,
        history: RaceHistory,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._history = folder, history
        self._clock, self._wall = clock, wall
        self._rules: dict[Path, list[str]] = {}
        self._foreign: set[Path] = set()

    def adopt(self, snapshot: Snapshot) -> None:
        """Takes over the files that these rules name."""
        wanted: dict[Path, list[str]] = {}
        named = [r for r in all_rules(snapshot) if r.race and r.race.performance_file]
        if self._folder is None:
            for rule in named:
                log.warning(
                    "performance_file is not kept: PILOTFISH_STATE_DIR is not set", rule=rule.name
                )
            return
        for rule in named:
            assert rule.race is not None
            path = self._folder / FOLDER / rule.race.performance_file
            wanted.setdefault(path, []).append(rule.name)
        known, self._rules = self._rules, wanted
        for path, rules in wanted.items():
            new = [name for name in rules if name not in known.get(path, ())]
            if new:
                self._read(path, new)

    def _read(self, path: Path, rules: list[str]) -> None:
        try:
            saved = msgspec.json.decode(path.read_bytes(), type=SavedRaces)
            if saved.version != VERSION:
                raise ValueError(f"version {saved.version}, expected {VERSION}")
        except FileNotFoundError:
            self._foreign.discard(path)
            return
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            self._foreign.add(path)
            log.warning(
                "a performance_file cannot be read and is left as it is",
                file=str(path),
                problem=str(error),
            )
            return
        self._foreign.discard(path)
        at = self._clock() - max(0.0, self._wall() - saved.saved_at)
        for rule in rules:
            for service, record in saved.races.get(rule, {}).items():
                self._history.record(rule, service).load(record.wins, record.losses, at)
        log.info("race_history_restored", file=str(path), rules=rules)

    def save(self) -> bool:
        """At once, in this thread. True if all files hold what is known."""
        written = [_write(path, data) for path, data in self._contents()]
        return all(written)

    def _contents(self) -> list[tuple[Path, bytes]]:
        now, wall = self._clock(), self._wall()
        found = []
        for path, rules in self._rules.items():
            if path in self._foreign:
                continue
            races: dict[str, dict[str, SavedWins]] = {name: {} for name in rules}
            for (rule, service), record in self._history.records.items():
                if rule in races:
                    races[rule][service] = SavedWins(*record.dump(now))
            found.append((path, msgspec.json.encode(SavedRaces(VERSION, wall, races))))
        return found

    async def save_beside(self) -> None:
        """As `save`; the disk is waited for in a thread."""
        for path, data in self._contents():
            await asyncio.to_thread(_write, path, data)


def _write(path: Path, data: bytes) -> bool:
    try:
        replace_whole(path, data)
    except OSError as error:
        log.warning("a performance_file cannot be written", file=str(path), error=str(error))
        return False
    return True
