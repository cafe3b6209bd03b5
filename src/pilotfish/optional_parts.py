"""Parts of the proxy that only some installations have. Each is imported where the settings ask for
it: whoever does not pays nothing for it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.state.holders import Holders
from pilotfish.core.state.ledger import Ledger, all_rules
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.core.state.spending import Spending
from pilotfish.errors import StartError
from pilotfish.proxy.engine import SharedLimits
from pilotfish.telemetry.registry import Registry
from pilotfish.telemetry.reporter import Tracer

SAVE_EVERY_S = 30.0  # wins and losses of races


class ClosableTracer(Tracer, Protocol):
    def close(self) -> None:
        """Sends what is left; blocks meanwhile."""
        ...


class Pusher(Protocol):
    """Sends metrics somewhere (`telemetry.otlp_metrics`)."""

    async def run(self) -> None:
        """Sends them now and then until it is cancelled."""
        ...

    async def close(self) -> None:
        """Sends them a last time."""
        ...


class LimitsInCommon(SharedLimits, Protocol):
    async def run(self) -> None:
        """Exchanges with the other proxies until it is cancelled."""
        ...


class StatisticsKeeper(Protocol):
    """What outlives the process (`shared.state_file`, `shared.held_file`)."""

    def restore(self) -> int: ...
    def save(self) -> bool: ...
    async def run(self) -> None:
        """Saves now and then until it is cancelled."""
        ...


class RaceFilesOnDemand:
    """The files of `performance_file` (`shared.race_files`), once rules name one."""

    def __init__(self, folder: str, history: RaceHistory) -> None:
        self._folder, self._history = folder, history
        self._files: RaceHistoryFiles | None = None

    def adopt(self, snapshot: Snapshot) -> None:
        named = any(r.race is not None and r.race.performance_file for r in all_rules(snapshot))
        if self._files is None and named:
            from pilotfish.shared.race_files import RaceFiles

            folder = Path(self._folder) if self._folder else None
            self._files = RaceFiles(folder, self._history)
        if self._files is not None:
            self._files.adopt(snapshot)

    def save(self) -> bool:
        return self._files is None or self._files.save()

    async def run(self) -> None:
        """Saves now and then until it is cancelled."""
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            if self._files is not None:
                await self._files.save_beside()


class RaceHistoryFiles(Protocol):
    def adopt(self, snapshot: Snapshot) -> None: ...
    def save(self) -> bool: ...
    async def save_beside(self) -> None:
        """As `save`; the disk is waited for in a thread."""
        ...


def tracer_to(endpoint: str) -> ClosableTracer | None:
    """Traces by OTLP. Raises StartError for an endpoint that is none, or without OpenTelemetry."""
    if not endpoint:
        return None
    _expect_url("PILOTFISH_OTLP_ENDPOINT", endpoint)
    try:
        from pilotfish.telemetry.traces import SpanTracer
    except ImportError:
        raise StartError(_WITHOUT.format("PILOTFISH_OTLP_ENDPOINT")) from None
    return SpanTracer(endpoint)


def metrics_to(endpoint: str, traces: str, registry: Registry) -> Pusher | None:
    """Metrics by OTLP. `traces`: where traces are sent, for an endpoint that is `true`. Raises
    StartError as `tracer_to`.
    """
    if not endpoint or endpoint.lower() == "false":
        return None
    if endpoint.lower() == "true":
        if not traces:
            raise StartError("PILOTFISH_OTLP_METRICS is true, but PILOTFISH_OTLP_ENDPOINT is empty")
        endpoint = traces.removesuffix("/v1/traces")
    _expect_url("PILOTFISH_OTLP_METRICS", endpoint)
    try:
        from pilotfish.telemetry.otlp_metrics import MetricsPusher
    except ImportError:
        raise StartError(_WITHOUT.format("PILOTFISH_OTLP_METRICS")) from None
    return MetricsPusher(registry, endpoint)


_WITHOUT = "{} is set, but OpenTelemetry is not installed: pip install 'pilotfish[otlp]'"


def _expect_url(setting: str, endpoint: str) -> None:
    if not endpoint.startswith(("http://", "https://")):
        found = endpoint.rpartition("@")[2]
        raise StartError(f"{setting}: expected http:// or https://, found {found!r}")


def limits_in_common(redis_url: str, ledger: Ledger, budgets: Budgets) -> LimitsInCommon | None:
    """Limits and cooldowns shared with other proxies."""
    if not redis_url:
        return None
    from pilotfish.shared.redis_limits import SharedState

    return SharedState(redis_url, ledger, budgets)


def held_ids_keeper(folder: str, holders: Holders) -> StatisticsKeeper | None:
    """Who holds what vendors keep, over restarts."""
    if not folder:
        return None
    from pilotfish.shared.held_file import HeldIdsFile

    return HeldIdsFile(Path(folder), holders)


def statistics_keeper(
    folder: str, ledger: Ledger, history: RaceHistory, spending: Spending | None = None
) -> StatisticsKeeper | None:
    """`spending`: kept too; None: it is not."""
    if not folder:
        return None
    from pilotfish.shared.state_file import StateKeeper

    return StateKeeper(Path(folder), ledger, history, spending)
