"""Tokens that expire. One fetch serves all requests that wait for it; tokens are renewed in the
background, and kept while they are valid even if their source fails.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import Auth
from pilotfish.credentials.keys import (
    CredentialContext,
    CredentialError,
    Headers,
    PlainKey,
    SignedCall,
)
from pilotfish.credentials.secrets import Secret
from pilotfish.credentials.static import BEARER, header_of

log = structlog.get_logger(__name__)

# Renewed so long before the end, but never before half of the lifetime; up to a tenth of that
# earlier, so that replicas which started together do not ask together.
LEAD_S = 300.0
JITTER = 0.1
# Not used in its last moments: the request takes time to arrive, and clocks differ.
LAST_MOMENTS_S = 10.0
# Between failed fetches, doubled up to the second: an outage must not be multiplied by every
# request that waits.
RETRY_S, MAX_RETRY_S = 1.0, 60.0
# A token that was refused is replaced, but an account that is refused with every token is not a
# reason to ask for more and more.
REFUSED_PAUSE_S = 30.0


class Token(NamedTuple):
    """`expires_at`: epoch seconds; None if it is not known to expire. `base`: the base URL that
    came with it. Its repr shows no secret.
    """

    value: str
    expires_at: float | None
    base: str = ""
    extra: Headers = ()

    def __repr__(self) -> str:
        return f"<Token until {self.expires_at}>"


class ExpiringKey(PlainKey):
    """A credential made of a token that `get` fetches. `get` raises CredentialError. `first`: a
    token to begin with. `lead_s`: how long before its end a token is renewed. `source`: the secret
    that tokens are fetched with.
    """

    def __init__(
        self,
        label: str,
        get: Callable[[], Awaitable[Token]],
        context: CredentialContext,
        *,
        auth: Auth = BEARER,
        lead_s: float = LEAD_S,
        first: Token | None = None,
        source: Secret | None = None,
    ) -> None:
        self.label = label
        self._get, self._context, self._auth, self._lead_s = get, context, auth, lead_s
        self._token: Token | None = None
        self._headers: Headers | None = None
        self._valid_until = self._renew_at = 0.0
        self._fetching: asyncio.Task[None] | None = None
        self._failed: CredentialError | None = None
        self._failures = 0
        self._not_before = self._refused_at = 0.0
        self._source, self._bad_revision = source, -1
        self._used = False
        self._timer: asyncio.TimerHandle | None = None
        if first is not None:
            self._take(first)

    # ---- called by requests

    def headers(self, call: SignedCall | None) -> Headers | None:
        now = self._context.wall()
        self._used = True
        if now >= self._renew_at:
            if now >= self._valid_until:
                return None
            if self._fetching is None and now >= self._not_before:
                self._begin()
        return self._headers

    async def fetch(self) -> None:
        now = self._context.wall()
        if now < self._valid_until:
            return
        if self._fetching is None:
            if self._failed is not None and now < self._not_before:
                raise self._again(self._failed)
            self._begin()
        assert self._fetching is not None
        # Shielded: one of the waiting requests may be cancelled, and the others need the token.
        task = self._fetching
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():  # the program stops; this request was not cancelled
                raise CredentialError(
                    Outcome.CONNECT_FAILED, f"{self.label}: closed while a token was fetched"
                ) from None
            raise
        if self._context.wall() >= self._valid_until:
            if self._failed is not None:
                raise self._again(self._failed)
            raise CredentialError(
                Outcome.AUTH_FAILED, f"{self.label}: the token that came had expired already"
            )

    def refused(self, sent: Headers) -> bool:
        if self._headers is not None and self._headers != sent:
            return True  # another request was quicker: a newer token is here already
        now = self._context.wall()
        if self._headers is None or now - self._refused_at < REFUSED_PAUSE_S:
            self._mark_source()
            return self._headers is None
        self._refused_at = now
        self._mark_source()
        self._headers = None
        self._valid_until = self._renew_at = 0.0
        return True

    def base(self) -> str:
        return self._token.base if self._token is not None else ""

    def replaced(self) -> bool:
        if self._source is None or self._bad_revision < 0:
            return False
        self._source.value()
        if self._source.revision == self._bad_revision:
            return False
        self._not_before = self._refused_at = 0.0
        return True

    def _mark_source(self) -> None:
        if self._source is not None:
            self._bad_revision = self._source.revision

    async def settle(self) -> None:
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        task, self._fetching = self._fetching, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @staticmethod
    def _again(error: CredentialError) -> CredentialError:
        return CredentialError(
            error.outcome, str(error)
        )  # one exception raised for many would gather all their tracebacks

    # ---- fetching

    def _begin(self) -> None:
        self._fetching = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Never raises: a failure is kept for the requests that ask, and logged once."""
        try:
            token = await self._get()
            header_of(self._auth, token.value, self.label)
        except CredentialError as e:
            self._fail(e)
        except Exception as e:
            # A vendor's library failed in a way of its own. Its message may hold anything, so only
            # the type of the error is passed on.
            self._fail(
                CredentialError(
                    Outcome.SERVER_ERROR,
                    f"{self.label}: fetching a token failed with {type(e).__name__}",
                )
            )
        else:
            self._take(token)
            self._wake_at_renewal()
            self.taken(token)
        finally:
            self._fetching = None

    def taken(self, token: Token) -> None:
        """Called with each new token; for subclasses."""

    def _wake_at_renewal(self) -> None:
        """Renews in time even where no request comes meanwhile. A token that was not used since it
        was fetched may lapse.
        """
        if self._timer is not None:
            self._timer.cancel()
        if self._renew_at != float("inf"):
            wait = max(RETRY_S, self._renew_at - self._context.wall())
            self._timer = asyncio.get_running_loop().call_later(wait, self._renew)

    def _renew(self) -> None:
        self._timer = None
        if self._used and self._fetching is None and self._context.wall() >= self._not_before:
            self._used = False
            self._begin()

    def _take(self, token: Token) -> None:
        now, rng = self._context.wall(), self._context.rng
        self._token, self._failed, self._failures, self._not_before = token, None, 0, 0.0
        self._headers = (*header_of(self._auth, token.value, self.label), *token.extra)
        if token.expires_at is None:
            self._valid_until = self._renew_at = float("inf")
            return
        lifetime = max(0.0, token.expires_at - now)
        lead = min(self._lead_s, lifetime / 2)
        self._valid_until = token.expires_at - min(LAST_MOMENTS_S, lifetime / 10)
        self._renew_at = token.expires_at - lead * (1 + JITTER * rng.random())

    def _fail(self, error: CredentialError) -> None:
        now, rng = self._context.wall(), self._context.rng
        self._failed = error
        self._mark_source()
        wait = min(MAX_RETRY_S, RETRY_S * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        self._not_before = now + wait * (1 + JITTER * rng.random())
        left = max(0.0, self._valid_until - now)
        log.warning(
            "credential_fetch_failed",
            credential=self.label,
            outcome=error.outcome.value,
            reason=str(error),
            valid_for_s=round(left, 1),
        )
