"""Takes requests that are not routed by model: who they go to, whether they may now, and what the
client is told where they may not.
"""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.families import PassedPath, passed_path, refusal_of, without_keys
from pilotfish.core.exchange.inbound import shown
from pilotfish.core.exchange.state_ids import SEARCHED_BYTES, ids_in_body, ids_in_path
from pilotfish.core.model.service import Provider, Service
from pilotfish.core.routing.passing import Destination, passed_to
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.holders import Holder
from pilotfish.errors import ClientError
from pilotfish.passthrough.request import PassedBody, PassedRequest, PassingContext
from pilotfish.proxy.engine import Engine
from pilotfish.proxy.local_reply import LocalReplies
from pilotfish.telemetry.passed_record import PassedRecord

_clock = time.monotonic
# Of what may be an id in a request, as many and as long ones are looked up in common.
MOST_FOUND, MIN_ID = 32, 8


class Passthrough:
    """`handle` answers a request that is passed on, or gives None for one that is not. What the
    engine has in force holds here too: rules, clients of providers, and whether it takes requests.
    """

    def __init__(
        self, engine: Engine, context: PassingContext, replies: LocalReplies, max_body_bytes: int
    ) -> None:
        self._engine, self._shared, self._replies = engine, context, replies
        self._max_body_bytes = max_body_bytes

    async def close(self) -> None:
        await self._shared.upstreams.close()

    async def handle(self, request: web.Request) -> web.StreamResponse | None:
        raw = request.raw_path.encode("utf-8", "surrogateescape")
        path = endpoints.path_of(raw)
        query = raw.decode("latin-1").partition("?")[2]
        unknown = self._engine.snapshot.unknown_paths
        asked = passed_path(request.method, path, query, request.raw_headers, unknown=unknown)
        if asked is None:
            why = refusal_of(path)
            if why:
                raise ClientError(404, "unknown_path", f"{shown(path)} {why}")
            return None
        try:
            return await self._take(request, asked, path, query)
        except ClientError as e:
            return self._refusal(request, e, path, asked.style)

    async def _take(
        self, request: web.Request, asked: PassedPath, path: str, query: str
    ) -> web.StreamResponse:
        self._engine.check_may_serve()
        snapshot = self._engine.snapshot
        body = await self._beginning(request)
        holder = await self._holder(asked, query, body)
        passed = passed_to(snapshot, asked, without_keys(query), holder, shown(path))
        client = self._engine.clients[passed.provider.name]
        candidate = self._shared.ledger.candidate(_service(passed.provider))
        key = self._key(candidate, passed)
        if client.signs:
            body = await self._whole(request, body)
        record = PassedRecord(
            request_id=self._replies.request_id(_given_id(request)),
            style=asked.style,
            family=asked.family,
            method=request.method,
            path=path,
            provider=passed.provider.name,
            started=_clock(),
            started_wall=time.time(),
            held=holder is not None,
        )
        relay = PassedRequest(
            self._shared, request, record, snapshot, passed, client, candidate, key, body
        )
        self._engine.in_flight.add(relay)
        try:
            return await relay.run()
        except ClientError as e:
            record.error = record.error or e.code
            record.code = e.status
            return self._told(e, asked.style, record)
        except asyncio.CancelledError:
            record.code, record.error = record.code or 499, record.error or "client_gone"
            raise
        finally:
            self._engine.in_flight.remove(relay)
            record.finished_at = _clock()
            self._engine.reporter.passed(record)

    def _key(self, candidate: Candidate, passed: Destination) -> int:
        """The credential to use. Raises ClientError where none may be used, or no more requests may
        go there now.
        """
        ledger, name, now = self._shared.ledger, passed.provider.name, _clock()
        if passed.key is not None:
            key: int | None = passed.key
            health = ledger.credentials[name][passed.key]
            if health.refused and not health.may_be_asked(now):
                raise ClientError(503, "credential_refused", _refused(name, health.reason))
        else:
            key = ledger.key_for(candidate.state, now)
        if key is None:
            blocking = ledger.blocking(candidate.state, now)
            reason = blocking.reason if blocking is not None else "all are out"
            raise ClientError(503, "credential_refused", _refused(name, reason))
        blocked = self._shared.budgets.blocked(candidate, 0, now)
        if blocked is not None:
            raise ClientError(429, "rate_limited", blocked.reason)
        return key

    # ---- the body, as far as it must be looked at

    async def _beginning(self, request: web.Request) -> PassedBody:
        """Of a JSON body as much as is searched for ids, where there is any to be found."""
        if not request.body_exists:
            return PassedBody(False)
        content = request.content
        if not self._looks_for_ids or "json" not in request.content_type:
            return PassedBody(True, rest=content)
        begun = bytearray()
        while len(begun) < SEARCHED_BYTES and not content.at_eof():
            begun += await content.readany()
        if content.at_eof():
            return PassedBody(True, whole=bytes(begun))
        return PassedBody(True, begun=bytes(begun), rest=content)

    @property
    def _looks_for_ids(self) -> bool:
        return bool(self._shared.ledger.holders) or self._shared.shared is not None

    async def _whole(self, request: web.Request, body: PassedBody) -> PassedBody:
        """For a signature, which covers all of it."""
        if not body.is_there or body.whole is not None or body.rest is None:
            return body
        whole = bytearray(body.begun)
        async for piece in body.rest.iter_any():
            whole += piece
            if len(whole) > self._max_body_bytes:
                most = self._max_body_bytes
                raise ClientError(413, "too_large", f"the request body is larger than {most} bytes")
        return PassedBody(True, whole=bytes(whole))

    async def _holder(self, asked: PassedPath, query: str, body: PassedBody) -> Holder | None:
        holders, shared = self._shared.ledger.holders, self._shared.shared
        ids = [*ids_in_path(asked.rest, query), *ids_in_body(body.whole or body.begun)]
        found = holders.first_of(ids)
        if found is None and shared is not None:
            asked_for = [one for one in dict.fromkeys(ids) if len(one) >= MIN_ID][:MOST_FOUND]
            if asked_for:
                await shared.find(asked_for)
                found = holders.first_of(asked_for)
        return found

    # ---- what the proxy says by itself

    def _refusal(
        self, request: web.Request, error: ClientError, path: str, style: str
    ) -> web.Response:
        status, head, body = self._replies.error(error, path, request.raw_headers, style)
        return _response(status, head, body)

    def _told(self, error: ClientError, style: str, record: PassedRecord) -> web.Response:
        """As `_refusal`, for a request that is reported as one that was passed on."""
        status, head, body = self._replies.written(
            error, style, record.request_id, len(record.attempts)
        )
        return _response(status, head, body)


def _refused(provider: str, reason: str) -> str:
    return f"the credential of provider {provider!r} is refused: {reason}"


def _response(status: int, head: list[tuple[bytes, bytes]], body: bytes) -> web.Response:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head]
    return web.Response(status=status, body=body, headers=headers)


def _service(provider: Provider) -> Service:
    """What requests that are passed on to a provider count as in the ledger."""
    return Service(provider=provider, model="", rule="", id=provider.name)


def _given_id(request: web.Request) -> bytes | None:
    given = request.headers.get("x-request-id")
    return None if given is None else given.encode("utf-8", "surrogateescape")
