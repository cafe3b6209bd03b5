"""One request that is passed on: sent, tried again where that is safe, and its answer relayed as it
comes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

import aiohttp
from aiohttp import web
from yarl import URL

from pilotfish.core.exchange.inbound import filter_request_headers, filter_response_headers
from pilotfish.core.exchange.redact import redact, redact_headers, secrets_in
from pilotfish.core.exchange.state_ids import GivenIds
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.routing.passing import Destination, holder_of
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.retry_after import wait_hint
from pilotfish.credentials.fetch import FetchError
from pilotfish.credentials.keys import CredentialError
from pilotfish.credentials.keys import Headers as KeyHeaders
from pilotfish.errors import ClientError
from pilotfish.http1.origin import Origin, host_header
from pilotfish.passthrough.heads import judged, lower_case, type_of
from pilotfish.passthrough.places import (
    HELD_BYTES,
    address_of,
    body_through_here,
    names_places,
    through_here,
)
from pilotfish.passthrough.upstreams import Upstreams, leads_here
from pilotfish.proxy.client import ProviderClient
from pilotfish.proxy.engine import SharedLimits
from pilotfish.telemetry.passed_record import PassedAttempt, PassedRecord

Header = tuple[bytes, bytes]

ERROR_BYTES = 64 * 1024  # of an error's body, which is searched for keys
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # may be sent again whatever became of it
TROUBLE = frozenset({500, 502, 503, 504, 529})  # a safe request is worth sending again
NOTED_TYPES = ("application/json",)
# Headers of a request's body, which are its own whoever sends it.
_OF_BODY = frozenset({b"content-type", b"content-length"})
# Headers of an answer's body: it is passed on as it is.
_OF_ANSWER = (b"content-length", b"content-encoding")
_clock = time.monotonic


class PassingContext(NamedTuple):
    """What all requests that are passed on have in common."""

    ledger: Ledger
    budgets: Budgets
    upstreams: Upstreams
    shared: SharedLimits | None = None


class PassedBody(NamedTuple):
    """A request's body. `whole`: all of it, None where it is streamed from `rest`, after `begun`.
    `is_there` is false for a request without one.
    """

    is_there: bool
    whole: bytes | None = None
    begun: bytes = b""
    rest: aiohttp.StreamReader | None = None


class PassedRequest:
    """Obeys the limits of time by `tick`, which the proxy calls for everything in flight."""

    def __init__(
        self,
        shared: PassingContext,
        request: web.Request,
        record: PassedRecord,
        snapshot: Snapshot,
        passed: Destination,
        client: ProviderClient,
        candidate: Candidate,
        key: int,
        body: PassedBody,
    ) -> None:
        self._shared, self._request, self.record = shared, request, record
        self._snapshot, self._passed, self._client = snapshot, passed, client
        self._candidate, self._key, self._body = candidate, key, body
        self._timeouts = snapshot.defaults.timeouts
        total_s = passed.provider.timeout_s or self._timeouts.total_s
        self._deadline = record.started + total_s
        self._total_s = total_s
        self._since: float | None = None  # when the upstream was waited for, while bytes flow
        self._late = ""
        self._task = asyncio.current_task()
        self._sent: KeyHeaders = ()
        self._status = 0
        self._response: web.StreamResponse | None = None
        self._read = b""  # of an answer that is streamed from here on

    # ---- limits of time

    def tick(self, now: float) -> None:
        if self._late or self._task is None:
            return
        if now >= self._deadline:
            self._late = f"the request took longer than {self._total_s:g} s"
        elif self._since is not None and now - self._since >= self._timeouts.idle_s:
            self._late = f"the upstream was silent for {self._timeouts.idle_s:g} s"
        if self._late:
            self._task.cancel()

    def fail_internal(self) -> None:
        if self._task is not None:
            self._task.cancel()

    # ---- the way

    async def run(self) -> web.StreamResponse:
        """The answer, all of it relayed. Raises ClientError where there is none."""
        retries = self._snapshot.defaults.retries
        refreshed, tries = False, 0
        while True:
            try:
                response, again_s = await self._attempt(tries < retries.max_retries)
            except asyncio.CancelledError:
                self._timed_out_or_cancelled()
                raise
            if response is not None:
                return response
            if again_s is None:  # a key that was renewed: once
                if refreshed:
                    raise ClientError(502, "no_credential", "the renewed key is refused as well")
                refreshed = True
                continue
            await asyncio.sleep(again_s or min(retries.base_s * 2**tries, retries.max_s))
            tries += 1

    def _timed_out_or_cancelled(self) -> None:
        """Raises ClientError (504) if it was we who cancelled, and the client can still be told."""
        if not self._late:
            return
        if self._task is not None:
            self._task.uncancel()
        self.record.error = str(Outcome.TIMEOUT)
        if self._response is None:
            raise ClientError(504, "timeout", self._late) from None
        self._cut_off()

    def _cut_off(self) -> None:
        """The answer has begun and will not end: its framing says so."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _attempt(self, may_again: bool) -> tuple[web.StreamResponse | None, float | None]:
        """The answer; or None, and how long to wait before another attempt (0: by the rules, None:
        not at all, since the key is another one now).
        """
        shared, candidate = self._shared, self._candidate
        began = _clock()
        shared.ledger.occupy(candidate)
        shared.budgets.take(candidate, 0, began)
        self._status = 0
        outcome, message = Outcome.CLIENT_GONE, ""
        try:
            response, again_s, failure = await self._exchange(may_again)
            outcome, message = failure or (Outcome.SERVED, "")
            return response, again_s
        except ClientError as e:
            outcome, message = Outcome.CONNECT_FAILED, e.message
            raise
        except asyncio.CancelledError:
            if self._late:
                outcome, message = Outcome.TIMEOUT, self._late
            raise
        finally:
            now = _clock()
            shared.ledger.vacate(candidate, now)
            self.record.attempts.append(PassedAttempt(outcome, now - began, self._status, message))

    async def _exchange(
        self, may_again: bool
    ) -> tuple[web.StreamResponse | None, float | None, tuple[Outcome, str] | None]:
        method = self.record.method
        safe = method in SAFE and not self._body.is_there
        origin = self._client.origin_of_key(self._key)
        session = self._shared.upstreams.session(origin, self._timeouts.connect_s, fresh=not safe)
        headers = await self._headers(host_header(origin))
        url = URL(f"{origin.scheme}://{host_header(origin)}{self._passed.target}", encoded=True)
        try:
            answer = await session.request(
                method, url, headers=headers, data=self._data(), allow_redirects=False
            )
        except FetchError as e:
            if may_again and not self._begun:
                return None, 0.0, (Outcome.CONNECT_FAILED, str(e))
            raise ClientError(502, "connect_failed", str(e)) from None
        except (aiohttp.ClientError, OSError) as e:
            message = f"{origin.host}:{origin.port} closed the connection before it answered"
            if may_again and safe:
                return None, 0.0, (Outcome.CONNECT_FAILED, message)
            raise ClientError(502, "connect_failed", message) from e
        self._since = None
        async with answer:
            self._status = answer.status
            if not 200 <= answer.status < 600:
                message = f"the upstream answered with status {answer.status}, which HTTP has not"
                raise ClientError(502, "bad_answer", message)
            refused = answer.status == 401
            if refused and not self._begun and self._client.keys[self._key].refused(self._sent):
                return None, None, (Outcome.AUTH_FAILED, "")
            if may_again and safe and answer.status in TROUBLE:
                wait_s = wait_hint(lower_case(answer.raw_headers), time.time(), resets=False)
                if wait_s is None or wait_s <= self._snapshot.defaults.retries.max_s:
                    return None, wait_s or 0.0, judged(answer.status)
            response = await self._relay(answer)
        return response, 0.0, judged(answer.status)

    # ---- what goes up

    @property
    def _begun(self) -> bool:
        """Whether a part of the body is gone, so that it cannot be sent again."""
        return self._body.is_there and self._body.whole is None and self.record.bytes_in > 0

    async def _headers(self, host: str) -> list[tuple[str, str]]:
        own = (
            [(name, value) for name, value in self._request.raw_headers if name in _OF_BODY]
            if self._body.is_there
            else []
        )
        passed = filter_request_headers(list(self._request.raw_headers), True)
        filled = self._client.filled([h for h in passed if h[0] not in _OF_BODY], "")
        headers = [*filled, *self._client.fixed_headers, *own, *await self._secret(host)]
        headers.append((b"accept-encoding", b"identity"))
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]

    async def _secret(self, host: str) -> KeyHeaders:
        client, key = self._client, self._key
        body = self._body.whole or b""
        for _ in range(2):
            try:
                found = client.headers_for(key, self.record.method, host, self._passed.target, body)
                if found is not None:
                    self._sent = found
                    return found
                await client.keys[key].fetch()
            except CredentialError as e:
                name = self._passed.provider.name
                message = f"no usable credential for {name}: {e}"
                raise ClientError(502, "no_credential", message) from None
        raise ClientError(502, "no_credential", "the credential was lost as soon as it was there")

    def _data(self) -> bytes | AsyncIterator[bytes] | None:
        body = self._body
        if not body.is_there:
            return None
        if body.whole is not None:
            self.record.bytes_in = len(body.whole)
            return body.whole
        return self._pieces(body)

    async def _pieces(self, body: PassedBody) -> AsyncIterator[bytes]:
        """The body as it comes; between two pieces the upstream is waited for."""
        if body.begun:
            self.record.bytes_in += len(body.begun)
            self._since = _clock()
            yield body.begun
        assert body.rest is not None
        self._since = None
        async for piece in body.rest.iter_any():
            self.record.bytes_in += len(piece)
            self._since = _clock()
            yield piece
            self._since = None

    # ---- what comes down

    async def _relay(self, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        status, headers = answer.status, lower_case(answer.raw_headers)
        body_headers = [h for h in headers if h[0] in _OF_ANSWER]
        kept = filter_response_headers(headers, self._client.key_headers(self._sent))
        # Else a vendor could send the client anywhere: where it is told to go on comes back here.
        here, origin = address_of(self._request), self._client.origin_of_key(self._key)
        through = [through_here(h, origin, here) for h in headers]
        kept += [h for h in through if leads_here(h, self._request.host)]
        kept = redact_headers(kept, (*self._sent, *self._client.own_secrets))
        kept = [through_here(h, origin, here) for h in kept]
        told = [
            (b"x-request-id", self.record.request_id.encode()),
            (b"x-pilotfish-service", self.record.provider.encode("latin-1", "replace")),
            (b"x-pilotfish-attempts", b"%d" % (len(self.record.attempts) + 1)),
        ]
        if status < 400:
            data = await self._held(answer, headers, here, origin)
        else:
            data = None if self.record.method == "HEAD" else await self._error_body(answer)
        if data is not None:
            body_headers = [(b"content-length", b"%d" % len(data))]
        response = self._response = web.StreamResponse(status=status, reason=answer.reason)
        for name, value in (*kept, *body_headers, *told):
            response.headers.add(name.decode("latin-1"), value.decode("latin-1"))
        self.record.code = status
        await response.prepare(self._request)
        if data is not None:
            self.record.bytes_out = len(data)
            await response.write(data)
            return response
        await self._stream(answer, response, type_of(headers))
        return response

    async def _held(
        self, answer: aiohttp.ClientResponse, headers: list[Header], here: str, origin: Origin
    ) -> bytes | None:
        """The answer whole, if it names places where the client is to go on; else None. What was
        read of one that is too large for that is written first.
        """
        style, family = self.record.style, self.record.family
        json = type_of(headers) in NOTED_TYPES and all(n != b"content-encoding" for n, _ in headers)
        if not json or not names_places(style, family):
            return None
        pieces, size = [], 0
        self._since = _clock()
        try:
            async for piece in answer.content.iter_any():
                self._since = _clock()
                pieces.append(piece)
                size += len(piece)
                if size > HELD_BYTES:
                    self._read = b"".join(pieces)
                    return None
        except (aiohttp.ClientError, OSError):
            message = "the upstream closed the connection in the middle of its answer"
            raise ClientError(502, "connect_failed", message) from None
        self._since = None
        data, ids = b"".join(pieces), GivenIds()
        ids.feed(data)
        self._note(ids.ids)
        return body_through_here(data, style, family, origin, here)

    async def _error_body(self, answer: aiohttp.ClientResponse) -> bytes:
        """An error without the keys that it may quote."""
        pieces, size = [], 0
        self._since = _clock()
        try:
            async for piece in answer.content.iter_any():
                self._since = _clock()
                pieces.append(piece)
                size += len(piece)
                if size >= ERROR_BYTES:
                    break
        except (aiohttp.ClientError, OSError):
            pass  # what has come says enough
        self._since = None
        secrets = secrets_in((*self._sent, *self._client.own_secrets))
        return redact(b"".join(pieces)[:ERROR_BYTES], secrets)

    async def _stream(
        self, answer: aiohttp.ClientResponse, response: web.StreamResponse, content_type: str
    ) -> None:
        ids = GivenIds() if content_type in NOTED_TYPES and answer.status < 300 else None
        upload = answer.headers.get("x-goog-upload-url", "")
        if upload:
            self._note([v for k, v in URL(upload).query.items() if k == "upload_id"])
        if self._read:
            self.record.bytes_out = len(self._read)
            await response.write(self._read)
        self._since = _clock()
        try:
            async for piece in answer.content.iter_any():
                self._since = None
                self.record.bytes_out += len(piece)
                if ids is not None:
                    ids.feed(piece)
                    self._note(ids.ids)
                await response.write(piece)
                self._since = _clock()
        except aiohttp.ClientPayloadError:
            self.record.error = str(Outcome.BROKEN_STREAM)
            self._cut_off()
        self._since = None

    def _note(self, ids: Iterable[str]) -> None:
        """These were given out; who holds them is known before the client can name one."""
        self._shared.ledger.holders.note(ids, holder_of(self._passed.provider, self._key))
