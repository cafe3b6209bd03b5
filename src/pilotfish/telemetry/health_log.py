"""The log lines of services and credentials that go out and come back."""

from __future__ import annotations

import time

import structlog

from pilotfish.core.routing.explain import rfc3339
from pilotfish.core.state.ledger import BACK, REFUSED, HealthChange

log = structlog.get_logger(__name__)


def log_health_change(change: HealthChange) -> None:
    """`service_out` says why, by which step and until when; `service_back` for how long it was out;
    `credential_refused` which credential, never its value."""
    service, health = change.service, change.health
    if change.kind == BACK:
        log.info("service_back", service=service.id, out_s=round(change.seconds, 3))
        return
    until = rfc3339(time.time() + change.seconds)
    if change.kind == REFUSED:
        log.error(
            "credential_refused",
            provider=service.provider.name,
            credential=change.key,
            status=change.failure.status if change.failure is not None else None,
            service=service.id,
            until=until,
        )
        return
    log.warning(
        "service_out",
        service=service.id,
        outcome=str(health.outcome),
        reason=health.reason,
        step=health.step,
        until=until,
    )
