"""OAuth access tokens with a refresh token (RFC 6749 section 6), as `auth_type: oauth` and
`oauth_detail` give them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import Auth
from pilotfish.core.model.service import OAuth, Provider, SecretRef
from pilotfish.credentials.expiring import ExpiringKey, Token
from pilotfish.credentials.keys import (
    CredentialContext,
    CredentialError,
    Headers,
    Key,
    SignedCall,
)
from pilotfish.credentials.rotated_tokens import RotatedTokens
from pilotfish.credentials.secrets import Secret
from pilotfish.credentials.static import StaticKey, header_of
from pilotfish.credentials.token_endpoint import (
    ACCEPT_JSON,
    FORM,
    JSON,
    ask,
    form,
    object_of,
    seconds_in,
    text_in,
)

BEARER = Auth()


def oauth_key(provider: Provider, oauth: OAuth, context: CredentialContext) -> Key:
    """`extra_fields` may hold `client_id`, `client_secret` and `scope`. Without a refresh token and
    a `token_url` the access token is used as it is until it is over, and read again when its file
    changes.
    """
    extra: Headers = tuple(
        (name.encode(), value.encode()) for name, value in provider.kind.oauth_headers
    )
    if oauth.refresh_token is None or not oauth.token_url:
        if oauth.access_token is None:
            raise ValueError(
                f"provider {provider.name!r}: oauth_detail has neither an access_token nor a "
                "refresh_token with a token_url"
            )
        until = epoch_of(oauth.expires_at)
        if until is None:
            return StaticKey(oauth.access_token, BEARER, context, extra)
        return LapsingKey(oauth.access_token, context, extra, oauth.expires_at, until)
    refresh = _Refresh(provider, oauth, context, extra)
    return ExpiringKey(
        refresh.label, refresh.get, context, first=refresh.first(), source=refresh.configured
    )


class LapsingKey(StaticKey):
    """An access token that nobody renews, with its end: not sent when it is over, unless its file
    has changed since.
    """

    def __init__(
        self,
        ref: SecretRef,
        context: CredentialContext,
        extra: Headers,
        expires_at: str,
        until: float,
    ) -> None:
        super().__init__(ref, BEARER, context, extra)
        self._secret.value()
        self._first, self._wall = self._secret.revision, context.wall
        self._expires_at, self._until = expires_at, until

    def headers(self, call: SignedCall | None) -> Headers | None:
        found = super().headers(call)
        return None if self._is_over() else found

    def check(self) -> None:
        super().check()
        if self._is_over():
            raise CredentialError(
                Outcome.AUTH_FAILED,
                f"{self.label}: the token was over at {self._expires_at}, and nothing renews it",
            )

    def _is_over(self) -> bool:
        return self._wall() >= self._until and self._secret.revision <= self._first


class _Refresh:
    def __init__(
        self, provider: Provider, oauth: OAuth, context: CredentialContext, extra: Headers
    ) -> None:
        assert oauth.refresh_token is not None
        self.label = f"OAuth token of {provider.name!r}"
        self._provider, self._oauth, self._context, self._extra = (
            provider,
            oauth,
            context,
            extra,
        )
        self.configured = Secret(oauth.refresh_token, context)
        self._kept = RotatedTokens(context.state_dir, provider.name)
        self._rotated = self._configured_value = ""
        self._revision = -1

    def first(self) -> Token | None:
        """The configured access token, while its `expires_at` has not passed. A time that cannot be
        read counts as none.
        """
        if self._oauth.access_token is None:
            return None
        value = Secret(self._oauth.access_token, self._context).value()
        if not value:
            return None
        try:
            header_of(BEARER, value, self.label)
        except CredentialError:
            return None
        return Token(value, epoch_of(self._oauth.expires_at), extra=self._extra)

    async def get(self) -> Token:
        fields = self._oauth.extra_fields
        request = {"grant_type": "refresh_token", "refresh_token": self._refresh_token()}
        for name in ("client_id", "client_secret", "scope"):
            if fields.get(name):
                request[name] = str(fields[name])
        as_json = self._oauth.as_json
        body = msgspec.json.encode(request) if as_json else form(request.items())
        answer = await ask(
            self._context,
            self._provider,
            self.label,
            "POST",
            self._oauth.token_url,
            (JSON if as_json else FORM, ACCEPT_JSON),
            body,
        )
        answered: dict[str, Any] = object_of(self.label, answer)
        token = text_in(self.label, answered, "access_token")
        if isinstance(answered.get("refresh_token"), str) and answered["refresh_token"]:
            self._rotated = answered["refresh_token"]
            await self._kept.keep(self._configured_value, self._rotated)
        lifetime = seconds_in(answered, "expires_in")
        return Token(
            token,
            self._context.wall() + lifetime if lifetime is not None else None,
            extra=self._extra,
        )

    def _refresh_token(self) -> str:
        """The refresh token that came with the last answer, unless the configured one has changed
        since, by a new login.
        """
        value = self.configured.value()
        if self.configured.revision != self._revision:
            self._revision = self.configured.revision
            self._configured_value = value
            self._rotated = self._kept.find(value)
        if self._rotated:
            return self._rotated
        if not value:
            raise self.configured.missing()
        return value


def epoch_of(text: str) -> float | None:
    """An RFC 3339 time as epoch seconds; None where it is missing or cannot be read."""
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
