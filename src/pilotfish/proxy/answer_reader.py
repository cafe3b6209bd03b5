"""Reads one answer as it comes from the upstream: its head, its stream or its whole body, and how
late it is. What it comes to is reported to the attempt that the answer belongs to, once."""

from __future__ import annotations

import time

from pilotfish import styles
from pilotfish.core.exchange.answer import (
    ERROR,
    ERROR_BYTES,
    RAW,
    STREAM,
    WHOLE,
    WHOLE_BYTES,
    Answer,
)
from pilotfish.core.exchange.hold import HOLD_BYTES, is_for_the_client
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.exchange.lateness import Late, late_first_token, over_provider_limit, stalled
from pilotfish.core.exchange.refusal import in_our_words, read_error_answer, read_error_event
from pilotfish.core.exchange.response_id import response_id_in
from pilotfish.core.exchange.response_stream import ResponseStream
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.style import DECLINED, MALFORMED, ResponseInspector
from pilotfish.core.formats.style import ERROR as ERROR_FOUND
from pilotfish.core.model.outcome import CONTENT_POLICY, Failure, Outcome
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.headroom import read_limits
from pilotfish.http1.exchange import Header
from pilotfish.http1.pending import SendingConnection
from pilotfish.proxy.answer_owner import AnswerOwner
from pilotfish.proxy.failures import (
    LOST,
    after_content,
    declined,
    diverged,
    failure_of_ours,
    lost_here,
)
from pilotfish.proxy.translation import Translation
from pilotfish.proxy.upstream_call import UpstreamCall
from pilotfish.telemetry.record import AttemptRecord, RequestRecord

AFTER_FINISH_S = 2.0  # how long after a finish reason the stream's proper end is waited for
LOST_CODE = "upstream_error"
_clock = time.monotonic


