"""The access log: a line for each request on stdout, JSON or for people, no bodies, no keys. Written
in batches, since a write a request would cost more than the line. How lines look is `logs`'.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

import orjson
import structlog

from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.routing.decision_trace import decision_trace
from pilotfish.core.routing.plan import Plan
from pilotfish.telemetry.log_line import PlainLines, line_of
from pilotfish.telemetry.logs import LineFormat, line_format, timestamp
from pilotfish.telemetry.passed_record import PassedRecord, line_of_passed
from pilotfish.telemetry.record import RequestRecord

FLUSH_S = 0.1
# As much as malloc keeps at hand: with 512 lines each request cost two page faults, since the
# memory of all lines went back to the kernel and came again.
FLUSH_LINES = 64
RECENT = 50
# Of a request that a rule took: its plan, its scenario, and what added to the plan's clock gives
# epoch seconds.
Kept: TypeAlias = tuple[Plan, str, float]
Recent: TypeAlias = tuple[bytes, Kept | None]


def _to_stdout(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


class AccessLog:
    """`write` gets whole lines. The last of them are kept for the status page.

    `sample`: which share of the requests that went well at the first attempt is logged; all others
    always are. `form`: the format of lines.
    """

    def __init__(
        self,
        write: Callable[[bytes], None] = _to_stdout,
        *,
        enabled: bool = True,
        sample: float = 1.0,
        form: LineFormat | None = None,
    ) -> None:
        self._write, self.enabled, self.sample = write, enabled, sample
        self._form = form or line_format("json")
        self._plain = PlainLines(self._form.fields) if self._form.is_json else None
        self._owed = 0.0
        self._lines: list[bytes] = []
        self._recent: deque[Recent] = deque(maxlen=RECENT)
        self._unusual: deque[Recent] = deque(maxlen=RECENT)
        self._timer: asyncio.TimerHandle | None = None
        self._log = structlog.get_logger()

    def request(self, record: RequestRecord) -> None:
        """A request that a rule took is over."""
        if not self.enabled:
            return
        # What somebody may ask about later.
        unusual = (
            record.failure is not None
            or record.code >= 400
            or len(record.attempts) != 1
            or record.last_resort
        )
        if unusual or self.sample >= 1.0 or self._is_due():
            kept = (record.plan, record.scenario, record.started_wall - record.started)
            line = self._plain.line(record) if self._plain is not None else None
            if line is None:
                self._add(line_of(record), kept, unusual)
            else:
                self._write_out(line, (line, kept), unusual)

    def _is_due(self) -> bool:
        """So many of the rest: evenly, so that counts times 1/sample are right."""
        self._owed += self.sample
        if self._owed < 1.0:
            return False
        self._owed -= 1.0
        return True

    def passed(self, record: PassedRecord) -> None:
        """A request that was passed on is over."""
        if not self.enabled:
            return
        unusual = record.code >= 400 or len(record.attempts) != 1 or bool(record.error)
        if unusual or self.sample >= 1.0 or self._is_due():
            self._add(line_of_passed(record), None, unusual)

    def local_reply(self, **what: Any) -> None:
        """A request that the proxy answered itself, before a rule took it."""
        if self.enabled:
            self._add(
                {
                    "event": "request",
                    "time": timestamp(time.time()),
                    **what,
                    "rule": None,
                    "service": None,
                    "attempts": [],
                },
                None,
            )

    def bug(self, where: str) -> None:
        """An error of the proxy's own, with its traceback."""
        self._log.exception("bug", where=where)

    def _add(self, record: dict[str, Any], kept: Kept | None, unusual: bool = True) -> None:
        record.update(self._form.fields)
        line = self._form.line(record)
        as_json = line if self._form.is_json else orjson.dumps(record)
        self._write_out(line, (as_json, kept), unusual)

    def _write_out(self, line: bytes, recent: Recent, unusual: bool) -> None:
        self._lines.append(line)
        self._recent.append(recent)
        if unusual:
            self._unusual.append(recent)
        if len(self._lines) >= FLUSH_LINES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)

    def recent_records(self, snapshot: Snapshot, *, unusual: bool = False) -> list[Any]:
        """The newest first, each with why it went where it went (`core.routing.decision_trace`).
        `snapshot`: the rules in force. `unusual`: only those that were not served at the first
        attempt, which many others would soon push out."""
        return [
            explained(recent, snapshot)
            for recent in reversed(self._unusual if unusual else self._recent)
        ]

    def flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            try:
                self._write(b"".join(lines))
            except (OSError, ValueError):
                pass  # nobody reads stdout any more: serving goes on


def explained(recent: Recent, snapshot: Snapshot) -> dict[str, Any]:
    """A line of the log, with why its request went where it went."""
    line, kept = recent
    record: dict[str, Any] = orjson.loads(line)
    if kept is not None:
        plan, scenario, wall = kept
        record["why"] = decision_trace(
            plan, record["attempts"], snapshot, model=record["model"], scenario=scenario, wall=wall
        )
    return record
