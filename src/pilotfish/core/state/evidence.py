"""What of an attempt's end counts against its service."""

from __future__ import annotations

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.state.health import AT_ONCE, ERRORS

# Why a service goes out that had nothing to show when another one answered, or its client left.
SILENT = Failure(
    outcome=Outcome.TIMEOUT, status=0, message="nothing came within its patience", code="timeout"
)


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
