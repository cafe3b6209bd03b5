"""One call to one provider: the request written for it, the credential it goes with, and its
place on a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pilotfish.core.exchange.calls import CallBody, request_parts, stamped
from pilotfish.core.exchange.inbound import Inbound, filter_request_headers
from pilotfish.core.exchange.redact import redact_headers, secrets_in
from pilotfish.core.exchange.refusal import CallFacts
from pilotfish.core.model.service import Service
from pilotfish.credentials.keys import CredentialError
from pilotfish.http1.exchange import Header
from pilotfish.http1.pending import Listener, PendingRequest
from pilotfish.proxy.client import ProviderClient
from pilotfish.proxy.translation import Translation


class UpstreamCall:
    """`op` is the operation called and `body` what is sent, both known once it is `prepared`.
    `key` numbers the provider's credential, `pending` is the request on its connection. `fresh`:
    it goes on a new connection.
    """

    __slots__ = (
        "_client",
        "_connect_s",
        "_fresh",
        "_inbound",
        "_renewed",
        "_secret",
        "_service",
        "_task",
        "body",
        "key",
        "op",
        "pending",
        "trace_headers",
    )

    def __init__(
        self,
        client: ProviderClient,
        service: Service,
        inbound: Inbound,
        *,
        connect_s: float,
        trace_headers: list[bytes],
        fresh: bool = False,
    ) -> None:
        self._client, self._service, self._inbound = client, service, inbound
        self._connect_s, self.trace_headers = connect_s, trace_headers
        self._fresh = fresh
        self.key = 0
        self.op = ""
        self.body: CallBody | None = None
        self.pending: PendingRequest | None = None
        self._secret: tuple[Header, ...] | None = None
        self._renewed = False
        self._task: asyncio.Task[None] | None = None

    def prepare(self, translation: Translation, *, resumes: bool, prefill: bool) -> CallBody:
        """Writes the request for its service. Raises ClientError where it cannot be put so."""
        op = self.op = self._client.op(self._service, self._inbound.op, self.key)
        if resumes:
            body = translation.continuation(self._service, op, prefill=prefill)
        else:
            body = translation.call(self._service, op)
        if self._client.stamps:
            body = stamped(body, self._client.stamps)
        self.body = body
        return body

    def send(self, listener: Listener, refuse: Callable[[CredentialError], None]) -> None:
        """Sends it, at once or when its token is there. `refuse` is called where there is no
        usable credential."""
        body, client, inbound = self.body, self._client, self._inbound
        assert body is not None
        head = client.head(self._service, self.op, inbound.subpath, inbound.stream, self.key)
        try:
            secret = self._secret = client.secret(head, self.key, body.parts)
        except CredentialError as e:
            refuse(e)
            return
        if secret is None:
            fetching = self._fetch_and_send(listener, refuse)
            self._task = asyncio.get_running_loop().create_task(fetching)
            return
        passed = filter_request_headers(inbound.headers, body.same_style)
        headers = [*secret, *client.filled(passed, self.op)]
        request = request_parts(head.lines, headers, body, self.trace_headers)
        pool = client.pool(self.key)
        self.pending = pool.send(request, listener, self._connect_s, fresh=self._fresh)

    async def _fetch_and_send(
        self, listener: Listener, refuse: Callable[[CredentialError], None]
    ) -> None:
        """Fetches a token first: the only thing on a request's way that waits for something other
        than its upstream. Cancelled with the call."""
        try:
            await self._client.keys[self.key].fetch()
        except CredentialError as e:
            refuse(e)
            return
        self.send(listener, refuse)

    def renews_credential(self) -> bool:
        """After a refusal: true, once, if the key was rotated meanwhile or the token can be
        fetched anew, so that the request is worth sending again."""
        key = self._client.keys[self.key]
        if not self._secret or not key.refused(self._secret) or self._renewed:
            return False
        self._renewed = True
        if self.pending is not None:
            self.pending.cancel()
            self.pending = None
        return True

    def facts(self) -> CallFacts:
        """What must be known to read a refusal of this call."""
        assert self.body is not None
        provider = self._service.provider
        return CallFacts(
            provider.name,
            provider.kind,
            self._service.model,
            self.op,
            self.body.style,
            client_path=bool(self._inbound.subpath),
            secrets=secrets_in(self._sent_secrets()),
        )

    def _sent_secrets(self) -> tuple[Header, ...]:
        own = self._client.own_secrets
        return (*(self._secret or ()), *own) if own else self._secret or ()

    def redact_headers(self, headers: list[Header]) -> list[Header]:
        """Headers of the answer, without the keys that went with the call."""
        secrets = self._sent_secrets()
        return redact_headers(headers, secrets) if secrets else headers

    @property
    def key_headers(self) -> frozenset[bytes]:
        """Names of the headers of the answer that may echo a key."""
        return self._client.key_headers(self._secret or ())

    def close(self) -> PendingRequest | None:
        """Nothing more is fetched for it; returns what is still on a connection."""
        if self._task is not None:
            self._task.cancel()
        pending, self.pending = self.pending, None
        return pending if pending is not None and not pending.cancelled else None