class AnswerReader:
    """`stream` is what the client's bytes come out of, `hold` what came out before the attempt was
    relayed, `body` a whole answer, `inspector` what looked at it. `paused`: the upstream is not
    read from. `over` once there is nothing more to read.
    """

    __deletable__ = ("_owner",)
    __slots__ = (
        "_call",
        "_candidate",
        "_held_bytes",
        "_inbound",
        "_owner",
        "_quiet_since",
        "_record",
        "_request",
        "_rule",
        "_seen",
        "_translation",
        "answer",
        "body",
        "hold",
        "inspector",
        "over",
        "paused",
        "stream",
    )

    def __init__(
        self,
        record: AttemptRecord,
        candidate: Candidate,
        *,
        inbound: Inbound,
        rule: Rule,
        request: RequestRecord,
        call: UpstreamCall,
        translation: Translation,
        owner: AnswerOwner,
    ) -> None:
        self._record, self._candidate = record, candidate
        self._inbound, self._rule, self._request = inbound, rule, request
        self._call, self._translation, self._owner = call, translation, owner
        self.answer = Answer()
        self.stream: ResponseStream | None = None
        self.inspector: ResponseInspector | None = None
        self.body = b""
        self.hold: list[bytes] = []
        self.over = self.paused = self._seen = False
        self._held_bytes, self._quiet_since = 0, record.began

    def end(self) -> None:
        """Whatever still comes is not read, and nobody hears of it: owner and reader would hold
        each other until the garbage collector finds them."""
        self.over = True
        del self._owner

    # ---- what the connection reports

    def on_sent(self, upstream: SendingConnection) -> None:
        self._record.sent_at = self._quiet_since = _clock()
        if self.paused:
            upstream.pause()

    def on_head(self, status: int, headers: list[Header]) -> None:
        now = self._record.head_at = self._quiet_since = _clock()
        self._record.status = status
        if not self._call.trace_headers and not self._inbound.keeps_answer:
            self._record.response_id = ""  # nobody asks for it
        limits = read_limits(self._candidate.service.provider.kind.limits, headers, time.time())
        if limits is not None:
            self._candidate.state.headroom.observe(limits, now)
        answer = self.answer
        try:
            answer.head(status, headers, self._call.op, streams=self._inbound.stream)
        except ValueError as e:
            self._unreadable(f"the upstream sent {e}", now)
            return
        if answer.mode == STREAM:
            assert self._call.body is not None
            self.stream = self._translation.response_stream(
                self._call.body,
                self._candidate.service,
                resumes=self._record.resumes,
                before=self._request.usage() if self._record.resumes else None,
            )
        elif answer.mode == RAW:
            self.stream = self._translation.raw_stream()

    def on_body(self, data: bytes) -> None:
        if self.over:
            return  # what follows a complete answer is framing
        now = _clock()
        try:
            pieces = self.answer.unpack(data)
        except ValueError as e:
            self._break(Outcome.SERVER_ERROR, f"the upstream sent {e}", now)
            return
        if self._record.response_id is None and pieces:
            named = self._record.response_id = response_id_in(pieces[0])
            if named and self._inbound.keeps_answer and self._call.op == self._inbound.op:
                self._owner.on_kept(named)
        for piece in pieces:
            if not self.over:
                self._take(piece, now)
        self._request.busy_s += _clock() - now

    def _take(self, data: bytes, now: float) -> None:
        answer = self.answer
        if self.stream is not None:
            self._read_stream(self.stream, data, now)
            return
        self._quiet_since = now
        if answer.keep(data):
            return
        if answer.mode == ERROR:
            self._refused(now)
        else:
            self._unreadable(f"the upstream's answer is larger than {WHOLE_BYTES} bytes", now)

    def on_end(self) -> None:
        if self.over:
            return
        now = _clock()
        answer = self.answer
        if answer.mode == ERROR:
            self._refused(now)
        elif answer.is_cut_short:
            self._break(Outcome.SERVER_ERROR, "the compressed answer ended too early", now)
        elif answer.mode == WHOLE:
            self._read_whole(now)
        else:
            self._stream_ended(now)
        self._request.busy_s += _clock() - now

    def on_lost(self, kind: str, message: str) -> None:
        if self.over:
            return
        now = _clock()
        if self.answer.mode == ERROR:
            self._refused(now)  # its status says what it was, with or without the rest of its body
        elif self.answer.mode == STREAM and self.stream is not None and self.stream.finished:
            self._stream_complete(now)
        elif (here := lost_here(kind, message)) is not None:
            self._fail(here, now)
        else:
            outcome, status = LOST[kind]
            self._break(outcome, message, now, status)

    # ---- streams

    def _read_stream(self, stream: ResponseStream, data: bytes, now: float) -> None:
        before, was_finished = stream.contents, stream.finished
        out = stream.feed(data)
        record = self._record
        if stream.contents != before:
            if not record.first_at:
                record.first_at = now
                self._owner.on_first_content(now)
            record.last_at = self._quiet_since = now
        elif stream.declined or stream.finished != was_finished:
            self._quiet_since = now
        if out:
            self._give(out, now)
        if stream.error is not None:
            self._error_event(stream, stream.error, now)
        elif stream.diverged:
            self._fail(diverged(), now)
        elif stream.too_long:
            self._break(Outcome.SERVER_ERROR, stream.too_long, now)
        elif stream.terminal and self.answer.mode == STREAM:
            self._stream_complete(now)
        elif not self._seen and self._has_begun(stream, now):
            self._begin_answer(now)

    def _give(self, data: bytes, now: float) -> None:
        if self._record.relayed:
            self._owner.on_data(data, now)
        else:
            self.hold.append(data)
            self._held_bytes += len(data)

    def _has_begun(self, stream: ResponseStream, now: float) -> bool:
        rule = self._rule
        return is_for_the_client(
            stream,
            self._held_bytes,
            now - self._record.first_at,
            refusals_matter=rule.race is not None or CONTENT_POLICY in rule.fallback_on,
        )

    def _begin_answer(self, now: float) -> None:
        self._seen = True
        self._owner.on_first_token(now)
        is_waiting = not self._record.relayed and not self.over and not self._rule.buffer
        if is_waiting and self._held_bytes > HOLD_BYTES:
            self.pause()  # until the race is decided, the rest stays in the socket

    def _error_event(self, stream: ResponseStream, error: ErrorInfo, now: float) -> None:
        failure = read_error_event(
            self._call.facts(), error, self.answer.status, self.answer.headers, time.time()
        )
        self._fail(after_content(failure) if stream.contents else failure, now)

    def _stream_ended(self, now: float) -> None:
        stream = self.stream
        assert stream is not None
        if self.answer.mode == RAW or stream.finished or stream.terminal:
            self._stream_complete(now)
        else:
            message = "the upstream's stream ended without its terminal event"
            self._break(Outcome.SERVER_ERROR, message, now)

    def _stream_complete(self, now: float) -> None:
        stream = self.stream
        assert stream is not None
        rest = stream.close()
        if rest:
            self._give(rest, now)
        if stream.diverged:
            self._fail(diverged(), now)
        elif stream.declined:
            self._declined(stream.finish_reason, now)
        else:
            self._served(now)

    def _declined(self, reason: str | None, now: float) -> None:
        record = self._record
        record.first_at = record.last_at = 0.0  # a guardrail's text is no content
        failure = declined(self.answer.status, reason)
        if record.relayed:
            record.failure = failure
            self._served(now)
        else:
            self._fail(failure, now)

    # ---- whole answers and error answers

    def _read_whole(self, now: float) -> None:
        assert self._call.body is not None
        body = self.answer.take_body()
        inspector = self.inspector = self._translation.inspector(self._call.body)
        flags = inspector.reply(body)
        if flags & MALFORMED:
            self._unreadable("the upstream's 200 is not an answer of its style", now)
            return
        if flags & ERROR_FOUND and inspector.error is not None:
            answer = self.answer
            failure = read_error_event(
                self._call.facts(), inspector.error, answer.status, answer.headers, time.time()
            )
            self._fail(failure, now)
            return
        try:
            self.body = self._translation.whole_answer(
                self._call.body, self._candidate.service, body
            )
        except ValueError as e:
            self._unreadable(f"the upstream's answer cannot be read: {e}", now)
            return
        if flags & DECLINED:
            self._fail(declined(self.answer.status, inspector.finish_reason), now)
        else:
            self._served(now)

    def _refused(self, now: float) -> None:
        """An error status, its body read as far as it is read."""
        answer, facts = self.answer, self._call.facts()
        was_read = answer.size <= ERROR_BYTES
        body = answer.take_body()[:ERROR_BYTES]
        failure = read_error_answer(
            facts, styles.get, answer.status, answer.headers, body, time.time()
        )
        if failure.outcome is Outcome.AUTH_FAILED:
            if was_read and self._owner.sends_again():
                self._record.status, self.answer = 0, Answer()
                return
            failure = in_our_words(facts, failure)
        self._fail(failure, now)

    # ---- the end, once

    def _break(
        self, outcome: Outcome, message: str, now: float, status: int = 502, code: str = LOST_CODE
    ) -> None:
        """The answer broke: after content it is a broken stream, whatever broke it."""
        if self.stream is not None and self.stream.contents:
            outcome = Outcome.BROKEN_STREAM
            code = code if code != LOST_CODE else "stream_broken"
        self._fail(failure_of_ours(outcome, message, status, code), now)

    def _unreadable(self, message: str, now: float) -> None:
        self._fail(failure_of_ours(Outcome.SERVER_ERROR, message), now)

    def _fail(self, failure: Failure, now: float) -> None:
        if not self.over:
            self.over = True
            self._owner.on_failed(failure, now)

    def _served(self, now: float) -> None:
        if not self.over:
            self.over = True
            self._owner.on_served(now)

    # ---- clocks and pressure

    def tick(self, now: float) -> None:
        """Called a few times a second: is it late?"""
        if self.over or not self._record.sent_at:
            return
        late = self._late(now)
        if late is not None:
            self._break(Outcome.TIMEOUT, late.message, now, 504, late.code)
            return
        stream = self.stream
        if stream is None or self.answer.mode != STREAM or self.paused:
            return
        if stream.finished:
            if now - self._quiet_since > AFTER_FINISH_S:
                self._stream_complete(now)
        elif stream.contents and not self._seen and self._has_begun(stream, now):
            self._begin_answer(now)

    def _late(self, now: float) -> Late | None:
        sent_s, quiet_s = now - self._record.sent_at, now - self._quiet_since
        late = over_provider_limit(sent_s, self._candidate.service.provider.timeout_s)
        mode, stream = self.answer.mode, self.stream
        if late is not None or mode in (ERROR, RAW) or self.paused:
            return late
        timeouts = self._rule.timeouts
        thinking = self._inbound.thinking or self._candidate.service.thinks
        if mode == WHOLE:
            return stalled(quiet_s, timeouts, thinking=thinking, streams=False)
        if not self._inbound.stream or (stream is not None and stream.finished):
            return None  # nothing shows before a whole answer's head, nor after a finish
        if stream is None or not (stream.contents or stream.declined):
            return late_first_token(sent_s, timeouts, thinking=thinking)
        return stalled(quiet_s, timeouts, thinking=thinking, streams=True)

    def pause(self) -> None:
        self.paused = True
        if self._call.pending is not None:
            self._call.pending.pause()

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            self._quiet_since = _clock()
            if self._call.pending is not None:
                self._call.pending.resume()
