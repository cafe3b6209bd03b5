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
from pilotfish.core.model.service import Service
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.routing.router import Router
from pilotfish.core.state.candidate import ServiceState
from pilotfish.core.state.ledger import BACK, HealthChange, all_rules, services_of

log = structlog.get_logger(__name__)

IDLE_S = 3600.0

# Probes a service by listing its provider's models (`models`) or by one token of its own (`chat`).
# None where it has no such call.
ProbeService = Callable[[Service, str], Awaitable[Outcome | None]]
# What a probe may say: "not yet". Anything else permits a trial, and proves nothing.
NOT_YET = frozenset(
    {Outcome.CONNECT_FAILED, Outcome.SERVER_ERROR, Outcome.OVERLOADED, Outcome.TIMEOUT}
)
PROBE_S = 2.0


class Prober:
    """`health_changed` is set whenever a service goes out or comes back; which are due follows from
    the ledger.
    """

    def __init__(
        self,
        router: Router,
        probe_service: ProbeService,
        health_changed: asyncio.Event,
        report: Callable[[list[HealthChange]], None],
    ) -> None:
        self._router, self._probe_service = router, probe_service
        self._health_changed, self._report = health_changed, report
        self._probed: dict[tuple[str, str], float] = {}
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def run(self) -> None:
        try:
            while True:
                self._health_changed.clear()
                now = time.monotonic()
                self._start_due(now)
                at = self._router.ledger.next_due(now)
                try:
                    async with asyncio.timeout(IDLE_S if at is None else max(at - now, 0.05)):
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
        self._probed = {key: until for key, until in self._probed.items() if key in due}
        if not due:
            return
        for rule in (*all_rules(router.snapshot), *router.made_rules()):
            for service in services_of(rule):
                key = (service.provider.name, service.model)
                state = router.ledger.services.get(key)
                if key not in due or key in self._running or state is None:
                    continue
                if rule.health.probe == "none" or self._probed.get(key) == state.health.until:
                    continue  # each cooldown is probed once, and a trial does not wait for it
                self._probed[key] = state.health.until
                task = asyncio.get_running_loop().create_task(self._probe(rule, service, state))
                self._running[key] = task
                task.add_done_callback(partial(self._forget, key))

    def _forget(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        self._running.pop(key, None)

    async def _probe(self, rule: Rule, service: Service, state: ServiceState) -> None:
        mode, until = rule.health.probe, state.health.until
        try:
            async with asyncio.timeout(PROBE_S):
                outcome = await self._probe_service(service, mode)
        except TimeoutError:
            outcome = Outcome.TIMEOUT
        now = time.monotonic()
        state.last_probe = (now, str(outcome) if outcome is not None else "unsupported")
        if state.health.until != until:
            return  # a request has found out meanwhile
        if outcome in NOT_YET:
            if state.health.prolong(now, rule.health, rule.cooldown):
                self._health_changed.set()
        elif mode == "chat" and outcome is Outcome.SERVED:
            since = state.health.since
            state.health.come_back(now)
            self._report([HealthChange(BACK, service, state.health, None, now - since)])
        log.info(
            "probe",
            service=service.id,
            mode=mode,
            outcome=state.last_probe[1],
            state=state.health.state(now),
        )
