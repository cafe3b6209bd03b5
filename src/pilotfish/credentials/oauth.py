"""OAuth access tokens with a refresh token (RFC 6749 section 6), as `auth_type: oauth` and
`oauth_detail` give them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from pilotfish.core.model.provider import Auth
from pilotfish.core.model.service import OAuth, Provider
from pilotfish.credentials.expiring import ExpiringKey, Token
from pilotfish.credentials.keys import CredentialContext, CredentialError, Headers, Key
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
# Anthropic's endpoint takes JSON where the RFC has a form.
JSON_TYPES = frozenset({"anthropic", "claude", "claude_code"})


def oauth_key(provider: Provider, oauth: OAuth, context: CredentialContext) -> Key:
    """`extra_fields` may hold `token_url`, `client_id`, `client_secret`, `scope` and `format`
    (`json` or `form`). Without a refresh token and a `token_url` the access token is used as it is,
    and read again when its file changes.
    """
    extra: Headers = tuple(
        (name.encode(), value.encode()) for name, value in provider.kind.oauth_headers
    )
    if oauth.refresh_token is None or not oauth.extra_fields.get("token_url"):
        if oauth.access_token is None:
            raise ValueError(
                f"provider {provider.name!r}: oauth_detail has neither an access_token nor a "
                "refresh_token with a token_url"
            )
        return StaticKey(oauth.access_token, BEARER, context, extra)
    refresh = _Refresh(provider, oauth, context, extra)
    return ExpiringKey(
        refresh.label, refresh.get, context, first=refresh.first(), source=refresh.configured
    )


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
        self._rotated = ""
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
        as_json = (
            fields.get("format", "json" if self._oauth.provider_type in JSON_TYPES else "form")
            == "json"
        )
        body = msgspec.json.encode(request) if as_json else form(request.items())
        url = str(fields["token_url"])
        answer = await ask(
            self._context,
            self._provider,
            self.label,
            "POST",
            url,
            (JSON if as_json else FORM, ACCEPT_JSON),
            body,
        )
        answered: dict[str, Any] = object_of(self.label, answer)
        token = text_in(self.label, answered, "access_token")
        if isinstance(answered.get("refresh_token"), str) and answered["refresh_token"]:
            self._rotated = answered["refresh_token"]
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
            self._rotated = ""
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
