"""What became of an attempt, and what of it counts against its service."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.state.health import AT_ONCE, ERRORS, Health

# Why a service goes out that had nothing to show when another one answered, or its client left.
SILENT = Failure(
    outcome=Outcome.TIMEOUT, status=0, message="nothing came within its patience", code="timeout"
)


class Timings:
    """Measurements of one attempt. `latency_s`: seconds to its end. `ttft_s`: seconds to the first
    token, None if there was none. `speed`: output tokens per second, for streams only.
    """

    __slots__ = ("latency_s", "speed", "ttft_s")

    def __init__(
        self, latency_s: float, ttft_s: float | None = None, speed: float | None = None
    ) -> None:
        self.latency_s, self.ttft_s, self.speed = latency_s, ttft_s, speed


Trials: TypeAlias = tuple[Health, ...]


class AttemptResult(NamedTuple):
    """What became of one attempt, as the ledger takes it.

    `key`: index of the credential it used. `tokens`: the estimate given to `begin`. `evidence`:
    the outcome that counts against the service, None where nothing does. `usage`: tokens that the
    upstream reported, None if it reported none. `awaited`: a stream whose first token never came.
    `silent_s`: how long it was silent, where another one won after its whole patience.
    `trials`: what `begin` said that it tries.
    """

    key: int
    tokens: int
    outcome: Outcome
    evidence: Outcome | None
    failure: Failure | None
    usage: Usage | None
    timings: Timings
    cost_usd: float
    began: float
    streams: bool
    awaited: bool
    silent_s: float | None
    trials: Trials


def evidence_of(
    outcome: Outcome,
    failure: Failure | None,
    *,
    silent: bool,
    counted: bool,
    last_resort: bool,
    trial: bool,
) -> Outcome | None:
    """The outcome that counts against the service; None where nothing does.

    A request counts once against a service (`counted`: it has already), but each trial has its
    verdict. An attempt that was only made since all services were out (`last_resort`) neither
    escalates nor prolongs. `silent`: it had nothing to show for its whole patience.
    """
    if silent:
        outcome = Outcome.TIMEOUT
    elif failure is None or failure.local:
        return None  # nobody's fault, or this machine's own
    if outcome in AT_ONCE:
        return outcome
    if outcome not in ERRORS or last_resort or (counted and not trial):
        return None
    return outcome
