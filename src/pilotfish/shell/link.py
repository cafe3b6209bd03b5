"""The way to one provider: its connections, its credentials, and the parts of a request's head that never change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pilotfish.core.plan import op_for
from pilotfish.core.request_url import fixed_headers, origin_of, own_auth, target_of
from pilotfish.core.snapshot import Provider, Service
from pilotfish.wire.pool import Header, Origin, Pool

_REMEMBERED = 1024  # heads kept; a path's tail is the client's to choose, so there is a bound


class Credentials(Protocol):
    """Where a provider's keys and tokens come from (`shell.credentials`)."""

    def headers(self, key: int, method: str, url: str, body: Sequence[bytes]) -> tuple[Header, ...] | None:
        """The headers that authenticate this call with the credential of that number; None if it must be fetched first."""
        ...

    async def fetch(self, key: int) -> None:
        """Gets what `headers` was missing. Raises CredentialError, whose text holds no secret."""
        ...

    def refused(self, key: int) -> None:
        """The upstream answered 401 to it: look whether it has changed."""
        ...

    def host(self, key: int) -> str | None:
        """Another base URL than the provider's, where the credential brings one (Copilot)."""
        ...


class CredentialError(Exception):
    """No usable credential: what is missing or was refused, without the secret."""


class Link:
    """One provider of the snapshot in force. Pools are shared by origin over snapshots, so a reload drops no connection."""

    def __init__(self, provider: Provider, credentials: Credentials, pool: Callable[[Origin], Pool]) -> None:
        self.provider, self.credentials = provider, credentials
        self._pool = pool
        self.origin = Origin(*origin_of(provider.base), provider.proxy_url, provider.ca_file)
        self._heads: dict[tuple[str, str, str, bool], tuple[bytes, str]] = {}
        self._ops: dict[tuple[str, str], str | None] = {}
        self._fixed = b"".join(b"%b: %b\r\n" % h for h in fixed_headers(provider))
        self.fixed_names = frozenset(name for name, _ in fixed_headers(provider))
        self.own_auth = own_auth(provider)

    def pool(self, key: int) -> Pool:
        moved = self.credentials.host(key)
        if moved is None:
            return self._pool(self.origin)
        return self._pool(Origin(*origin_of(moved), self.origin.proxy_url, self.origin.ca_file))

    def op(self, service: Service, op: str) -> str:
        """The operation to call for a client's; empty if there is none."""
        key = (service.model, op)
        if key not in self._ops:
            self._ops[key] = op_for(service, op)
        return self._ops[key] or ""

    def head(self, service: Service, op: str, tail: str, stream: bool, key: int) -> tuple[bytes, str]:
        """Request line, host and fixed headers; and the URL, for signatures."""
        at = (service.model, op, tail, stream)
        found = self._heads.get(at)
        if found is None or self.credentials.host(key) is not None:
            base = self.credentials.host(key) or self.provider.base
            scheme, host, port = origin_of(base)
            target = target_of(self.provider, op, service.model, tail, stream)
            authority = host if port == (443 if scheme == "https" else 80) else f"{host}:{port}"
            head = b"POST %b HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\n%b" % (target.encode(), authority.encode("idna"), self._fixed)
            found = head, f"{scheme}://{authority}{target}"
            if len(self._heads) < _REMEMBERED:
                self._heads[at] = found
        return found
