"""A credential as requests use it: its headers, at once where a valid one is in memory, else after
a fetch.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pilotfish.core.model.outcome import Outcome
from pilotfish.credentials.fetch import Fetcher

Headers = tuple[tuple[bytes, bytes], ...]


class SignedCall(NamedTuple):
    """What a signature covers: `host` as in the Host header, `target` is path and query as they are
    sent.
    """

    method: str
    host: str
    target: str
    body: bytes


class CredentialError(Exception):
    """There is no valid credential. `outcome` is AUTH_FAILED where it was refused or is missing;
    CONNECT_FAILED, TIMEOUT or OVERLOADED where its source could not be reached or failed. The
    message names the source and holds no secret.
    """

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class Key(Protocol):
    """One credential of a provider, with a health of its own in the ledger. `label` names its
    source.
    """

    label: str

    def headers(self, call: SignedCall | None) -> Headers | None:
        """The headers to send, or None if `fetch` must be awaited first. On the hot path: answers
        from memory. `call` may be None only where nothing is signed.
        """
        ...

    async def fetch(self) -> None:
        """Gets a valid credential, in one fetch for all who wait for it. Raises CredentialError."""
        ...

    def refused(self, sent: Headers) -> bool:
        """Called when the vendor answered 401 to these headers. True: another credential is in
        memory or can be fetched, so the request is worth sending again.
        """
        ...

    def replaced(self) -> bool:
        """Whether a credential that was refused or missing has changed since: a key was rotated, a
        user logged in again.
        """
        ...

    def base(self) -> str:
        """The base URL to call instead of the provider's; empty: the provider's."""
        ...

    def endpoints(self, model: str) -> frozenset[str] | None:
        """The paths that serve this model, where the vendor lists them; None: unknown."""
        ...

    async def settle(self) -> None:
        """Waits for a fetch under way, if there is one: requests wait for it too."""
        ...

    async def close(self) -> None: ...


class PlainKey:
    """What most keys have in common: no base URL of their own, nothing to close."""

    label = ""

    def replaced(self) -> bool:
        return False

    def base(self) -> str:
        return ""

    def endpoints(self, model: str) -> frozenset[str] | None:
        return None

    async def settle(self) -> None:
        return

    async def close(self) -> None:
        return

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label}>"


class NoKey(PlainKey):
    """For a server that needs no key, or gets it in headers from the rules."""

    label = "no key"

    def headers(self, call: SignedCall | None) -> Headers | None:
        return ()

    async def fetch(self) -> None:
        return

    def refused(self, sent: Headers) -> bool:
        return False


@dataclass(frozen=True)
class CredentialContext:
    """What credentials need of the world outside, replaceable in tests. `wall` gives seconds since
    the epoch. `state_dir`: where tokens that were rotated are kept over a restart; empty: nowhere.
    """

    secrets_dir: str = "/var/run/pilotfish/secrets"
    state_dir: str = ""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    fetcher: Fetcher = field(default_factory=Fetcher)
    wall: Callable[[], float] = time.time
    rng: random.Random = field(default_factory=random.Random)
