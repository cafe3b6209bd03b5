"""Parts of the proxy that only some installations have. Each is imported where the settings ask for
it: whoever does not pays nothing for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.errors import StartError
from pilotfish.proxy.engine import SharedLimits
from pilotfish.telemetry.reporter import Tracer


class ClosableTracer(Tracer, Protocol):
    def close(self) -> None:
        """Sends what is left; blocks meanwhile."""
        ...


class LimitsInCommon(SharedLimits, Protocol):
    async def run(self) -> None:
        """Exchanges with the other proxies until it is cancelled."""
        ...


class StatisticsKeeper(Protocol):
    """Statistics that outlive the process (`shared.state_file`)."""

    def restore(self) -> int: ...
    def save(self) -> bool: ...
    async def run(self) -> None:
        """Saves now and then until it is cancelled."""
        ...


def tracer_to(endpoint: str) -> ClosableTracer | None:
    """Traces by OTLP. Raises StartError for an endpoint that is none, or without OpenTelemetry."""
    if not endpoint:
        return None
    if not endpoint.startswith(("http://", "https://")):
        found = endpoint.rpartition("@")[2]
        raise StartError(f"PILOTFISH_OTLP_ENDPOINT: expected http:// or https://, found {found!r}")
    try:
        from pilotfish.telemetry.traces import SpanTracer
    except ImportError:
        raise StartError(
            "PILOTFISH_OTLP_ENDPOINT is set, but OpenTelemetry is not installed:"
            " pip install 'pilotfish[otlp]'"
        ) from None
    return SpanTracer(endpoint)


def limits_in_common(redis_url: str, ledger: Ledger, budgets: Budgets) -> LimitsInCommon | None:
    """Limits and cooldowns shared with other proxies."""
    if not redis_url:
        return None
    from pilotfish.shared.redis_limits import SharedState

    return SharedState(redis_url, ledger, budgets)


def statistics_keeper(folder: str, ledger: Ledger, history: RaceHistory) -> StatisticsKeeper | None:
    if not folder:
        return None
    from pilotfish.shared.state_file import StateKeeper

    return StateKeeper(Path(folder), ledger, history)
