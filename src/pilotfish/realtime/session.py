"""One client's WebSocket session: the service is chosen, another one is asked while the vendor has
said nothing, and then messages go both ways as they come until one side ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from aiohttp import ClientError as UpstreamError
from aiohttp import WSMessage, WSMsgType
from aiohttp.http import WebSocketError, WSMessageTextBytes

from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.exchange.socket_events import (
    BROKEN,
    GOING_AWAY,
    SocketEvents,
    close_code,
    error_event,
    error_of_close,
    error_of_event,
    reason_of,
    sendable,
)
from pilotfish.core.exchange.sockets import LIVE, SocketPath, resource_of, with_model
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.routing.plan import Plan
from pilotfish.proxy.failures import failure_of_ours
from pilotfish.realtime.attempt import SocketAttempt, SocketFailed
from pilotfish.realtime.candidates import SocketCandidates
from pilotfish.realtime.client import ClientSocket
from pilotfish.realtime.context import SocketContext
from pilotfish.realtime.upstream import UpstreamSocket
from pilotfish.telemetry.record import RequestRecord

# What a client sent before the vendor's first event is kept up to this size, so that another
# service can have it. Beyond it there is no other one any more.
HELD_BYTES = 1024 * 1024
# A session may be silent, but for pings, for so many times the rule's `idle_s`, and last so many
# times its `total_s`: people pause, and agents wait for their tools.
IDLE_TIMES, TOTAL_TIMES = 10, 4
QUIET_S = 1.0  # after which a session without an answer under way may be ended for a drain
_MESSAGES = (WSMsgType.TEXT, WSMsgType.BINARY)
_clock = time.monotonic


class SocketSession:
    """`run` is its life. `tick` holds it to its limits; `drain` asks it to end at the next pause,
    `end` at once.
    """

    def __init__(
        self,
        shared: SocketContext,
        asked: SocketPath,
        inbound: Inbound,
        plan: Plan,
        record: RequestRecord,
        client: ClientSocket,
        first: list[tuple[WSMsgType, bytes]],
    ) -> None:
        self._shared, self._asked, self._inbound = shared, asked, inbound
        self._plan, self.record, self._client = plan, record, client
        self._choices = SocketCandidates(plan, record)
        self._events = SocketEvents(asked.op, transcribes="intent=transcription" in asked.query)
        self._trace = shared.reporter.begin(record, inbound)
        self._held = list(first)
        self._held_bytes = sum(len(data) for _, data in first)
        self._committed = False  # no other service can take over any more
        self._attempt: SocketAttempt | None = None
        self._up: UpstreamSocket | None = None
        self._sending = asyncio.Lock()
        self._pump: asyncio.Task[None] | None = None
        self._task = asyncio.current_task()
        self._touched = record.started
        self._ending: tuple[int, str] | None = None
        self._client_left: tuple[int, bytes] | None = None
        self._draining = False
        self._patience: asyncio.Timeout | None = None  # with a vendor that has said nothing yet
        self._closing: list[asyncio.Task[None]] = []
        # How the session went, once that is known: its task may be cancelled with the client's
        # connection at any time.
        self._verdict: tuple[Outcome, Failure | None] | None = None

    # ---- limits of time

    def tick(self, now: float) -> None:
        timeouts = self._plan.rule.timeouts
        if now - self.record.started > TOTAL_TIMES * timeouts.total_s:
            self.end(f"the session has lasted {TOTAL_TIMES * timeouts.total_s:g} s")
        elif now - self._touched > IDLE_TIMES * timeouts.idle_s:
            self.end(f"nothing was said for {IDLE_TIMES * timeouts.idle_s:g} s")
        elif self._draining and not self._events.busy and now - self._touched > QUIET_S:
            self.end("this proxy is shutting down")

    def fail_internal(self) -> None:
        self.end("an error inside the proxy", BROKEN)

    def drain(self) -> None:
        self._draining = True

    def end(self, reason: str, code: int = GOING_AWAY) -> None:
        if self._ending is None and self._task is not None:
            self._ending = (code, reason)
            self._task.cancel()

    # ---- its life

    async def run(self) -> None:
        """Until it is over. Raises SocketFailed where the client can still be told by status."""
        try:
            self._verdict = await self._live()
        except asyncio.CancelledError:
            if self._verdict is None:
                gone = failure_of_ours(Outcome.CLIENT_GONE, "the client left", 499, "client_gone")
                ended = self._ending is not None and self._committed
                self._verdict = (Outcome.SERVED, None) if ended else (Outcome.CLIENT_GONE, gone)
            if self._ending is None:
                raise
            if self._task is not None:
                self._task.uncancel()
            if self._client.is_open:
                await self._client.close(self._ending[0], reason_of(self._ending[1]))
        except SocketFailed as e:
            self._verdict = e.failure.outcome, e.failure
            if not self._client.is_open:
                raise
            await self._tell(e.failure)
        finally:
            self._over(*(self._verdict or (Outcome.CLIENT_GONE, None)))

    async def _live(self) -> tuple[Outcome, Failure | None]:
        while True:
            up = await self._open()
            if not self._client.is_open:
                await self._client.accept(up.protocol, self._attempt_named())
            if self._pump is None:
                self._pump = asyncio.create_task(self._from_client(), name="socket-client")
            await self._replay(up)
            failure = await self._from_vendor(up)
            if self._verdict is not None:
                return self._verdict
            if failure is None:
                return Outcome.SERVED, None
            if self._client_left is not None:
                gone = failure_of_ours(Outcome.CLIENT_GONE, "the client left", 499, "client_gone")
                return Outcome.CLIENT_GONE, gone
            if self._committed and self._spoken:
                return failure.outcome, failure
            await self._failed(failure)

    async def _open(self) -> UpstreamSocket:
        """The next service that takes the session. Raises SocketFailed."""
        while True:
            candidate, attempt_record, last_resort = self._choices.next(_clock())
            attempt = self._attempt = SocketAttempt(
                self._shared,
                candidate,
                attempt_record,
                self._inbound,
                self._plan.rule,
                last_resort=last_resort,
            )
            model = attempt.service.model if self._asked.model else ""
            try:
                return await attempt.open(model, self._asked.query, self._client.protocols)
            except SocketFailed as e:
                await self._failed(e.failure)

    async def _failed(self, failure: Failure) -> None:
        """The service that was asked has not taken the session. Raises SocketFailed where nobody
        else is to be asked.
        """
        attempt, self._up = self._attempt, None
        assert attempt is not None
        counted = self._choices.note(attempt.candidate, failure)
        attempt.finish(failure.outcome, failure, self.record, self._trace, counted=counted)
        if attempt.upstream is not None:
            # Not awaited: a vendor that is mute does not answer a close frame either.
            self._closing.append(asyncio.create_task(attempt.upstream.close(GOING_AWAY)))
        wait_s = None if self._committed else self._choices.goes_on(failure, _clock())
        if wait_s is None:
            raise SocketFailed(failure)
        await asyncio.sleep(wait_s)

    def _attempt_named(self) -> list[tuple[str, str]]:
        attempt = self._attempt
        assert attempt is not None
        return [
            ("x-pilotfish-service", attempt.service.id_header.decode("latin-1")),
            ("x-pilotfish-attempts", str(len(self.record.attempts))),
        ]

    @property
    def _spoken(self) -> bool:
        return self._attempt is not None and self._attempt.record.first_at > 0.0

    # ---- from the client

    async def _replay(self, up: UpstreamSocket) -> None:
        """What the client has said so far, to a vendor that has not heard it."""
        async with self._sending:
            for kind, data in self._held:
                await self._to_vendor(up, kind, data)
            self._up = up

    async def _to_vendor(self, up: UpstreamSocket, kind: WSMsgType, data: bytes) -> None:
        attempt = self._attempt
        if (
            attempt is not None
            and kind in _MESSAGES
            and (not self._committed or b'"model"' in data)
        ):
            service = attempt.service
            wanted = resource_of(service.provider, self._inbound.op, service.model)
            data = with_model(self._inbound.op, data, self._inbound.model, wanted)
        # A vendor that has gone is noticed where it is read.
        with contextlib.suppress(UpstreamError, OSError):
            await up.socket.send_frame(data, kind)

    async def _from_client(self) -> None:
        socket = self._client.socket
        while True:
            message = await socket.receive()
            kind = message.type
            if kind is WSMsgType.PING and self._up is None:
                await socket.pong(message.data)
                continue
            if kind in _MESSAGES:
                self._touched = _clock()
                if kind is WSMsgType.TEXT or self._inbound.op == LIVE:
                    self._events.from_client(message.data)
            elif kind not in (WSMsgType.PING, WSMsgType.PONG):
                break
            async with self._sending:
                self._hold(kind, message.data)
                if self._up is not None:
                    self._lose_patience_later()
                    await self._to_vendor(self._up, kind, message.data)
        if kind is WSMsgType.CLOSE:
            left = sendable(message.data), reason_of(str(message.extra or ""))
        elif isinstance(message.data, WebSocketError):  # too large, or what is no message
            left = message.data.code, b""
        else:
            left = GOING_AWAY, b""
        self._client_left = left
        if self._up is not None:
            await self._up.socket.close(code=left[0], message=left[1])
        elif self._task is not None and self._ending is None:
            self._task.cancel()

    def _hold(self, kind: WSMsgType, data: bytes) -> None:
        if self._committed or kind not in _MESSAGES:
            return
        self._held_bytes += len(data)
        if self._held and self._held_bytes > HELD_BYTES:
            self._commit()
        else:
            self._held.append((kind, data))

    def _commit(self) -> None:
        self._committed = True
        self._held, self._held_bytes = [], 0

    # ---- from the vendor

    async def _from_vendor(self, up: UpstreamSocket) -> Failure | None:
        """Relays until the session is over: None, or the failure that ended it."""
        attempt, client = self._attempt, self._client.socket
        assert attempt is not None
        while True:
            try:
                # Once the vendor has spoken this is all that is done for a message.
                message = await (up.socket.receive() if self._spoken else self._received(up))
            except TimeoutError:
                seconds = self._plan.rule.timeouts.first_token_s
                said = f"the upstream said nothing for {seconds:g} s"
                return failure_of_ours(Outcome.TIMEOUT, said, 504, "timeout")
            kind, data = message.type, message.data
            if kind in _MESSAGES:
                self._touched = _clock()
                if not self._spoken:
                    error = error_of_event(self._inbound.op, data)
                    failure = attempt.failure_of(error) if error is not None else None
                    if failure is not None and failure.outcome is not Outcome.BAD_REQUEST:
                        return failure
                    attempt.spoken(self._touched)
                    self.record.relayed = attempt.record
                    attempt.record.relayed = True
                    self._commit()
                if kind is WSMsgType.TEXT or self._inbound.op == LIVE:
                    usage = self._events.from_vendor(data)
                    if usage is not None:
                        attempt.turn(usage, self.record, self._touched)
                with contextlib.suppress(ConnectionError):
                    await client.send_frame(data, kind)
            elif kind in (WSMsgType.PING, WSMsgType.PONG):
                with contextlib.suppress(ConnectionError):
                    await client.send_frame(data, kind)
            else:
                return await self._vendor_left(up, kind, data, str(message.extra or ""))

    async def _received(self, up: UpstreamSocket) -> WSMessage | WSMessageTextBytes:
        """The next message. A vendor that has been asked something must begin to answer in time."""
        async with asyncio.timeout(None) as self._patience:
            if self._held:
                self._lose_patience_later()
            return await up.socket.receive()

    def _lose_patience_later(self) -> None:
        patience = self._patience
        if patience is not None and patience.when() is None and not self._spoken:
            until = asyncio.get_running_loop().time() + self._plan.rule.timeouts.first_token_s
            with contextlib.suppress(RuntimeError):  # it has just been left
                patience.reschedule(until)

    async def _vendor_left(
        self, up: UpstreamSocket, kind: WSMsgType, data: object, reason: str
    ) -> Failure | None:
        attempt = self._attempt
        assert attempt is not None
        if self._client_left is not None:
            return None if self._spoken else failure_of_ours(Outcome.CLIENT_GONE, "left", 499)
        code = data if isinstance(data, int) else None
        if kind is WSMsgType.CLOSE:
            if not self._spoken:
                return attempt.failure_of(error_of_close(code, reason))
            self._verdict = Outcome.SERVED, None
            await self._client.close(sendable(code), attempt.without_keys(reason))
            return None
        said = "the upstream's connection broke"
        if isinstance(data, WebSocketError):
            said = f"the upstream sent what is no message (close code {data.code:d})"
        failed = Outcome.BROKEN_STREAM if self._spoken else Outcome.CONNECT_FAILED
        failure = failure_of_ours(failed, said)
        if self._spoken:
            self._verdict = failed, failure
            await self._tell(failure)
        return failure

    # ---- the end

    async def _tell(self, failure: Failure) -> None:
        """The client reads why there is no session, or no more of it."""
        error = ErrorInfo(message=failure.message, code=failure.code, status=failure.status)
        event = error_event(self._inbound.op, error, failure.status)
        with contextlib.suppress(ConnectionError):
            if event:
                await self._client.socket.send_frame(event, WSMsgType.TEXT)
        code = BROKEN if self._spoken else close_code(failure.status)
        await self._client.close(code, reason_of(failure.message))

    def _over(self, outcome: Outcome, failure: Failure | None) -> None:
        """Accounts for it, without a pause in which its task could be cancelled once more."""
        attempt, record = self._attempt, self.record
        left = self._events.left()
        if attempt is not None:
            if left is not None:
                attempt.turn(left, record, _clock())
            attempt.finish(outcome, failure, record, self._trace)
        record.code = 101 if self._client.is_open else failure.status if failure else 499
        record.failure, record.finished_at = failure, _clock()
        self._shared.reporter.session_over(record, self._trace)

    async def release(self) -> None:
        """Closes what is still open."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        attempt = self._attempt
        if attempt is not None and attempt.upstream is not None:
            code, reason = self._client_left or self._ending_frame() or (GOING_AWAY, b"")
            await attempt.upstream.close(code, reason)
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _ending_frame(self) -> tuple[int, bytes] | None:
        return (self._ending[0], reason_of(self._ending[1])) if self._ending else None
