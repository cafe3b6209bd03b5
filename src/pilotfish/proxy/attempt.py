"""One try at one service: sends the call, lets its answer be read, accounts for it, and reports
what became of it, exactly once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from pilotfish.core.exchange.answer import TEXT_OPS
from pilotfish.core.exchange.inbound import Inbound, shown
from pilotfish.core.exchange.usage import cost_of, final_usage
from pilotfish.core.model.outcome import NO_CREDENTIAL, Failure, Outcome
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.routing.passing import holder_of
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.evidence import SILENT, AttemptResult, Timings, Trials, evidence_of
from pilotfish.core.state.ledger import HealthChange, Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.credentials.keys import CredentialError
from pilotfish.errors import ClientError
from pilotfish.http1.pending import PendingRequest
from pilotfish.proxy.answer_reader import AnswerReader
from pilotfish.proxy.client import ProviderClient
from pilotfish.proxy.failures import failure_of_ours
from pilotfish.proxy.translation import Translation
from pilotfish.proxy.upstream_call import UpstreamCall
from pilotfish.telemetry.record import AttemptRecord, RequestRecord

_clock = time.monotonic


class AttemptListener(Protocol):
    """Who made an attempt, and hears how it goes. After `on_complete` or `on_failure` nothing more
    is heard; after `Attempt.cancel` neither of them is."""

    def on_data(self, data: bytes, now: float) -> None:
        """Bytes for the client, from the attempt that is relayed."""
        ...

    def on_first_token(self, attempt: Attempt, now: float) -> None: ...
    def on_complete(self, attempt: Attempt, now: float) -> None: ...
    def on_failure(self, attempt: Attempt, failure: Failure, now: float) -> None: ...


class Attempt:
    """`record` holds what is known of it, `reader` the answer as far as it is here. `prefilled`:
    it goes on from an assistant turn that is put before its answer. `over` once the outcome is
    known; `changes` are the healths that it changed. `counted`: whether an earlier attempt of the
    same request has counted against its service already.
    """

    __slots__ = (
        "_awaited",
        "_budgets",
        "_drain_upstream",
        "_ledger",
        "_listener",
        "_request",
        "_rule",
        "_streams",
        "_tokens",
        "_translation",
        "_trials",
        "call",
        "candidate",
        "changes",
        "counted",
        "over",
        "prefilled",
        "reader",
        "record",
        "service",
    )

    def __init__(
        self,
        record: AttemptRecord,
        candidate: Candidate,
        *,
        inbound: Inbound,
        rule: Rule,
        request: RequestRecord,
        client: ProviderClient,
        translation: Translation,
        ledger: Ledger,
        budgets: Budgets,
        listener: AttemptListener,
        drain_upstream: Callable[[PendingRequest, float], None],
        prefill: bool,
        counted: bool,
        trace_headers: list[bytes],
        fresh: bool = False,
    ) -> None:
        self.record, self.candidate, self.service = record, candidate, candidate.service
        self._rule, self._request, self._translation = rule, request, translation
        self._ledger, self._budgets = ledger, budgets
        self._listener, self._drain_upstream = listener, drain_upstream
        self._tokens = inbound.tokens
        self._awaited = self._streams = inbound.stream
        self.prefilled = prefill
        self.over, self.counted = False, counted
        self.changes: list[HealthChange] = []
        self._trials: Trials = ()
        self.call = UpstreamCall(
            client,
            candidate.service,
            inbound,
            connect_s=rule.timeouts.connect_s,
            trace_headers=trace_headers,
            fresh=fresh,
        )
        self.reader = AnswerReader(
            record,
            candidate,
            inbound=inbound,
            rule=rule,
            request=request,
            call=self.call,
            translation=translation,
            owner=self,
        )

    def start(self, now: float) -> None:
        # An attempt that must fail at once still begins, so that it is accounted like every other.
        call = self.call
        call.key = self._request.plan.key_for(self.candidate, now)
        trials = self._ledger.begin(
            self.candidate, call.key, self._tokens, now, streams=self._awaited
        )
        # As the last resort it is no trial: its failure neither escalates nor prolongs.
        if self.record.last_resort:
            for health in trials:
                health.end_trial()
        else:
            self._trials, self.record.trial = trials, bool(trials)
        self._budgets.take(self.candidate, self._tokens, now)
        try:
            body = call.prepare(
                self._translation, resumes=self.record.resumes, prefill=self.prefilled
            )
            if body.dropped:
                self._request.note_dropped(body.dropped)
                if self._rule.unsupported == "reject":
                    message = f"{self.service.id} cannot carry {', '.join(body.dropped)}"
                    raise ClientError(400, "unsupported", message)
        except ClientError as e:
            self.on_failed(failure_of_ours(Outcome.BAD_REQUEST, e.message, e.status, e.code), now)
            return
        call.send(self.reader, self._no_credential)

    def _no_credential(self, error: CredentialError) -> None:
        message = f"no usable credential for {self.service.provider.name}: {error}"
        self.on_failed(failure_of_ours(error.outcome, message, 502, NO_CREDENTIAL), _clock())

    # ---- what the reader reports

    def on_data(self, data: bytes, now: float) -> None:
        self._listener.on_data(data, now)

    def on_first_content(self, now: float) -> None:
        if self._awaited:
            self._awaited = False
            trials = self._trials
            if not trials and self.record.last_resort:
                trials = (self.candidate.state.health,)
            self.changes += self._ledger.on_first_token(
                self.candidate, self.record.began, now, trials
            )

    def on_first_token(self, now: float) -> None:
        self._listener.on_first_token(self, now)

    def on_kept(self, response_id: str) -> None:
        holder = holder_of(self.service.provider, self.call.key)
        self._ledger.holders.note((response_id,), holder)

    def sends_again(self) -> bool:
        if not self.call.renews_credential():
            return False
        self.call.send(self.reader, self._no_credential)
        return True

    def on_served(self, now: float) -> None:
        if not self.over:
            # A guardrail's text may be known for one when the client has it already.
            self._close(Outcome.SERVED if self.record.failure is None else Outcome.REFUSED, now)
            self._listener.on_complete(self, now)

    def on_failed(self, failure: Failure, now: float) -> None:
        if not self.over:
            self.record.failure = failure
            self._close(failure.outcome, now)
            self._listener.on_failure(self, failure, now)

    # ---- the end, once

    def cancel(self, outcome: Outcome, now: float, *, silent: bool = False) -> None:
        """The request wants nothing more of it. `silent`: it had nothing to show for its whole
        patience, which counts against its service."""
        if self.over:
            return
        self.record.silent = silent
        if outcome is Outcome.TIMEOUT:
            message = "the request's time was over"
            self.record.failure = failure_of_ours(outcome, message, 504, "timeout")
        self._close(outcome, now)

    def detach(self, listener: AttemptListener) -> None:
        """The request wants nothing more of it, but it runs on for its service's sake; another
        listener hears of it from now on."""
        self._listener = listener

    def _close(self, outcome: Outcome, now: float) -> None:
        record = self.record
        self.over, record.over_at, record.outcome = True, now, outcome
        self.reader.end()
        pending = self.call.close()
        if pending is not None:
            if outcome in (Outcome.SERVED, Outcome.REFUSED):
                self._drain_upstream(pending, now)  # what is left is framing; it is worth keeping
            else:
                pending.cancel()
        self._account(record, outcome, now)

    def _account(self, record: AttemptRecord, outcome: Outcome, now: float) -> None:
        stream = self.reader.stream
        source = stream or self.reader.inspector
        usage = None
        if source is not None:
            whole = outcome in (Outcome.SERVED, Outcome.REFUSED)
            complete = whole or (stream is not None and stream.finished)
            usage = record.usage = final_usage(
                source.usage,
                source.chars,
                self._tokens,
                complete=complete,
                is_text=self.call.op in TEXT_OPS,
            )
            if source.finish_reason is not None:
                record.finish_reason = shown(source.finish_reason)
        if stream is not None:
            record.malformed = stream.malformed
        if usage is not None and usage.clamped:
            record.malformed += 1
        if usage is not None and self.service.price is not None:
            record.cost_usd = cost_of(usage, self.service.price)
        used = usage.input + usage.output if usage is not None else 0
        if used and not self._budgets.spending.is_empty:
            provider = self.service.provider.name
            self._budgets.spending.add(self._rule.name, provider, record.cost_usd, used, now)
        self._budgets.settle(self.candidate, self._tokens, used, now, record.began)
        began = record.sent_at or record.began
        if record.first_at:
            timings = Timings(now - began, record.first_at - began, record.speed())
        else:
            timings = Timings(now - began)
        result = AttemptResult(
            key=self.call.key,
            tokens=self._tokens,
            outcome=outcome,
            evidence=None if outcome is Outcome.SERVED else self._evidence(outcome),
            failure=record.failure or (SILENT if record.silent else None),
            usage=usage,
            timings=timings,
            cost_usd=record.cost_usd,
            began=record.began,
            streams=self._streams,
            awaited=self._awaited,
            silent_s=now - began if record.silent and outcome is Outcome.LOST_RACE else None,
            trials=self._trials,
        )
        self.changes += self._ledger.finish(self.candidate, self._rule, result, now)

    def _evidence(self, outcome: Outcome) -> Outcome | None:
        record = self.record
        return evidence_of(
            outcome,
            record.failure,
            silent=record.silent,
            counted=self.counted,
            last_resort=record.last_resort,
            trial=bool(self._trials),
        )
