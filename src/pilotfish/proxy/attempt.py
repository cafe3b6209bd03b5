"""One try at one service: sends the request, follows the answer, and tells the run what became of
it, exactly once.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pilotfish.core.exchange.calls import CallBody, call_body, request_parts
from pilotfish.core.exchange.inbound import filter_request_headers
from pilotfish.core.exchange.redact import redact, redact_error, secrets_in
from pilotfish.core.exchange.response_stream import (
    HOLD_BYTES,
    HOLD_EVENTS,
    Inflate,
    Raw,
    ResponseStream,
)
from pilotfish.core.exchange.usage import cost_of, final_usage
from pilotfish.core.formats.style import ERROR, MALFORMED
from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.model.provider import CHAT_STYLES
from pilotfish.core.routing.commands import StartAttempt
from pilotfish.core.state.classify import failure_of, judged_by_path
from pilotfish.core.state.headroom import read_limits
from pilotfish.core.state.ledger import Timings
from pilotfish.credentials.keys import CredentialError
from pilotfish.errors import ClientError

if TYPE_CHECKING:
    from pilotfish.core.formats.error_info import ErrorInfo
    from pilotfish.core.formats.style import ResponseInspector, StreamWriter
    from pilotfish.http1.pool import Header, PendingRequest, Upstream
    from pilotfish.proxy.request import Run

ERROR_BYTES = 64 * 1024  # as much of an error's body is read
WHOLE_BYTES = 64 * 1024 * 1024  # an answer that does not come in pieces is held to this size
AFTER_FINISH_S = 2.0  # how long after a finish reason the proper end is waited for
_LOST = {
    "connect": (Outcome.CONNECT_FAILED, 502),
    "local": (Outcome.CONNECT_FAILED, 503),
    "connect_timeout": (Outcome.TIMEOUT, 504),
    "reset": (Outcome.CONNECT_FAILED, 502),
    "cut": (Outcome.SERVER_ERROR, 502),
    "protocol": (Outcome.SERVER_ERROR, 502),
}
_STREAM_TYPES = (b"text/event-stream", b"application/vnd.amazon.eventstream")
_TEXT_OPS = frozenset({*CHAT_STYLES, "completions"})
_clock = time.monotonic


class Attempt:
    """`over` once it has told its outcome. Times are on the monotonic clock: `began` (decided),
    `sent_at` (request written), `head_at`, `first_at` and `last_at` (content)."""

    __deletable__ = ("run",)
    __slots__ = (
        "_inflate",
        "_op",
        "_parts",
        "_renewed",
        "_secret",
        "_size",
        "_task",
        "awaited",
        "began",
        "body",
        "call",
        "candidate",
        "channel",
        "cost_usd",
        "failure",
        "first_at",
        "forced",
        "head_at",
        "headers",
        "hedge",
        "hold",
        "hold_size",
        "inspector",
        "key",
        "last_at",
        "link",
        "mode",
        "n",
        "outcome",
        "over",
        "over_at",
        "paused",
        "pending",
        "prefilled",
        "quiet_since",
        "relayed",
        "rescue",
        "run",
        "sent_at",
        "service",
        "spoke",
        "status",
        "tokens",
        "usage",
        "writer",
    )  # fmt: skip

    def __init__(self, run: Run, start: StartAttempt, now: float) -> None:
        self.run, self.n, self.candidate = run, start.n, start.candidate
        self.forced, self.rescue, self.hedge = start.forced, start.rescue, start.hedge
        self.service = start.candidate.service
        self.began = self.quiet_since = now
        self.sent_at = self.head_at = self.first_at = self.last_at = self.over_at = 0.0
        self.over = self.spoke = self.relayed = self.paused = False
        self.awaited = run.inbound.stream
        self.outcome: Outcome | None = None
        self.failure: Failure | None = None
        self.usage: Usage | None = None
        self.cost_usd = 0.0
        self.status = 0
        self.headers: list[Header] = []
        self.mode = ""
        self.channel: ResponseStream | None = None
        self.inspector: ResponseInspector | None = None
        self.body = b""
        self.hold: list[bytes] = []
        self.hold_size = 0
        self.call: CallBody | None = None
        self.pending: PendingRequest | None = None
        self.tokens = run.inbound.tokens
        self.key = 0
        self.link = run.engine.links[self.service.provider.name]
        self.prefilled = False
        self.writer: StreamWriter | None = None
        self._op = ""
        self._secret: tuple[Header, ...] | None = None
        self._renewed = False
        self._parts: list[bytes] = []
        self._size = 0
        self._inflate: Inflate | None = None
        self._task: asyncio.Task[None] | None = None

    # ---- on its way

    def start(self, now: float) -> None:
        run = self.run
        inbound = run.inbound
        engine = run.engine
        # An attempt that must fail at once still begins, so that it is accounted like every other.
        engine.ledger.begin(self.candidate, self.tokens, now, streams=self.awaited)
        engine.budgets.take(self.candidate, self.tokens, now)
        self.key = engine.ledger.key_for(self.candidate, now) or 0
        try:
            self._op = self.link.op(self.service, inbound.op, self.key)
            self.call = self._call(self._op)
            if self.call.dropped:
                run.dropped(self.call.dropped)
                if run.rule.unsupported == "reject":
                    raise ClientError(
                        400,
                        "unsupported",
                        f"{self.service.id} cannot carry {', '.join(self.call.dropped)}",
                    )
        except ClientError as e:
            self._fail(
                Failure(
                    outcome=Outcome.BAD_REQUEST, status=e.status, message=e.message, code=e.code
                ),
                now,
            )
            return
        self._send()

    def _call(self, op: str) -> CallBody:
        inbound = self.run.inbound
        if self.rescue:
            return self.run.call_for(self, op)
        if op == inbound.op or (op in CHAT_STYLES and inbound.op in CHAT_STYLES):
            return call_body(inbound, self.service, op, self.run.engine.styles)
        from pilotfish.styles._alike import alike_body

        return alike_body(inbound, self.service, op)

    def _send(self) -> None:
        call, link, inbound = self.call, self.link, self.run.inbound
        assert call is not None
        head = link.head(self.service, self._op, inbound.subpath, inbound.stream, self.key)
        try:
            secret = self._secret = link.secret(head, self.key, call.parts)
        except CredentialError as e:
            self._no_credential(e)
            return
        if secret is None:
            self._task = asyncio.get_running_loop().create_task(self._fetch())
            return
        headers = [
            *secret,
            *link.filled(filter_request_headers(inbound.headers, call.same_style), self._op),
        ]
        request = request_parts(head.lines, headers, call, self.run.trace_headers(self))
        self.pending = link.pool(self.key).send(
            request, self, self.run.plan.rule.timeouts.connect_s
        )

    async def _fetch(self) -> None:
        """A token that must be fetched first: the only thing on a request's way that waits for
        something other than its upstream.
        """
        try:
            await self.link.keys[self.key].fetch()
        except CredentialError as e:
            if not self.over:
                self._no_credential(e)
            return
        if not self.over:
            self._send()

    def _no_credential(self, error: CredentialError) -> None:
        message = f"no usable credential for {self.service.provider.name}: {error}"
        self._fail(
            Failure(outcome=error.outcome, status=502, message=message, code="no_credential"),
            _clock(),
        )

    # ---- what the connection tells

    def on_sent(self, upstream: Upstream) -> None:
        self.sent_at = self.quiet_since = _clock()
        if self.paused:
            upstream.pause()

    def on_head(self, status: int, headers: list[Header]) -> None:
        now = self.head_at = _clock()
        self.status, self.headers = status, headers
        told = read_limits(self.service.provider.kind.limits, headers, time.time())
        if told is not None:
            self.candidate.state.headroom.observe(told, now)
        content_type = b""
        for name, value in headers:
            if name == b"content-type":
                content_type = value.lower()
            elif name == b"content-encoding" and value.lower() != b"identity":
                try:
                    self._inflate = Inflate(value.lower())
                except ValueError as e:
                    self._fail(self._bad(Outcome.SERVER_ERROR, f"the upstream sent {e}"), now)
                    return
        if status >= 300:
            self.mode = "error"
        elif (
            self._op in _TEXT_OPS
            and content_type.startswith(_STREAM_TYPES)
            and self.run.inbound.stream
        ):
            self.mode = "stream"
            self.channel = self.run.channel_for(self, self.call)
        elif (
            content_type.startswith((b"application/json", b"application/problem+json"))
            or self._op in _TEXT_OPS
        ):
            self.mode = "whole"
        else:
            self.mode, self.channel = "raw", Raw()

    def on_body(self, data: bytes) -> None:
        if self.over:
            return  # what follows a complete answer is framing
        if self.mode == "whole" and self._inflate is None and self._size + len(data) <= WHOLE_BYTES:
            self._parts.append(data)
            self._size += len(data)
            return
        run = self.run
        now = _clock()
        if self._inflate is None:
            self._take(data, now)
        else:
            try:
                pieces = self._inflate.feed(data)
            except ValueError as e:
                self._broke(Outcome.SERVER_ERROR, f"the upstream sent {e}", now)
                return
            for piece in pieces:
                if not self.over:
                    self._take(piece, now)
        run.busy_s += _clock() - now

    def _take(self, data: bytes, now: float) -> None:
        if self.mode == "stream" or self.mode == "raw":
            self._stream(data, now)
            return
        self._parts.append(data)
        self._size += len(data)
        if self.mode == "error" and self._size > ERROR_BYTES:
            self._refused(now)
        elif self._size > WHOLE_BYTES:
            self._fail(
                self._bad(
                    Outcome.SERVER_ERROR,
                    f"the upstream's answer is larger than {WHOLE_BYTES} bytes",
                ),
                now,
            )

    def on_end(self) -> None:
        if self.over:
            return
        run = self.run
        now = _clock()
        if self._inflate is not None and not self._inflate.is_complete and self.mode != "error":
            self._broke(
                Outcome.SERVER_ERROR, "the upstream's compressed answer ended too early", now
            )
        elif self.mode == "error":
            self._refused(now)
        elif self.mode == "whole":
            self._whole(now)
        else:
            self._stream_ended(now)
        run.busy_s += _clock() - now

    def on_lost(self, kind: str, message: str) -> None:
        if self.over:
            return
        now = _clock()
        if self.mode == "error":
            self._refused(now)  # its status says what it was, with or without the rest of its body
        elif self.mode == "stream" and self.channel is not None and self.channel.finished:
            self._stream_complete(now)
        else:
            outcome, status = _LOST[kind]
            if kind == "local":
                self._fail(
                    Failure(
                        outcome=outcome,
                        status=status,
                        message=message,
                        code="overloaded",
                        local=True,
                    ),
                    now,
                )
            else:
                self._broke(outcome, message, now, status)

    # ---- streams

    def _stream(self, data: bytes, now: float) -> None:
        channel = self.channel
        assert channel is not None
        before = channel.contents
        out = channel.feed(data)
        if channel.contents != before:
            if not self.first_at:
                self.first_at = now
                if self.awaited:
                    self.awaited = False
                    self.run.engine.ledger.on_first_token(self.candidate, self.began, now)
            self.last_at = self.quiet_since = now
        if self.relayed:
            if out:
                self.run.write(out, now)
        elif out:
            self.hold.append(out)
            self.hold_size += len(out)
        if channel.error is not None:
            self._stream_error(channel.error, now)
        elif channel.too_long:
            self._broke(Outcome.SERVER_ERROR, channel.too_long, now)
        elif channel.terminal and self.mode == "stream":
            self._stream_complete(now)
        elif not self.spoke and (
            channel.contents or channel.events > HOLD_EVENTS or self.hold_size > HOLD_BYTES
        ):
            self.spoke = True
            run = self.run
            run.obey(run.dispatch.on_first_token(self.n, now), now)
            if (
                not self.relayed
                and not self.over
                and self.hold_size > HOLD_BYTES
                and not run.rule.buffer
            ):
                # waiting for the race's grace: what it says meanwhile stays in the socket
                self.pause()

    def _stream_error(self, error: ErrorInfo, now: float) -> None:
        failure = self._told(error)
        if self.channel is not None and self.channel.contents:
            self._broke(failure.outcome, failure.message, now, failure.status, failure.code)
        else:
            self._fail(failure, now)

    def _stream_ended(self, now: float) -> None:
        channel = self.channel
        assert channel is not None
        if self.mode == "raw" or channel.finished or channel.terminal:
            self._stream_complete(now)
        else:
            self._broke(
                Outcome.SERVER_ERROR, "the upstream's stream ended without its terminal event", now
            )

    def _stream_complete(self, now: float) -> None:
        channel = self.channel
        assert channel is not None
        rest = channel.close()
        if rest:
            if self.relayed:
                self.run.write(rest, now)
            else:
                self.hold.append(rest)
        self._served(now)

    # ---- whole answers

    def _whole(self, now: float) -> None:
        body = b"".join(self._parts)
        self._parts = []
        inspector = self.inspector = self.run.inspector_for(self.call)
        if inspector is None:
            self.body = body
            self._served(now)
            return
        flags = inspector.reply(body)
        if flags & MALFORMED:
            self._fail(
                self._bad(
                    Outcome.SERVER_ERROR,
                    "the upstream answered 200 with something that is not an answer of its style",
                ),
                now,
            )
        elif flags & ERROR and inspector.error is not None:
            self._fail(self._told(inspector.error), now)
        else:
            try:
                self.body = self.run.reply_body(self, body)
            except ValueError as e:
                self._fail(
                    self._bad(Outcome.SERVER_ERROR, f"the upstream's answer cannot be read: {e}"),
                    now,
                )
                return
            self.first_at = self.last_at = 0.0
            self._served(now)

    def _refused(self, now: float) -> None:
        """An error status, its body read as far as it is read."""
        secrets = self._secrets()
        body = redact(b"".join(self._parts), secrets)[:ERROR_BYTES]
        self.headers = [(name, redact(value, secrets)) for name, value in self.headers]
        assert self.call is not None
        kind = self.service.provider.kind
        envelope = kind.envelopes.get(self._op)
        style = self.call.style if envelope is None else envelope.errors
        info = self.run.engine.styles(style).read_error(self.status, body, self._error_type())
        failure = failure_of(
            kind, self.status, self.headers, info, time.time(), body if envelope is None else b""
        )
        failure = (
            judged_by_path(failure, self.service.model) if self.run.inbound.subpath else failure
        )
        if failure.outcome is Outcome.AUTH_FAILED:
            if self._size <= ERROR_BYTES and self._sent_again():
                return
            failure = self._without_secrets(failure)
        self._fail(failure, now)

    def _sent_again(self) -> bool:
        """A key that was rotated meanwhile, or a token that was revoked: the request goes out once
        more with the new one.
        """
        if not self._secret or not self.link.keys[self.key].refused(self._secret) or self._renewed:
            return False
        self._renewed = True
        if self.pending is not None:
            self.pending.cancel()
        self.status, self.headers, self.mode = 0, [], ""
        self._parts, self._size, self._inflate = [], 0, None
        self._send()
        return True

    def _error_type(self) -> str:
        return next((v.decode("latin-1") for n, v in self.headers if n == b"x-amzn-errortype"), "")

    def _secrets(self) -> list[bytes]:
        """What went along with the request and must not come back in an error's words."""
        return secrets_in((*(self._secret or ()), *self.link.own_secrets))

    def _told(self, error: ErrorInfo) -> Failure:
        """The failure behind an error inside an answer that began well."""
        error = redact_error(error, self._secrets())
        failure = failure_of(
            self.service.provider.kind, self.status, self.headers, error, time.time()
        )
        return self._without_secrets(failure) if failure.outcome is Outcome.AUTH_FAILED else failure

    def _without_secrets(self, failure: Failure) -> Failure:
        """Vendors quote the refused key, or parts of it, in their own words: neither client nor log
        gets to see these.
        """
        return Failure(
            outcome=failure.outcome, status=failure.status, code=failure.code or "auth_failed",
            message=f"{self.service.provider.name} refused the proxy's credential (status {failure.status})",
        )  # fmt: skip

    # ---- the end, once

    def _bad(
        self, outcome: Outcome, message: str, status: int = 502, code: str = "upstream_error"
    ) -> Failure:
        return Failure(outcome=outcome, status=status, message=message, code=code)

    def _broke(
        self,
        outcome: Outcome,
        message: str,
        now: float,
        status: int = 502,
        code: str = "upstream_error",
    ) -> None:
        """The answer broke: after content it is a broken stream, whatever broke it."""
        if self.channel is not None and self.channel.contents:
            outcome, code = (
                Outcome.BROKEN_STREAM,
                code if code != "upstream_error" else "stream_broken",
            )
        self._fail(self._bad(outcome, message, status, code), now)

    def _fail(self, failure: Failure, now: float) -> None:
        if self.over:
            return
        self.failure = failure
        self._close(failure.outcome, now)
        run = self.run
        rescuable = failure.outcome is Outcome.BROKEN_STREAM and run.may_rescue(self)
        other_way = self.prefilled and failure.outcome is Outcome.BAD_REQUEST
        if other_way:
            run.prefill_refused(self)
        run.obey(
            run.dispatch.on_failure(self.n, failure, now, rescuable=rescuable, other_way=other_way),
            now,
        )

    def _served(self, now: float) -> None:
        if self.over:
            return
        self._close(Outcome.SERVED, now)
        run = self.run
        run.obey(run.dispatch.on_complete(self.n, now), now)

    def cancel(self, outcome: Outcome, now: float) -> None:
        """The run wants nothing more of it."""
        if self.over:
            return
        if outcome is Outcome.TIMEOUT:
            self.failure = self._bad(outcome, "the request's time was over", 504, "timeout")
        self._close(outcome, now)

    def _close(self, outcome: Outcome, now: float) -> None:
        self.over, self.over_at, self.outcome = True, now, outcome
        if self._task is not None:
            self._task.cancel()
        pending, self.pending = self.pending, None
        if pending is not None and not pending.cancelled:
            if outcome is Outcome.SERVED:
                self.run.engine.drain_upstream(
                    pending, now
                )  # what is left is framing; the connection is worth keeping
            else:
                pending.cancel()
        usage = self.usage = self._final_usage(outcome)
        if usage is not None and self.service.price is not None:
            self.cost_usd = cost_of(usage, self.service.price)
        run, engine = self.run, self.run.engine
        engine.budgets.settle(
            self.candidate,
            self.tokens,
            usage.input + usage.output if usage is not None else 0,
            now,
            self.began,
        )
        began = self.sent_at or self.began
        timings = (
            Timings(now - began, self.first_at - began, self.speed())
            if self.first_at
            else Timings(now - began)
        )
        changed = engine.ledger.finish(
            self.candidate, run.rule, key=self.key, tokens=self.tokens, outcome=outcome, failure=self.failure, usage=usage, timings=timings,
            cost_usd=self.cost_usd, began=self.began, now=now, awaited=self.awaited,
        )  # fmt: skip
        engine.attempt_over(run, self, changed)

    def release(self) -> None:
        """The run is over and told of: nothing holds on to it, so that it goes at once and not when
        the garbage is collected.
        """
        del self.run

    def speed(self) -> float | None:
        """Output tokens per second of a stream, between its first and its last content."""
        if self.usage is None or self.usage.output < 2 or self.last_at <= self.first_at:
            return None
        return self.usage.output / (self.last_at - self.first_at)

    def _final_usage(self, outcome: Outcome) -> Usage | None:
        source = self.channel or self.inspector
        if source is None:
            return None
        complete = outcome is Outcome.SERVED or (self.channel is not None and self.channel.finished)
        return final_usage(
            source.usage,
            source.chars,
            self.tokens,
            complete=complete,
            is_text=self._op in _TEXT_OPS,
        )

    # ---- clocks and pressure

    def tick(self, now: float) -> None:
        """Called a few times a second: is it late?"""
        if self.over or not self.sent_at:
            return
        run = self.run
        timeouts = run.rule.timeouts
        limit = self.service.provider.timeout_s
        if (
            limit is None
            and not run.inbound.stream
            and now - self.sent_at > timeouts.total_s / 2
            and run.plan.others(now)
        ):
            limit = (
                timeouts.total_s / 2
                # nothing tells a silent service from one that thinks: leave time for another to answer
            )
        if limit is not None and now - self.sent_at > limit:
            self._broke(
                Outcome.TIMEOUT,
                f"the upstream took longer than its provider's limit of {limit:g} s",
                now,
                504,
                "timeout",
            )
            return
        if not run.inbound.stream or self.mode in ("whole", "error", "raw") or self.paused:
            return
        channel = self.channel
        factor = 2.0 if run.inbound.thinking else 1.0
        if channel is None or not channel.contents:
            if now - self.sent_at > timeouts.first_token_s * factor:
                self._fail(
                    self._bad(
                        Outcome.TIMEOUT,
                        f"no first token within {timeouts.first_token_s * factor:g} s",
                        504,
                        "timeout",
                    ),
                    now,
                )
        elif channel.finished:
            if now - self.quiet_since > AFTER_FINISH_S:
                self._stream_complete(now)
        elif now - self.quiet_since > timeouts.idle_s * factor:
            self._broke(
                Outcome.TIMEOUT,
                f"the upstream's stream stalled for {timeouts.idle_s * factor:g} s",
                now,
                504,
                "stream_stalled",
            )

    def pause(self) -> None:
        self.paused = True
        if self.pending is not None and not self.over:
            self.pending.pause()

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            self.quiet_since = _clock()
            if self.pending is not None and not self.over:
                self.pending.resume()
