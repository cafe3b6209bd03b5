"""The way to one provider: its connections, its credentials, and the parts of a request's head that
never change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from encodings.idna import Codec
from typing import NamedTuple

from pilotfish.core.exchange.inbound import filter_request_headers
from pilotfish.core.exchange.request_url import (
    auth_of,
    fixed_headers,
    headers_kept_from_clients,
    key_headers,
    origin_of,
    overridable_headers,
    own_auth,
    secrets_of_rules,
    target_of,
)
from pilotfish.core.model.cost_owner import (
    AUTO,
    BOTH,
    HEADERS,
    METADATA,
    NOBODY,
    NONE,
    CostOwner,
)
from pilotfish.core.model.service import Provider, Service
from pilotfish.core.routing.rule_state import op_for
from pilotfish.credentials.keys import Headers, Key, SignedCall
from pilotfish.http1.origin import Origin
from pilotfish.http1.pool import Pool

# `encode("idna")`, whose module would be read from disk with the first request: there may be no
# descriptor left for it.
_as_idna = Codec().encode
REMEMBERED = 1024  # heads kept; a path's subpath is the client's to choose, so there is a bound


class RequestHead(NamedTuple):
    """`lines`: request line, host and fixed headers as they are sent. `host` and `target` again,
    for signatures.
    """

    lines: bytes
    host: str
    target: str


class ProviderClient:
    """One provider of the snapshot in force. Pools are shared by origin over snapshots, so a reload
    drops no connection.

    `keys` are the provider's credentials, by the numbers that the ledger knows them by.
    `kept_from_clients`: names of headers that no client may send to any provider. `owner`: whose
    requests these are.
    """

    def __init__(
        self,
        provider: Provider,
        keys: Sequence[Key],
        pool: Callable[[Origin], Pool],
        kept_from_clients: frozenset[bytes] = frozenset(),
        owner: CostOwner = NOBODY,
    ) -> None:
        self.provider, self.keys = provider, keys
        self._pool_at = pool
        self.origin = Origin(*origin_of(provider.base), provider.proxy_url, provider.ca_file)
        self._own_pool: Pool | None = None
        self._heads: dict[tuple[str, str, str, bool, str], RequestHead] = {}
        self._ops: dict[tuple[str, str, frozenset[str] | None], str] = {}
        fixed = fixed_headers(provider)
        yielding = overridable_headers(provider)
        told = self._told(owner)
        self.fixed_headers = (*(h for h in fixed if h[0] not in yielding), *told)
        self._fixed = b"".join(b"%b: %b\r\n" % h for h in self.fixed_headers)
        private = kept_from_clients | headers_kept_from_clients((provider,))
        # Those that no client's request is passed on with anyway are not looked for again.
        passing = filter_request_headers([(name, b"") for name in private], True)
        self._unsent: frozenset[bytes] = frozenset(
            (
                *(name for name, _ in fixed if name not in yielding),
                *(name for name, _ in passing),
                *(name for name, _ in told),
            )
        )
        self._unsent_by_op = {
            op: self._unsent | envelope.drops_headers
            for op, envelope in provider.kind.envelopes.items()
        }
        # Sent only where the client of the same style did not set them itself.
        self.yielding = tuple(h for h in fixed if h[0] in yielding)
        self.own_auth = own_auth(provider)
        self.own_secrets = secrets_of_rules(provider)
        self._key_headers = key_headers(provider)
        self._sent: Headers = ()
        self._sent_key_headers = self._key_headers
        self.signs = auth_of(provider).scheme == "aws_sigv4"

    def origin_of_key(self, key: int) -> Origin:
        """Where calls with this credential go: most have no base URL of their own."""
        base = self.keys[key].base()
        if not base:
            return self.origin
        return Origin(*origin_of(base), self.origin.proxy_url, self.origin.ca_file)

    def _told(self, owner: CostOwner) -> list[tuple[bytes, bytes]]:
        """Headers that say whose requests these are; the vendor's own fields for it are `stamps`,
        by operation."""
        how = self.provider.attribution
        if how == AUTO:
            how = NONE if self.provider.kind.needs_key else HEADERS
        self.stamps = owner.metadata() if how in (METADATA, BOTH) else {}
        return owner.headers() if how in (HEADERS, BOTH) else []

    def pool(self, key: int) -> Pool:
        base = self.keys[key].base()
        if not base and self._own_pool is not None and not self._own_pool.closed:
            return self._own_pool
        pool = self._pool_at(self.origin_of_key(key))
        if not base:
            self._own_pool = pool
        return pool

    def op(self, service: Service, op: str, key: int = 0) -> str:
        """The operation to call for a client's; empty if there is none."""
        endpoints = self.keys[key].endpoints(service.model)
        at = (service.model, op, endpoints)
        found = self._ops.get(at)
        if found is None:
            found = op_for(service, op, endpoints) or ""
            if len(self._ops) < REMEMBERED:
                self._ops[at] = found
        return found

    def head(self, service: Service, op: str, subpath: str, stream: bool, key: int) -> RequestHead:
        base = self.keys[key].base()
        at = (service.model, op, subpath, stream, base)
        found = self._heads.get(at)
        if found is None:
            scheme, host, port = origin_of(base or self.provider.base)
            target = target_of(self.provider, op, service.model, subpath, stream)
            authority = host if port == (443 if scheme == "https" else 80) else f"{host}:{port}"
            lines = b"POST %b HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\n%b" % (
                target.encode(),
                _as_idna(authority)[0],
                self._fixed,
            )
            found = RequestHead(lines, authority, target)
            if len(self._heads) < REMEMBERED:
                self._heads[at] = found
        return found

    def filled(self, passed: list[tuple[bytes, bytes]], op: str) -> list[tuple[bytes, bytes]]:
        """The client's headers but for those that are fixed or of no use upstream, and those of
        ours that give way to the client's where it did not send them."""
        unsent = self._unsent_by_op.get(op, self._unsent)
        if unsent:
            passed = [h for h in passed if h[0] not in unsent]
        if not self.yielding:
            return passed
        given = {name for name, _ in passed}
        return [*passed, *(h for h in self.yielding if h[0] not in given)]

    def secret(self, head: RequestHead, key: int, parts: Sequence[bytes]) -> Headers | None:
        """The headers that authenticate this call; None if the credential must be fetched first.
        Raises CredentialError.
        """
        if self.own_auth:
            return ()
        call = SignedCall("POST", head.host, head.target, b"".join(parts)) if self.signs else None
        return self.keys[key].headers(call)

    def headers_for(
        self, key: int, method: str, host: str, target: str, body: bytes
    ) -> Headers | None:
        """As `secret`, for a call that is passed on. `body` matters only where calls are signed
        (`signs`).
        """
        if self.own_auth:
            return ()
        return self.keys[key].headers(
            SignedCall(method, host, target, body) if self.signs else None
        )

    def key_headers(self, sent: Headers) -> frozenset[bytes]:
        """Names of the headers that no answer to a call with these credential headers may give to
        a client: each may hold a key that the upstream echoes."""
        if sent is not self._sent:  # most keys send the same tuple as long as they live
            names = frozenset(name for name, _ in sent)
            self._sent, self._sent_key_headers = sent, self._key_headers | names
        return self._sent_key_headers
