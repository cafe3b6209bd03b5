"""One request from the first byte to the last: obeys `core.routing.dispatch`, and is the only one
who writes to the client.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pilotfish.core.exchange.calls import CallBody, continuation_body, may_hedge
from pilotfish.core.exchange.inbound import Inbound, filter_response_headers
from pilotfish.core.exchange.response_stream import (
    InArray,
    PassThrough,
    ResponseStream,
    Translated,
    renamer,
)
from pilotfish.core.exchange.stream_resume import Continuation, Transcript, added
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.header_text import header_text
from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.model.provider import CHAT_STYLES
from pilotfish.core.routing.commands import (
    BreakStream,
    Cancel,
    Command,
    Done,
    Relay,
    ReplyFailure,
    StartAttempt,
    WakeAt,
)
from pilotfish.core.routing.dispatch import Dispatch
from pilotfish.core.routing.plan import Plan
from pilotfish.proxy.attempt import Attempt

if TYPE_CHECKING:
    from pilotfish.core.formats.style import ResponseInspector, StreamWriter, Style
    from pilotfish.core.model.snapshot import Rule
    from pilotfish.http1.pool import Header
    from pilotfish.http1.server import Exchange
    from pilotfish.proxy.engine import Engine
    from pilotfish.telemetry.traces import RunTrace

KEEP_ALIVE_S = 15.0
DROPPED_SHOWN = 50  # in a header; the log has them all
DROPPED_CHARS = 100  # of each: its path may hold names that a client made up
_OUR_ERROR_HEADERS = (b"content-type", b"retry-after")
FIRST_ATTEMPT = (b"x-pilotfish-attempts", b"1")
_clock = time.monotonic


class Run:
    """`code` is the status the client got. `busy_s` adds up the time we were at work ourselves: the
    overhead.
    """

    __slots__ = (
        "_no_prefill",
        "_obeying",
        "_pending",
        "_record",
        "_timer",
        "_writer",
        "attempts",
        "busy_s",
        "code",
        "dispatch",
        "dropped_fields",
        "engine",
        "exchange",
        "finished_at",
        "inbound",
        "known",
        "last_write",
        "names",
        "over",
        "plan",
        "relayed",
        "rule",
        "started",
        "started_wall",
        "trace",
    )  # fmt: skip

    def __init__(
        self,
        engine: Engine,
        exchange: Exchange,
        inbound: Inbound,
        plan: Plan,
        known: bool,
        started: float,
    ) -> None:
        self.engine, self.exchange, self.inbound, self.plan = engine, exchange, inbound, plan
        self.rule: Rule = plan.rule
        self.known = known  # the rules name its model; else it is counted as `other`
        self.started = started
        self.started_wall = time.time()
        self.finished_at = 0.0
        self.last_write = started
        self.code = 0
        self.busy_s = 0.0
        self.over = False
        self.attempts: list[Attempt] = []
        self.relayed: Attempt | None = None
        self.dropped_fields: tuple[str, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._writer: StreamWriter | None = None
        self._record: Transcript | None = None
        self._no_prefill: list[object] = []
        self._obeying = False
        self._pending: list[tuple[Iterable[Command], float]] = []
        self.trace: RunTrace | None = None
        self.dispatch = Dispatch(
            plan,
            deadline=started + self.rule.timeouts.total_s,
            streams=inbound.stream,
            may_hedge=self.rule.hedge is not None and may_hedge(inbound),
        )
        exchange.responder = self

    def begin(self, now: float) -> None:
        self.obey(self.dispatch.begin(now), now)
        self.busy_s += _clock() - self.started

    # ---- obeying

    def obey(self, commands: Iterable[Command], now: float) -> None:
        """In order, each whole before the next: what an attempt tells at once, while it is being
        started, waits its turn.
        """
        if not commands:
            return
        if self._obeying:
            self._pending.append((commands, now))
            return
        self._obeying = True
        try:
            self._each(commands, now)
            while self._pending:
                later, at = self._pending.pop(0)
                self._each(later, at)
        finally:
            self._obeying = False

    def _each(self, commands: Iterable[Command], now: float) -> None:
        for command in commands:
            if isinstance(command, StartAttempt):
                attempt = Attempt(self, command, now)
                self.attempts.append(attempt)
                attempt.start(now)
            elif isinstance(command, Relay):
                self._relay(self.attempts[command.n], now)
            elif isinstance(command, Done):
                self._done(self.attempts[command.n], now)
            elif isinstance(command, Cancel):
                self.attempts[command.n].cancel(command.outcome, now)
            elif isinstance(command, WakeAt):
                self._wake_at(command.at, now)
            elif isinstance(command, ReplyFailure):
                self._answer(command.failure, command.retry_after_s, now)
            elif isinstance(command, BreakStream):
                self._break(command.failure, now)

    def _wake_at(self, at: float, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - now), self._wake)

    def _wake(self) -> None:
        self._timer = None
        if not self.over:
            now = _clock()
            self.obey(self.dispatch.on_timer(now), now)

    # ---- the client's answer

    def _head(self, attempt: Attempt | None) -> list[Header]:
        names = [(b"x-request-id", self.inbound.request_id.encode()), self.plan.rule_state.named]
        if attempt is not None:
            names.append((b"x-pilotfish-service", attempt.service.id_header))
        count = len(self.attempts)
        names.append(FIRST_ATTEMPT if count == 1 else (b"x-pilotfish-attempts", b"%d" % count))
        if self.dropped_fields:
            names.append(
                (
                    b"x-pilotfish-dropped",
                    header_text(", ".join(self.dropped_fields[:DROPPED_SHOWN])),
                )
            )
        return names

    def _relay(self, attempt: Attempt, now: float) -> None:
        self.relayed = attempt
        attempt.relayed = True
        self._writer = attempt.writer
        if isinstance(attempt.channel, Translated):
            self._record = attempt.channel.record
        if attempt.mode == "whole" or attempt.over:
            return  # complete: `Done` follows and answers it in one piece
        if not self.exchange.started:
            self.code = attempt.status
            self.exchange.start(attempt.status, self._answer_head(attempt))
        held, attempt.hold = b"".join(attempt.hold), []
        if held:
            self.write(held, now)
        attempt.resume()

    def _answer_head(self, attempt: Attempt) -> list[Header]:
        call = attempt.call
        head = self._head(attempt)
        if call is None or not call.same_style:
            return [(b"content-type", self._content_type), *head]
        unwrapped = attempt.mode == "stream" and call.op in attempt.service.provider.kind.envelopes
        if self.inbound.array or unwrapped:
            return [
                (b"content-type", self._content_type),
                *(h for h in filter_response_headers(attempt.headers) if h[0] != b"content-type"),
                *head,
            ]
        return [*filter_response_headers(attempt.headers), *head]

    @property
    def _content_type(self) -> bytes:
        return (
            self.style.stream_content_type.encode()
            if self.inbound.stream and not self.inbound.array
            else b"application/json"
        )

    def write(self, data: bytes, now: float) -> None:
        self.last_write = now
        self.exchange.write(data)

    def _done(self, attempt: Attempt, now: float) -> None:
        exchange = self.exchange
        if exchange.started:
            held, attempt.hold = b"".join(attempt.hold), []
            exchange.end(held)
        elif attempt.mode == "whole":
            self.code = attempt.status
            exchange.respond(attempt.status, self._answer_head(attempt), attempt.body)
        else:
            self.code = attempt.status
            exchange.start(attempt.status, self._answer_head(attempt))
            exchange.end(b"".join(attempt.hold))
        self._finish(now)

    def _answer(self, failure: Failure, retry_after_s: float | None, now: float) -> None:
        if self.exchange.started:
            self._break(
                failure, now
            )  # keep-alives went out while it waited: there is no status to be told any more
            return
        last = self.attempts[-1] if self.attempts else None
        head = self._head(last)
        head.append((b"content-type", b"application/json"))
        if retry_after_s is not None:
            head.append((b"retry-after", b"%d" % max(1, -int(-retry_after_s // 1))))
        body = (
            failure.body
            if last is not None
            and last.failure is failure
            and last.call is not None
            and last.call.same_style
            else b""
        )
        if (
            body
        ):  # the upstream's own words go with its headers: Bedrock names its exceptions only there
            head += [
                h
                for h in filter_response_headers(failure.headers)
                if h[0] not in _OUR_ERROR_HEADERS
            ]
        self.code = failure.status
        self.exchange.respond(
            failure.status, head, body or self.style.write_error(failure.status, info_of(failure))
        )
        self._finish(now, failure)

    def _break(self, failure: Failure, now: float) -> None:
        """An error event in the client's style, and the stream is closed without its style's proper
        end.
        """
        error = info_of(failure)
        if self.inbound.stream and (self.relayed is None or self.relayed.mode == "stream"):
            self.exchange.end(self._error_event(error))
        else:
            # bytes with no events: only a connection that breaks off tells that something is
            # missing
            self.exchange.abort()
        self._finish(now, failure)

    def _error_event(self, error: ErrorInfo) -> bytes:
        if self._writer is not None:
            return self._writer.error(error)
        if self.inbound.array:
            from pilotfish.styles.google.array import ArrayFraming

            channel = self.relayed.channel if self.relayed is not None else None
            return (
                channel.error_element(error)
                if isinstance(channel, InArray)
                else ArrayFraming().error(error)
            )
        return self.style.error_event(error)

    def _finish(self, now: float, failure: Failure | None = None) -> None:
        if self.over:
            return
        self.over = True
        self.finished_at = _clock()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.engine.run_over(self, failure)
        for attempt in self.attempts:
            attempt.release()

    # ---- what attempts ask for

    @property
    def style(self) -> Style:
        """The client's."""
        return self.engine.styles(self.inbound.style)

    def channel_for(self, attempt: Attempt, call: CallBody | None) -> ResponseStream:
        """What the attempt's stream goes through on its way to the client."""
        assert call is not None
        styles = self.engine.styles
        upstream = styles(call.style)
        envelope = attempt.service.provider.kind.envelopes.get(call.op)
        decoder = upstream.event_decoder() if envelope is None else envelope.event_decoder()
        shown = self._shown_model()
        continues = self.rule.on_stream_break == "continue" and self.inbound.op in CHAT_STYLES
        if call.same_style and not continues:
            if self.inbound.array:
                from pilotfish.styles.google.array import ArrayFraming

                return InArray(
                    decoder, upstream.inspector(), renamer(shown) if shown else None, ArrayFraming()
                )
            return PassThrough(
                decoder,
                upstream.inspector(),
                hide_usage=call.hides_usage,
                rename=renamer(shown) if shown else None,
                close=upstream.terminal_event,
            )
        if attempt.rescue and self._writer is not None and self._record is not None:
            attempt.writer = self._writer
            carry_on = Continuation(self._record.text, self.usage())
            return Translated(
                decoder,
                upstream.stream_reader(),
                self._writer,
                record=self._record,
                continuation=carry_on,
            )
        attempt.writer = self.style.stream_writer(
            model=shown or attempt.service.model,
            request_id=self.inbound.request_id,
            now=self.started_wall,
            options=self._stream_options(),
        )
        return Translated(
            decoder,
            upstream.stream_reader(),
            attempt.writer,
            record=Transcript() if continues else None,
        )

    def _stream_options(self) -> dict[str, Any]:
        """`include_usage`: the client asked an OpenAI stream for it. `array`: Google's stream as a
        JSON array.
        """
        return {"include_usage": self.inbound.usage_requested, "array": self.inbound.array}

    def _shown_model(self) -> str:
        model = self.rule.response_model
        return "" if model is None else self.inbound.model if model == "@requested" else model

    def inspector_for(self, call: CallBody | None) -> ResponseInspector | None:
        return self.engine.styles(call.style).inspector() if call is not None else None

    def reply_body(self, attempt: Attempt, body: bytes) -> bytes:
        """A whole answer as the client may see it. Raises ValueError where it cannot be read."""
        call = attempt.call
        assert call is not None
        shown = self._shown_model()
        if call.same_style:
            return renamer(shown)(body) if shown else body
        if call.op not in CHAT_STYLES:
            from pilotfish.styles._alike import alike_reply

            return alike_reply(self.inbound, call.op, body)
        reply = self.engine.styles(call.style).read_reply(body)
        model = shown or reply.model or attempt.service.model
        return self.style.write_reply(
            reply, model=model, request_id=self.inbound.request_id, now=self.started_wall
        )

    def call_for(self, attempt: Attempt, op: str) -> CallBody:
        """What an attempt that goes on from a broken one is asked."""
        assert self._record is not None
        attempt.prefilled = (
            attempt.service.quirks.prefill and attempt.candidate.state not in self._no_prefill
        )
        return continuation_body(
            self.inbound,
            attempt.service,
            op,
            self.engine.styles,
            self._record.text,
            prefill=attempt.prefilled,
        )

    def may_rescue(self, attempt: Attempt) -> bool:
        record = attempt.channel.record if isinstance(attempt.channel, Translated) else None
        return record is not None and record.is_rescuable

    def prefill_refused(self, attempt: Attempt) -> None:
        """It is to be asked the other way."""
        self._no_prefill.append(attempt.candidate.state)

    def dropped(self, fields: tuple[str, ...]) -> None:
        self.dropped_fields = tuple(
            [
                name if len(name) <= DROPPED_CHARS else f"{name[:DROPPED_CHARS]}..."
                for name in fields
            ]
        )

    def trace_headers(self, attempt: Attempt) -> list[bytes]:
        """Without tracing none: the client's own go through like its other headers."""
        return [] if self.trace is None else self.trace.headers(attempt)

    def usage(self) -> Usage | None:
        """What the client's answer took: all attempts that it is made of."""
        attempts = self.attempts
        if len(attempts) == 1 and attempts[0].relayed:
            return attempts[0].usage
        total: Usage | None = None
        for attempt in attempts:
            used = attempt.usage
            if used is None or not (attempt.relayed or attempt.outcome is Outcome.CLIENT_GONE):
                continue
            total = added(total, used)
        return total

    # ---- what the client does

    def on_client_disconnect(self) -> None:
        if self.over:
            return
        now = _clock()
        self.code = self.code or 499  # as access logs have it since nginx: closed by the client
        self.obey(self.dispatch.on_client_disconnect(), now)
        self._finish(
            now, Failure(outcome=Outcome.CLIENT_GONE, status=499, message="the client left")
        )

    def spoilt(self) -> None:
        """An error of ours: what still runs is given up, and the client told, as far as it still
        can be.
        """
        if self.over:
            return
        now = _clock()
        self._pending.clear()
        self.obey(self.dispatch.on_client_disconnect(), now)
        message = "an error inside the proxy; its log has more"
        self._answer(
            Failure(
                outcome=Outcome.SERVER_ERROR, status=500, code="internal_error", message=message
            ),
            None,
            now,
        )

    def pause(self) -> None:
        if self.relayed is not None:
            self.relayed.pause()

    def resume(self) -> None:
        if self.relayed is not None:
            self.relayed.resume()

    # ---- a few times a second

    def tick(self, now: float) -> None:
        if self.over:
            return
        if now >= self.dispatch.deadline:
            self.obey(self.dispatch.on_deadline(now), now)
            return
        for attempt in self.attempts:
            attempt.tick(now)
        if self.inbound.stream and not self.over and now - self.last_write >= KEEP_ALIVE_S:
            self._keep_alive(now)

    def _keep_alive(self, now: float) -> None:
        event = self._writer.ping() if self._writer is not None else self.style.ping_event()
        if not event:
            return
        if not self.exchange.started:
            self.code = 200
            self.exchange.start(200, [(b"content-type", self._content_type), *self._head(None)])
        self.write(event, now)


# What clients look for, whoever refused: OpenAI's words, since no other style has a code of its own
# for these.
_REASON_CODES = {
    "context_length": "context_length_exceeded",
    "content_policy": "content_policy_violation",
}


def info_of(failure: Failure) -> ErrorInfo:
    code = _REASON_CODES.get(failure.reason, failure.code)
    return ErrorInfo(
        message=failure.message, type="", code=code, status=failure.status, wait_s=failure.wait_s
    )
