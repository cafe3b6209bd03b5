"""Google's access tokens, by Google's own library: from a service account, workload identity, the
metadata server, or a user's login.
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import Auth
from pilotfish.core.model.service import Provider, SecretRef
from pilotfish.credentials.expiring import ExpiringKey, Token
from pilotfish.credentials.keys import (
    CredentialContext,
    CredentialError,
    Headers,
    Key,
    PlainKey,
    SignedCall,
)
from pilotfish.credentials.sdk_transport import GoogleTransport, SdkTransport, in_a_thread
from pilotfish.credentials.secrets import Secret
from pilotfish.credentials.static import StaticKey

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
TIMEOUT_S = 30.0


def google_key(provider: Provider, ref: SecretRef | None, context: CredentialContext) -> Key:
    """`ref` may hold a ready access token, or the JSON of a credentials file; without it Google's
    default search is made.
    """
    if ref is not None:
        return _TokenOrFile(provider, ref, context)
    label = f"Google credentials of {provider.name!r}"
    loaded = _Loaded(provider, label, context)
    return ExpiringKey(label, loaded.get, context)


class _TokenOrFile(PlainKey):
    """A secret whose kind shows only when it is read: JSON is a credentials file, anything else a
    token.
    """

    def __init__(self, provider: Provider, ref: SecretRef, context: CredentialContext) -> None:
        self.label = str(ref)
        self._secret = Secret(ref, context)
        self._static = StaticKey(ref, Auth(), context)
        self._provider, self._context = provider, context
        self._made_of = self._bad = ""
        self._expiring: ExpiringKey | None = None

    def _key(self) -> Key:
        value = self._secret.value()
        if not value.startswith("{"):
            return self._static
        if self._expiring is None or value != self._made_of:
            self._made_of = value
            self._expiring = ExpiringKey(
                self.label,
                _Loaded(self._provider, self.label, self._context, value).get,
                self._context,
            )
        return self._expiring

    def headers(self, call: SignedCall | None) -> Headers | None:
        return self._key().headers(call)

    async def fetch(self) -> None:
        await self._key().fetch()

    def refused(self, sent: Headers) -> bool:
        self._bad = self._secret.value()
        return self._key().refused(sent)

    def replaced(self) -> bool:
        changed = self._secret.value() != self._bad
        return self._bad != "" and changed

    async def settle(self) -> None:
        if self._expiring is not None:
            await self._expiring.settle()

    async def close(self) -> None:
        if self._expiring is not None:
            await self._expiring.close()


class _Loaded:
    """Google's credentials object. It is made at the first use, and used in a thread, since it
    blocks.
    """

    def __init__(
        self, provider: Provider, label: str, context: CredentialContext, info: str = ""
    ) -> None:
        self._provider, self._label, self._context, self._info = provider, label, context, info
        self._credentials: Any = None

    async def get(self) -> Token:
        return await in_a_thread(
            self._label, self._provider, self._context, TIMEOUT_S, self._blocking
        )

    def _blocking(self, sdk_transport: SdkTransport) -> Token:
        from google.auth import exceptions

        try:
            if self._credentials is None:
                self._credentials = self._load()
            self._credentials.refresh(GoogleTransport(sdk_transport))
        except exceptions.TransportError:
            raise CredentialError(
                Outcome.CONNECT_FAILED, f"{self._label}: the token endpoint cannot be reached"
            ) from None
        except exceptions.RefreshError as e:
            outcome = Outcome.OVERLOADED if getattr(e, "retryable", False) else Outcome.AUTH_FAILED
            raise CredentialError(outcome, f"{self._label}: the token endpoint refused") from None
        except exceptions.DefaultCredentialsError:
            raise CredentialError(
                Outcome.AUTH_FAILED,
                f"{self._label}: no Google credentials found, or they cannot be read",
            ) from None
        except (OSError, ValueError) as e:
            raise CredentialError(
                Outcome.AUTH_FAILED,
                f"{self._label}: the credentials cannot be read ({type(e).__name__})",
            ) from None
        expiry = self._credentials.expiry
        quota: str | None = getattr(self._credentials, "quota_project_id", None)
        extra: Headers = ((b"x-goog-user-project", quota.encode()),) if quota else ()
        return Token(
            self._credentials.token,
            expiry.replace(tzinfo=UTC).timestamp() if expiry else None,
            extra=extra,
        )

    def _load(self) -> Any:
        options = self._provider.options
        info = self._info
        if not info and options.get("credentials_file"):
            with open(str(options["credentials_file"]), encoding="utf-8") as file:
                info = file.read()
        if not info:
            import google.auth

            return google.auth.default(scopes=SCOPES)[0]
        fields = json.loads(info)
        if options.get("token_uri"):
            fields["token_uri"] = fields["token_url"] = str(options["token_uri"])
        return _credentials_of(fields)


def _credentials_of(fields: dict[str, Any]) -> Any:
    """Credentials by the file's `type`, each with its own loader. The library's general loader is
    deprecated, since it would also run a program that a file names.
    """
    match fields.get("type"):
        case "service_account":
            from google.oauth2 import service_account

            return service_account.Credentials.from_service_account_info(fields, scopes=SCOPES)
        case "authorized_user":
            from google.oauth2 import credentials

            login = credentials.Credentials.from_authorized_user_info(fields, scopes=SCOPES)
            return login.with_token_uri(fields["token_uri"]) if fields.get("token_uri") else login
        case "external_account" if "executable" not in fields.get("credential_source", {}):
            from google.auth import aws, identity_pool

            module = (
                aws
                if str(fields.get("subject_token_type", "")).endswith("aws4_request")
                else identity_pool
            )
            return module.Credentials.from_info(fields, scopes=SCOPES)
    raise ValueError(f"unknown type {fields.get('type')!r}")
