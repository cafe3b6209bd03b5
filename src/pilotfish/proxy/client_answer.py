"""The answer to one client: its head, its bytes, its end, or the error in place of one. Knows the
exchange and how bytes are worded for its client, and decides nothing."""

from __future__ import annotations

from pilotfish.core.exchange.answer import RAW, STREAM, WHOLE
from pilotfish.core.exchange.inbound import Inbound, filter_response_headers
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.header_text import header_text
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.http1.exchange import Exchange, Header
from pilotfish.proxy.attempt import Attempt
from pilotfish.proxy.failures import failure_of_ours
from pilotfish.proxy.translation import Translation
from pilotfish.telemetry.record import AttemptRecord, RequestRecord

KEEP_ALIVE_S = 15.0
DROPPED_SHOWN = 50  # fields named in a header; the log has them all
_FIRST_ATTEMPT = (b"x-pilotfish-attempts", b"1")
_OUR_ERROR_HEADERS = (b"content-type", b"retry-after")


class ClientAnswer:
    """`relayed` is the attempt whose answer the client gets, once that is decided."""

    __slots__ = (
        "_exchange",
        "_inbound",
        "_last_write",
        "_record",
        "_rule_header",
        "_translation",
        "relayed",
    )

    def __init__(
        self,
        exchange: Exchange,
        inbound: Inbound,
        translation: Translation,
        record: RequestRecord,
        rule_header: Header,
    ) -> None:
        self._exchange, self._inbound = exchange, inbound
        self._translation, self._record = translation, record
        self._rule_header = rule_header
        self._last_write = record.started
        self.relayed: Attempt | None = None

    # ---- what goes well

    def relay(self, attempt: Attempt, now: float) -> None:
        """The client gets this attempt's answer: there is no way back."""
        self.relayed, self._record.relayed = attempt, attempt.record
        attempt.record.relayed = True
        reader = attempt.reader
        self._translation.relay(reader.stream)
        if reader.answer.mode == WHOLE or attempt.over:
            return  # complete: `finish` follows and answers it in one piece
        if not self._exchange.started:
            self._start(attempt)
        held, reader.hold = b"".join(reader.hold), []
        if held:
            self.write(held, now)
        reader.resume()

    def write(self, data: bytes, now: float) -> None:
        self._last_write = now
        self._exchange.write(data)

    def finish(self, attempt: Attempt) -> None:
        """The relayed attempt is complete, and so is the answer."""
        exchange, reader = self._exchange, attempt.reader
        if reader.answer.mode == WHOLE and not self._must_stream(attempt):
            status = self._record.code = attempt.record.status
            exchange.respond(status, self._head(attempt), reader.body)
            return
        if not exchange.started:
            self._start(attempt)
        if reader.answer.mode == WHOLE:
            self._end_streamed(attempt)
            return
        held, reader.hold = b"".join(reader.hold), []
        exchange.end(held)

    def _must_stream(self, attempt: Attempt) -> bool:
        """Whether a whole answer has to be told as a stream: where the client's stream has begun
        (keep-alives went out), and where only its own style could have told it otherwise."""
        call = attempt.call.body
        return self._exchange.started or (
            self._inbound.stream and call is not None and not call.same_style
        )

    def _end_streamed(self, attempt: Attempt) -> None:
        try:
            told = self._translation.streamed(attempt.reader.body, self._record.usage())
        except ValueError as e:
            message = f"the upstream's answer is no stream and cannot be told as one: {e}"
            self.break_stream(failure_of_ours(Outcome.SERVER_ERROR, message))
        else:
            self._exchange.end(told)

    def _start(self, attempt: Attempt) -> None:
        status = self._record.code = attempt.record.status
        self._exchange.start(status, self._head(attempt))

    def _head(self, attempt: Attempt) -> list[Header]:
        answer = attempt.reader.answer
        headers = self._translation.answer_headers(
            attempt.call.body,
            attempt.service,
            answer.headers,
            attempt.call.key_headers,
            streams=answer.mode == STREAM,
        )
        return attempt.call.redact_headers(headers) + self._own_headers(attempt.record)

    def _own_headers(self, attempt: AttemptRecord | None) -> list[Header]:
        record = self._record
        headers = [(b"x-request-id", record.request_id.encode()), self._rule_header]
        if attempt is not None:
            headers.append((b"x-pilotfish-service", attempt.service.id_header))
        count = len(record.attempts)
        headers.append(_FIRST_ATTEMPT if count == 1 else (b"x-pilotfish-attempts", b"%d" % count))
        if record.dropped_fields:
            named = ", ".join(record.dropped_fields[:DROPPED_SHOWN])
            headers.append((b"x-pilotfish-dropped", header_text(named)))
        return headers

    def keep_alive(self, now: float) -> None:
        """An event that says nothing, where the client of a stream has waited long for one."""
        if not self._inbound.stream or now - self._last_write < KEEP_ALIVE_S:
            return
        event = self._translation.ping()
        if not event:
            return
        if not self._exchange.started:
            self._record.code = 200
            head = [*self._translation.translated_headers, *self._own_headers(None)]
            self._exchange.start(200, head)
        self.write(event, now)

    # ---- what does not

    def reply_failure(
        self, failure: Failure, retry_after_s: float | None, last: Attempt | None
    ) -> None:
        """An error answer. `last` is the attempt made last: if the failure is its own, the client
        gets the upstream's words where it speaks the upstream's style."""
        if self._exchange.started:
            self.break_stream(failure)  # keep-alives went out: there is no status to send any more
            return
        head = self._own_headers(None if last is None else last.record)
        head.append((b"content-type", b"application/json"))
        if retry_after_s is not None:
            head.append((b"retry-after", b"%d" % _whole_seconds(retry_after_s)))
        body = b""
        if last is not None and last.record.failure is failure:
            call = last.call.body
            own = call is not None and call.same_style and self._translation.has_upstreams_words
            body = failure.body if own else b""
        if last is not None and body:
            # The upstream's own words go with its headers: Bedrock names its exceptions only there.
            kept = filter_response_headers(failure.headers, last.call.key_headers)
            head += [h for h in kept if h[0] not in _OUR_ERROR_HEADERS]
        else:
            body = self._translation.style.write_error(failure.status, error_of(failure))
            head += self._translation.id_headers
        self._record.code = failure.status
        self._exchange.respond(failure.status, head, body)

    def break_stream(self, failure: Failure) -> None:
        """An error event in the client's style, and the stream is closed without its style's
        proper end."""
        relayed = self.relayed
        if self._inbound.stream and (relayed is None or relayed.reader.answer.mode != RAW):
            stream = None if relayed is None else relayed.reader.stream
            self._exchange.end(self._translation.error_event(error_of(failure), stream))
        else:
            # Bytes without events: only a connection that breaks off says that some are missing.
            self._exchange.abort()

    def abort(self) -> None:
        """Breaks the connection off, where nothing else can be said any more."""
        self._exchange.abort()

    # ---- back-pressure

    def pause(self) -> None:
        if self.relayed is not None:
            self.relayed.reader.pause()

    def resume(self) -> None:
        if self.relayed is not None:
            self.relayed.reader.resume()


def _whole_seconds(wait_s: float) -> int:
    """Seconds for `retry-after`, rounded up: never too early. A moment that was added to the clock
    and taken from it again is off by some billionths, which are no second more."""
    return max(1, -int(-round(wait_s, 3) // 1))


# What clients look for, whoever refused: OpenAI's words, since no other style has a code of its own
# for these.
_REASON_CODES = {
    "context_length": "context_length_exceeded",
    "content_policy": "content_policy_violation",
}


def error_of(failure: Failure) -> ErrorInfo:
    """A failure as a style's writer takes it."""
    return ErrorInfo(
        message=failure.message,
        type="",
        code=_REASON_CODES.get(failure.reason, failure.code),
        status=failure.status,
        wait_s=failure.wait_s,
        failed_generation=failure.failed_generation,
    )
