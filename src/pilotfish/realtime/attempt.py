"""One try at a session with one service: opened, accounted for, over."""

from __future__ import annotations

import time

import aiohttp

from pilotfish import styles
from pilotfish.core.exchange.inbound import Inbound, filter_request_headers
from pilotfish.core.exchange.redact import redact, secrets_in
from pilotfish.core.exchange.refusal import (
    CallFacts,
    in_our_words,
    read_error_answer,
    read_error_event,
)
from pilotfish.core.exchange.socket_events import reason_of
from pilotfish.core.exchange.sockets import socket_target
from pilotfish.core.exchange.usage import cost_of
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import NO_CREDENTIAL, Failure, Outcome
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.evidence import AttemptResult, Timings, evidence_of
from pilotfish.credentials.fetch import FetchError
from pilotfish.credentials.keys import CredentialError, Headers
from pilotfish.http1.origin import host_header
from pilotfish.proxy.failures import failure_of_ours, lost_here
from pilotfish.realtime.context import SocketContext
from pilotfish.realtime.upstream import HandshakeRefused, UpstreamSocket, open_socket
from pilotfish.telemetry.record import AttemptRecord, RequestRecord
from pilotfish.telemetry.reporter import RequestTrace

_clock = time.monotonic


class SocketFailed(Exception):
    """There is no session with this service."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class SocketAttempt:
    """`record` holds what is known of it, `upstream` the vendor's WebSocket once it is open. Tokens
    are counted as the vendor tells of them, in `turn`.
    """

    def __init__(
        self,
        shared: SocketContext,
        candidate: Candidate,
        record: AttemptRecord,
        inbound: Inbound,
        rule: Rule,
        *,
        last_resort: bool,
    ) -> None:
        self._shared, self.candidate, self.record = shared, candidate, record
        self._inbound, self._rule = inbound, rule
        self.service = candidate.service
        self._client = shared.client(self.service.provider.name)
        self._total: Usage | None = None
        self._sent: Headers = ()
        self._awaited, self._over = True, False
        self.upstream: UpstreamSocket | None = None
        now = record.began
        self.key = shared.ledger.key_for(candidate.state, now) or 0
        trials = shared.ledger.begin(candidate, self.key, inbound.tokens, now, streams=True)
        if last_resort:
            for health in trials:
                health.end_trial()
            trials = ()
        self._trials = trials
        record.trial = bool(trials)
        shared.budgets.take(candidate, inbound.tokens, now)

    async def open(self, model_in_query: str, query: str, protocols: list[str]) -> UpstreamSocket:
        """The vendor's WebSocket. Raises SocketFailed."""
        service, inbound, timeouts = self.service, self._inbound, self._rule.timeouts
        provider, client = service.provider, self._client
        origin = client.origin_of_key(self.key)
        target = socket_target(provider, inbound.op, model_in_query, query)
        secret = await self._secret(host_header(origin), target)
        passed = filter_request_headers(inbound.headers, True)
        headers = [*client.filled(passed, inbound.op), *client.fixed_headers, *secret]
        self.record.sent_at = _clock()
        try:
            opened = await open_socket(
                self._shared.connect,
                origin,
                target,
                headers,
                protocols,
                connect_s=timeouts.connect_s,
                answer_s=timeouts.first_token_s,
            )
        except HandshakeRefused as e:
            self.record.status = e.status
            raise SocketFailed(self._refused(e)) from None
        except FetchError as e:
            failure = lost_here(e.kind, str(e)) or failure_of_ours(Outcome.CONNECT_FAILED, str(e))
            raise SocketFailed(failure) from None
        except TimeoutError:
            message = f"no answer to the handshake within {timeouts.first_token_s:g} s"
            failure = failure_of_ours(Outcome.TIMEOUT, message, 504, "timeout")
            raise SocketFailed(failure) from None
        except (aiohttp.ClientError, OSError, ValueError) as e:
            message = f"the upstream's answer to the handshake is none ({type(e).__name__})"
            raise SocketFailed(failure_of_ours(Outcome.CONNECT_FAILED, message)) from None
        self.record.status, self.record.head_at = 101, _clock()
        self.upstream = opened
        return opened

    async def _secret(self, host: str, target: str) -> Headers:
        name = self.service.provider.name
        try:
            for _ in range(2):
                found = self._client.headers_for(self.key, "GET", host, target, b"")
                if found is not None:
                    self._sent = found
                    return found
                await self._client.keys[self.key].fetch()
        except CredentialError as e:
            message = f"no usable credential for {name}: {e}"
            failure = failure_of_ours(e.outcome, message, 502, NO_CREDENTIAL)
            raise SocketFailed(failure) from None
        message = f"no usable credential for {name}: it was lost as soon as it was there"
        raise SocketFailed(failure_of_ours(Outcome.AUTH_FAILED, message, 502, NO_CREDENTIAL))

    # ---- what the vendor says against it

    def _facts(self) -> CallFacts:
        provider = self.service.provider
        return CallFacts(
            provider.name,
            provider.kind,
            self.service.model,
            self._inbound.op,
            self._inbound.style,
            client_path=False,
            secrets=self._secrets,
        )

    @property
    def _secrets(self) -> list[bytes]:
        return secrets_in((*self._sent, *self._client.own_secrets))

    def _refused(self, refused: HandshakeRefused) -> Failure:
        facts, wall = self._facts(), time.time()
        failure = read_error_answer(
            facts, styles.get, refused.status, refused.headers, refused.body, wall
        )
        return in_our_words(facts, failure)

    def failure_of(self, error: ErrorInfo) -> Failure:
        """What an error in place of the vendor's first event means."""
        return read_error_event(self._facts(), error, 200, [], time.time())

    def without_keys(self, reason: str) -> bytes:
        """A close frame's reason, without the keys that it may quote."""
        return reason_of(redact(reason.encode(), self._secrets).decode("utf-8", "replace"))

    # ---- how it goes

    def spoken(self, now: float) -> None:
        """The vendor's first event: there is a session."""
        self.record.first_at = now
        self._awaited = False
        changes = self._shared.ledger.on_first_token(
            self.candidate, self.record.began, now, self._trials
        )
        self._shared.reporter.health_changed(changes)

    def turn(self, usage: Usage, request: RequestRecord, now: float) -> None:
        """The tokens of an answer within the session."""
        price = self.service.price
        cost_usd = cost_of(usage, price) if price is not None else 0.0
        used = usage.input + usage.output
        estimated = self._inbound.tokens if self._total is None else 0
        self._shared.budgets.settle(self.candidate, estimated, used, now, self.record.began)
        self._total = usage if self._total is None else self._total.plus(usage)
        self.record.cost_usd += cost_usd
        self._shared.reporter.recorder.turn(self.record, request, usage, cost_usd)

    def finish(
        self,
        outcome: Outcome,
        failure: Failure | None,
        request: RequestRecord,
        trace: RequestTrace | None,
        *,
        counted: bool = False,
    ) -> None:
        """It is over; once."""
        if self._over:
            return
        self._over = True
        now, record, shared = _clock(), self.record, self._shared
        record.outcome, record.failure, record.over_at, record.last_at = outcome, failure, now, now
        if self._total is None:
            shared.budgets.settle(self.candidate, self._inbound.tokens, 0, now, record.began)
        shared.reporter.attempt_over(record, request, trace)
        record.usage = self._total  # its metrics were counted turn by turn
        served = outcome is Outcome.SERVED
        result = AttemptResult(
            key=self.key,
            tokens=self._inbound.tokens,
            outcome=outcome,
            evidence=None
            if served
            else evidence_of(
                outcome,
                failure,
                silent=False,
                counted=counted,
                last_resort=record.last_resort,
                trial=bool(self._trials),
            ),
            failure=failure,
            usage=self._total,
            # A session's length is its client's: what counts is how soon it began.
            timings=Timings((record.first_at or now) - record.began),
            cost_usd=record.cost_usd,
            began=record.began,
            streams=True,
            awaited=self._awaited,
            silent_s=None,
            trials=self._trials,
        )
        shared.reporter.health_changed(
            shared.ledger.finish(self.candidate, self._rule, result, now)
        )
