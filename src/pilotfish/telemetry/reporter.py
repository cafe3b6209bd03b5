"""Where requests report to: metrics, access log and traces, each given the plain record of what is
over."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Protocol

from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.state.ledger import HealthChange
from pilotfish.core.state.spending import Spent
from pilotfish.telemetry.access_log import AccessLog
from pilotfish.telemetry.budgets import log_budgets
from pilotfish.telemetry.health_log import log_health_change
from pilotfish.telemetry.history import TrafficHistory
from pilotfish.telemetry.passed_record import PassedRecord
from pilotfish.telemetry.record import AttemptRecord, RequestRecord
from pilotfish.telemetry.recorder import MetricsRecorder
from pilotfish.telemetry.traceparent import trace_id_of


class RequestTrace(Protocol):
    """The trace of one request (`telemetry.traces`); `trace_id` in 32 hexadecimal digits."""

    trace_id: str

    def headers(self, attempt: AttemptRecord) -> list[bytes]:
        """What the attempt's call carries, as lines of its head."""
        ...

    def attempt_over(self, attempt: AttemptRecord) -> None: ...
    def over(self) -> None: ...


class Tracer(Protocol):
    def begin(self, record: RequestRecord, inbound: Inbound) -> RequestTrace: ...


class Reporter:
    """`tracer` is None where nobody asked for traces. `history` is what the status page draws."""

    def __init__(
        self, recorder: MetricsRecorder, access_log: AccessLog, tracer: Tracer | None = None
    ) -> None:
        self.recorder, self.access_log, self._tracer = recorder, access_log, tracer
        self.history = TrafficHistory()

    def begin(self, record: RequestRecord, inbound: Inbound) -> RequestTrace | None:
        """A request begins. Its trace, where it has one, puts its own `traceparent` in the place
        of the client's."""
        trace = None if self._tracer is None else self._tracer.begin(record, inbound)
        if self.recorder.keeps_exemplars:
            record.trace_id = trace_id_of(inbound) if trace is None else trace.trace_id
        return trace

    def attempt_over(
        self, attempt: AttemptRecord, request: RequestRecord, trace: RequestTrace | None
    ) -> None:
        self.recorder.attempt_over(attempt, request)
        if trace is not None:
            trace.attempt_over(attempt)

    def health_changed(self, changes: Sequence[HealthChange]) -> None:
        """Services and credentials that went out or came back: one log line each."""
        for change in changes:
            log_health_change(change)

    def budgets_changed(self, news: Sequence[Spent], now: float) -> None:
        """Budgets of a day that were spent, or have room again: one log line each."""
        log_budgets(news, now)

    def request_over(self, request: RequestRecord, trace: RequestTrace | None) -> None:
        """The client has its answer, or has left."""
        self.recorder.request_over(request)
        self.history.observe(request)
        if trace is not None:
            trace.over()
        self.access_log.request(request)

    def session_over(self, request: RequestRecord, trace: RequestTrace | None) -> None:
        """A WebSocket session has ended, or did not begin."""
        self.recorder.session_over(request)
        self.history.observe(request)
        if trace is not None:
            trace.over()
        self.access_log.request(request)

    def passed(self, record: PassedRecord) -> None:
        """A request that was passed on is over."""
        self.recorder.passed(record.provider, record.family, record.style, record.code)
        self.access_log.passed(record)

    def local_reply(
        self, *, request_id: str, rule: str, style: str, path: str, code: int, reason: str
    ) -> None:
        """A request that the proxy answered by itself. `rule` is empty where none took it."""
        self.recorder.local_reply(rule, style, code)
        self.history.local_reply(code, monotonic())
        self.access_log.local_reply(
            request_id=request_id, style=style, path=path, code=code, reason=reason
        )

    def bug(self, where: str) -> None:
        """An error of the proxy's own, while it is handled: logged with its traceback."""
        self.access_log.bug(where)
