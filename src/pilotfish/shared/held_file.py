"""STATE_DIR: the ids that vendors gave out, each with who holds it, kept over restarts. One line of
JSON for each, appended as they come. No failure here stops the proxy.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec
import structlog

from pilotfish.core.state.holders import ID_CHARS, MOST, Holder, Holders

FILE = "held.jsonl"
APPEND_EVERY_S = 1.0
MOST_LINES = 4 * MOST  # then it is written anew, without those that were forgotten
READ_BYTES = 64 * 1024 * 1024  # of a file that is larger, for whatever reason, the end is read

log = structlog.get_logger(__name__)


class HeldIdsFile:
    """Restores once, appends what is new about once a second, and a last time at the end."""

    def __init__(self, folder: Path, holders: Holders, *, every_s: float = APPEND_EVERY_S) -> None:
        self.path = folder / FILE
        self._holders, self._every_s = holders, every_s
        self._new: list[tuple[str, str, str]] = []
        self._lines = 0
        self._has_failed = False
        holders.told.append(self._note)

    def _note(self, one: str, holder: Holder) -> None:
        if len(self._new) < MOST:  # a disk that takes nothing must not fill the memory
            self._new.append((one, holder.provider, holder.key))

    def restore(self) -> int:
        """Returns how many ids were read. Lines that cannot be read are left out: the last may have
        been cut by a crash.
        """
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - READ_BYTES))
                lines = file.read().splitlines()
        except FileNotFoundError:
            return 0
        except OSError as error:
            log.warning("held ids cannot be read", file=str(self.path), error=str(error))
            return 0
        self._lines = len(lines)
        read = 0
        for line in lines:
            try:
                one, provider, key = msgspec.json.decode(line, type=tuple[str, str, str])
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
            if len(one) <= ID_CHARS:
                self._holders.learn(one, Holder(provider, key))
                read += 1
        return read

    def save(self) -> bool:
        """At once, in this thread: for the end of the process. True if everything is in the
        file.
        """
        return self._write(*self._taken())

    async def run(self) -> None:
        """Appends until it is cancelled, in a thread: a slow disk must not stop the requests."""
        while True:
            await asyncio.sleep(self._every_s)
            if self._new:
                await asyncio.to_thread(self._write, *self._taken())

    def _taken(self) -> tuple[bytes, bool]:
        """What to write, and whether it is all there is."""
        new, self._new = self._new, []
        self._lines += len(new)
        whole = self._lines > MOST_LINES
        if whole:
            new = [(one, holder.provider, holder.key) for one, holder in self._holders.items()]
            self._lines = len(new)
        return b"".join([msgspec.json.encode(line) + b"\n" for line in new]), whole

    def _write(self, data: bytes, whole: bool) -> bool:
        if not data:
            return True
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if whole:
                beside = self.path.with_suffix(".new")
                beside.write_bytes(data)
                beside.replace(self.path)
            else:
                with self.path.open("ab") as file:
                    file.write(data)
        except OSError as error:
            if not self._has_failed:
                log.warning("held ids cannot be saved", file=str(self.path), error=str(error))
            self._has_failed = True
            return False
        self._has_failed = False
        return True
