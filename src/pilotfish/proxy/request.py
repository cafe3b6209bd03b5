"""One request from the first byte to the last: obeys `core.routing.dispatch`, and is the only one
who writes to the client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pilotfish.core.exchange.answer import STREAM
from pilotfish.core.exchange.calls import may_run_twice
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.model.service import Service
from pilotfish.core.routing.attempt_state import NO_SERVICE, RATE_LIMITED
from pilotfish.core.routing.commands import (
    BreakStream,
    Cancel,
    Command,
    Detach,
    Done,
    Relay,
    ReplyFailure,
    StartAttempt,
    WakeAt,
)
from pilotfish.core.routing.dispatch import Dispatch
from pilotfish.core.routing.last_words import last_words
from pilotfish.core.routing.patience import THINKING_FACTOR
from pilotfish.core.routing.plan import Plan
from pilotfish.core.state.candidate import ServiceState
from pilotfish.core.state.health import ERRORS
from pilotfish.core.state.ledger import HealthChange, Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.http1.exchange import Exchange
from pilotfish.proxy.attempt import Attempt
from pilotfish.proxy.client import ProviderClient
from pilotfish.proxy.client_answer import ClientAnswer
from pilotfish.proxy.failures import STALE
from pilotfish.proxy.in_flight import InFlight
from pilotfish.proxy.translation import Translation
from pilotfish.proxy.unseen_trial import UnseenTrial
from pilotfish.telemetry.record import AttemptRecord, RequestRecord
from pilotfish.telemetry.reporter import Reporter

INTERNAL_ERROR = "an error inside the proxy; its log has more"
_clock = time.monotonic


class Backend(NamedTuple):
    """What all requests under the same rules share."""

    ledger: Ledger
    budgets: Budgets
    clients: Mapping[str, ProviderClient]  # by the provider's name
    in_flight: InFlight
    reporter: Reporter
    health_changed: asyncio.Event


class ProxyRequest:
    """`record` holds what is known of it; `over` once the client has its answer or has left."""

    __slots__ = (
        "_answer",
        "_attempts",
        "_backend",
        "_counted",
        "_deadline",
        "_dispatch",
        "_inbound",
        "_is_obeying",
        "_pending",
        "_plan",
        "_refused_prefill",
        "_timer",
        "_trace",
        "_translation",
        "over",
        "record",
    )

    def __init__(
        self,
        backend: Backend,
        exchange: Exchange,
        inbound: Inbound,
        plan: Plan,
        record: RequestRecord,
    ) -> None:
        self._backend, self._inbound = backend, inbound
        self._plan, self.record = plan, record
        self._translation = Translation(inbound, plan.rule, record.started_wall)
        self._answer = ClientAnswer(
            exchange, inbound, self._translation, record, plan.rule_state.named
        )
        self._trace = backend.reporter.begin(record, inbound)
        self._deadline = record.started + plan.rule.timeouts.total_s
        self._attempts: list[Attempt] = []
        self._refused_prefill: list[ServiceState] = []
        self._counted: list[ServiceState] = []  # against which this request counts already
        self._dispatch: Dispatch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_obeying = False
        self._pending: list[tuple[Iterable[Command], float]] = []
        self.over = False
        exchange.responder = self

    def begin(self, now: float) -> None:
        plan = self._plan
        state = plan.rule_state
        candidate = plan.next(now) if state.is_straight and self._dispatch is None else None
        if candidate is None or plan.ledger.on_trial(candidate.state, now):
            self._obey(self._dispatched().begin(now, candidate), now)
        else:
            state.count_request(now)
            self._obey((StartAttempt(0, candidate),), now)
        self.record.busy_s += _clock() - self.record.started

    # ---- the machine

    def _dispatched(self) -> Dispatch:
        """The machine that decides. Most requests are served by their first attempt before there
        is anything to decide, and never need it."""
        dispatch = self._dispatch
        if dispatch is None:
            dispatch = self._dispatch = Dispatch(
                self._plan,
                deadline=self._deadline,
                streams=self._inbound.stream,
                may_double=may_run_twice(self._inbound),
                thinking=self._inbound.thinking,
            )
            if self._attempts:
                first = self._attempts[0]
                dispatch.catch_up(
                    first.candidate, first.record.began, relayed=self._answer.relayed is not None
                )
        return dispatch

    # ---- obeying

    def _obey(self, commands: Iterable[Command], now: float) -> None:
        """In order, each whole before the next: what an attempt reports at once, while it is being
        started, waits its turn."""
        if not commands:
            return
        if self._is_obeying:
            self._pending.append((commands, now))
            return
        self._is_obeying = True
        try:
            self._obey_each(commands, now)
            while self._pending:
                later, at = self._pending.pop(0)
                self._obey_each(later, at)
        finally:
            self._is_obeying = False

    def _obey_each(self, commands: Iterable[Command], now: float) -> None:
        for command in commands:
            if isinstance(command, StartAttempt):
                self._start(command, now)
            elif isinstance(command, Relay):
                self._answer.relay(self._attempts[command.n], now)
            elif isinstance(command, Done):
                attempt = self._attempts[command.n]
                self._answer.finish(attempt)
                self._finish(attempt.record.failure)  # none, or that it declined to answer
            elif isinstance(command, Cancel):
                attempt = self._attempts[command.n]
                if not attempt.over:
                    attempt.cancel(command.outcome, now, silent=command.silent)
                    self._report(attempt)
            elif isinstance(command, Detach):
                self._detach(self._attempts[command.n], now)
            elif isinstance(command, WakeAt):
                self._wake_at(command.at, now)
            elif isinstance(command, ReplyFailure):
                failure = command.failure
                if failure is NO_SERVICE or failure is RATE_LIMITED:
                    failure = last_words(failure, self._plan, now, time.time())
                self._reply_failure(failure, command.retry_after_s)
            elif isinstance(command, BreakStream):
                self._answer.break_stream(command.failure)
                self._finish(command.failure)

    def _start(self, command: StartAttempt, now: float) -> None:
        candidate, backend = command.candidate, self._backend
        service = candidate.service
        resumes, last = command.resumes, command.last_resort
        record = AttemptRecord(
            command.n, service, now, last_resort=last, resumes=resumes, extra=command.extra
        )
        self.record.attempts.append(record)
        attempt = Attempt(
            record,
            candidate,
            inbound=self._inbound,
            rule=self._plan.rule,
            request=self.record,
            client=backend.clients[service.provider.name],
            translation=self._translation,
            ledger=backend.ledger,
            budgets=backend.budgets,
            listener=self,
            drain_upstream=backend.in_flight.drain_upstream,
            prefill=command.resumes
            and service.quirks.prefill
            and candidate.state not in self._refused_prefill,
            counted=candidate.state in self._counted,
            # What one kept connection was lost to may have befallen all of them, and one whose stream
            # just broke may be closing.
            fresh=command.resumes or (bool(self._attempts) and self._lost_connection(service)),
            trace_headers=[] if self._trace is None else self._trace.headers(record),
        )
        self._attempts.append(attempt)
        attempt.start(now)

    def _lost_connection(self, service: Service) -> bool:
        """Whether an attempt at this service has lost the connection it went on."""
        return any(
            a.record.outcome is Outcome.CONNECT_FAILED and a.service is service
            for a in self._attempts
        )

    def _wake_at(self, at: float, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - now), self._wake)

    def _wake(self) -> None:
        self._timer = None
        if not self.over:
            now = _clock()
            self._obey(self._dispatched().on_timer(now), now)

    # ---- what attempts report

    def on_data(self, data: bytes, now: float) -> None:
        self._answer.write(data, now)

    def on_first_token(self, attempt: Attempt, now: float) -> None:
        if self._dispatch is None:
            self._answer.relay(attempt, now)
        else:
            self._obey(self._dispatch.on_first_token(attempt.record.n, now), now)

    def on_complete(self, attempt: Attempt, now: float) -> None:
        self._report(attempt)
        if self._dispatch is None:
            if self._answer.relayed is None:
                self._answer.relay(attempt, now)
            self._answer.finish(attempt)
            self._finish(attempt.record.failure)
        else:
            quality = self._quality(attempt)
            self._obey(self._dispatch.on_complete(attempt.record.n, now, quality=quality), now)

    def _quality(self, attempt: Attempt) -> float:
        """What a complete answer is worth, where a race for quality is undecided."""
        race = self._plan.rule.race
        if race is None or race.strategy != "quality" or attempt.record.relayed:
            return 0.0
        reader = attempt.reader
        streamed = reader.answer.mode == STREAM
        body = b"".join(reader.hold) if streamed else reader.body
        return self._translation.quality(body, streamed=streamed)

    def on_failure(self, attempt: Attempt, failure: Failure, now: float) -> None:
        self._report(attempt)
        broke = failure.outcome is Outcome.BROKEN_STREAM
        refuses_prefill = attempt.prefilled and failure.outcome is Outcome.BAD_REQUEST
        if refuses_prefill:
            self._refused_prefill.append(attempt.candidate.state)
        commands = self._dispatched().on_failure(
            attempt.record.n,
            failure,
            now,
            resumable=broke and self._translation.can_be_resumed(attempt.reader.stream),
            other_way=refuses_prefill,
            resend=failure.code == STALE and failure.local,
        )
        self._obey(commands, now)

    def _report(self, attempt: Attempt) -> None:
        failure = attempt.record.failure
        if failure is not None and failure.outcome in ERRORS:
            self._counted.append(attempt.candidate.state)
        self._backend.reporter.attempt_over(attempt.record, self.record, self._trace)
        if attempt.changes:
            self._tell_health(attempt.changes)

    def _tell_health(self, changes: list[HealthChange]) -> None:
        self._backend.reporter.health_changed(changes)
        self._backend.health_changed.set()

    def _detach(self, attempt: Attempt, now: float) -> None:
        """The client sees nothing more of this trial. In its records it has lost; its service hears
        later how it went on."""
        record, in_flight = attempt.record, self._backend.in_flight
        record.outcome, record.over_at = Outcome.LOST_RACE, now
        self._backend.reporter.attempt_over(record, self.record, self._trace)

        def over(trial: UnseenTrial, changes: list[HealthChange]) -> None:
            in_flight.forget(trial)
            if changes:
                self._tell_health(changes)

        factor = THINKING_FACTOR if self._inbound.thinking or attempt.service.thinks else 1.0
        deadline = record.began + self._plan.rule.timeouts.first_token_s * factor
        in_flight.watch(UnseenTrial(attempt, deadline, over))

    # ---- the end

    def _reply_failure(self, failure: Failure, retry_after_s: float | None) -> None:
        last = self._attempts[-1] if self._attempts else None
        self._answer.reply_failure(failure, retry_after_s, last)
        self._finish(failure)

    def _finish(self, failure: Failure | None) -> None:
        if self.over:
            return
        self.over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        record, dispatch = self.record, self._dispatch
        record.finished_at, record.failure = _clock(), failure
        if dispatch is not None:
            record.retries, record.fallbacks = dispatch.retries, dispatch.fallbacks
            record.hedges, record.resumes = dispatch.hedges, dispatch.resumes
            record.rivals = dispatch.rivals
            record.last_resort = dispatch.last_resort
        self._backend.in_flight.remove(self)
        self._backend.reporter.request_over(record, self._trace)
        # Attempts refer to their request, and it to them: a ring that only the garbage collector
        # would find.
        self._attempts = []
        self._answer.relayed = None

    # ---- what the client does

    def on_client_disconnect(self) -> None:
        if self.over:
            return
        now = _clock()
        # As access logs have it since nginx: closed by the client.
        self.record.code = self.record.code or 499
        self._obey(self._dispatched().on_client_disconnect(now), now)
        self._finish(Failure(outcome=Outcome.CLIENT_GONE, status=499, message="the client left"))

    def pause(self) -> None:
        self._answer.pause()

    def resume(self) -> None:
        self._answer.resume()

    # ---- errors of the proxy's own

    def fail_internal(self) -> None:
        """Called while an unexpected exception is handled: what still runs is given up, and the
        client is told as far as it still can be. Never raises."""
        self._backend.reporter.bug("request")
        if self.over:
            return
        now = _clock()
        try:
            self._pending.clear()
            self._obey(self._dispatched().on_client_disconnect(now), now)
            failure = Failure(
                outcome=Outcome.SERVER_ERROR,
                status=500,
                code="internal_error",
                message=INTERNAL_ERROR,
            )
            self._reply_failure(failure, None)
        except Exception:
            self._backend.reporter.bug("request")
            self._answer.abort()
            self._backend.in_flight.remove(self)

    # ---- a few times a second

    def tick(self, now: float) -> None:
        if self.over:
            return
        if now >= self._deadline:
            self._obey(self._dispatched().on_deadline(now), now)
            return
        for attempt in self._attempts:
            if not attempt.over:
                attempt.reader.tick(now)
        if not self.over and self._attempts and self._answer.relayed is None:
            dispatch = self._dispatched()
            if now >= dispatch.look_at:
                self._obey(dispatch.on_tick(now), now)
        if not self.over:
            self._answer.keep_alive(now)
