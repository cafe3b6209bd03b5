"""Asks services whose cooldown is over whether they are well again: one cheap request in the
background, never two at a time for a service.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Provider, Service
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.routing.router import Router
from pilotfish.core.state.candidate import ServiceState
from pilotfish.core.state.ledger import all_rules, services_of

log = structlog.get_logger(__name__)

IDLE_S = 3600.0

# Probes a provider: its outcome, and how many seconds it asks to wait; (None, None) where only a
# real request can tell.
ProbeProvider = Callable[[Provider], Awaitable[tuple[Outcome | None, float | None]]]


class Prober:
    """`health_changed` is set whenever a service goes out or comes back; which are due follows from
    the ledger.
    """

    def __init__(
        self, router: Router, probe_provider: ProbeProvider, health_changed: asyncio.Event
    ) -> None:
        self._router, self._probe_provider = router, probe_provider
        self._health_changed = health_changed
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def run(self) -> None:
        try:
            while True:
                self._health_changed.clear()
                now = time.monotonic()
                self._start_due(now)
                at = self._router.ledger.next_due()
                # Those that are due and wait for a live request are looked at once a second.
                wait = IDLE_S if at is None else max(at - now, 0.05) if at > now else 1.0
                try:
                    async with asyncio.timeout(wait):
                        await self._health_changed.wait()
                except TimeoutError:
                    pass
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _start_due(self, now: float) -> None:
        router = self._router
        due = set(router.ledger.due(now))
        if not due:
            return
        for rule in all_rules(router.snapshot):
            for service in services_of(rule):
                key = (service.provider.name, service.model)
                if (
                    key not in due
                    or key in self._running
                    or not rule.health.probe_enabled
                    or service.provider.kind.probe is None
                ):
                    continue
                state = router.ledger.services.get(key)
                if state is None or state.probe_unsupported:
                    continue
                state.health.probe()
                task = asyncio.get_running_loop().create_task(self._probe(rule, service, state))
                self._running[key] = task
                task.add_done_callback(partial(self._forget, key))

    def _forget(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        self._running.pop(key, None)

    async def _probe(self, rule: Rule, service: Service, state: ServiceState) -> None:
        router = self._router
        began = time.monotonic()
        outcome, wait_s = await self._probe_provider(service.provider)
        now = time.monotonic()
        # A models list that is not found says nothing of a model: gateways before a vendor often
        # serve nothing but chats.
        if outcome is None or outcome is Outcome.NOT_FOUND:
            state.probe_unsupported = True
            state.health.abandon_probe()
        elif outcome is Outcome.SERVED:
            state.health.recover()
            for health in (*state.keys, *router.ledger.credentials.get(service.provider.name, [])):
                if health.is_due(now):
                    health.recover()
        else:
            state.health.failed(
                outcome,
                wait_s=wait_s,
                reason=f"probe: {outcome}",
                began=began,
                now=now,
                health=rule.health,
                cooldown=rule.cooldown,
            )
        log.info(
            "probe",
            service=service.id,
            outcome=str(outcome) if outcome else "unsupported",
            state=state.health.state,
        )
        self._health_changed.set()
