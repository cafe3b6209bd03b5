"""GitHub Copilot: exchanges a GitHub token for a short-lived one, which also names the host to
call, and knows which model is served on which paths.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from urllib.parse import urlsplit

import msgspec

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Provider, SecretRef
from pilotfish.credentials.expiring import ExpiringKey, Token
from pilotfish.credentials.fetch import FetchError
from pilotfish.credentials.keys import CredentialContext, CredentialError
from pilotfish.credentials.secrets import Secret
from pilotfish.credentials.static import BEARER, header_of
from pilotfish.credentials.token_endpoint import ACCEPT_JSON, ask, object_of, seconds_in, text_in

TOKEN_URL = "https://api.github.com/copilot_internal/v2/token"
# Where the answer has no usable time: tokens live half an hour.
LIFETIME_S = 25 * 60.0
LEAD_S = 120.0


class CopilotKey(ExpiringKey):
    """`base` is the token's `endpoints.api`, unless `api_base` in the rules names another host."""

    def __init__(self, provider: Provider, ref: SecretRef, context: CredentialContext) -> None:
        self._provider, self._secret = provider, Secret(ref, context)
        self._models: dict[str, frozenset[str]] = {}
        self._listing: asyncio.Task[None] | None = None
        super().__init__(str(ref), self._exchange, context, lead_s=LEAD_S, source=self._secret)

    def endpoints(self, model: str) -> frozenset[str] | None:
        return self._models.get(model)

    def base(self) -> str:
        overridden = self._provider.base and self._provider.base != self._provider.kind.base_url
        return "" if overridden else super().base()

    async def close(self) -> None:
        task, self._listing = self._listing, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await super().close()

    async def _exchange(self) -> Token:
        value = self._secret.value()
        if not value:
            raise self._secret.missing()
        url = str(self._provider.options.get("token_url") or TOKEN_URL)
        headers = (*header_of(BEARER, value, self.label), ACCEPT_JSON)
        answer = await ask(self._context, self._provider, self.label, "GET", url, headers)
        fields = object_of(self.label, answer)
        now = self._context.wall()
        expires_at = seconds_in(fields, "expires_at")
        if expires_at is None or expires_at <= now:
            expires_at = now + LIFETIME_S
        return Token(
            text_in(self.label, fields, "token"), expires_at, base=_api_of(fields, url, self.label)
        )

    def taken(self, token: Token) -> None:
        """Asks the models list, with each new token (about twice an hour), on which paths each
        model is served.
        """
        if self._listing is None or self._listing.done():
            self._listing = asyncio.get_running_loop().create_task(self._list(token))

    async def _list(self, token: Token) -> None:
        base = self.base() or self._provider.base
        headers = [(name.encode(), value.encode()) for name, value in self._provider.kind.headers]
        try:
            answer = await self._context.fetcher.fetch(
                "GET",
                f"{base}/models",
                (*header_of(BEARER, token.value, self.label), ACCEPT_JSON, *headers),
                proxy_url=self._provider.proxy_url,
                ca_file=self._provider.ca_file,
            )
            models = (
                msgspec.json.decode(answer.body, type=_Models).data if answer.status == 200 else []
            )
        except (FetchError, msgspec.DecodeError):
            return  # what is known already stays in use; without it, the model's name decides
        if models:
            self._models = {
                model.id: frozenset(model.supported_endpoints)
                for model in models
                if model.supported_endpoints
            }


class _Model(msgspec.Struct):
    id: str = ""
    supported_endpoints: list[str] | None = None


class _Models(msgspec.Struct):
    data: list[_Model] = []


def _api_of(fields: dict[str, Any], token_url: str, label: str) -> str:
    """`endpoints.api` as a base URL; empty if there is none. The token is sent there, so it must be
    https where the exchange was.
    """
    endpoints = fields.get("endpoints")
    api = endpoints.get("api") if isinstance(endpoints, dict) else None
    if not isinstance(api, str) or not api:
        return ""
    parts = urlsplit(api)
    safe = parts.scheme == "https" or (
        parts.scheme == "http" and urlsplit(token_url).scheme == "http"
    )
    if (
        not safe
        or not parts.hostname
        or parts.username is not None
        or parts.query
        or parts.fragment
    ):
        raise CredentialError(
            Outcome.SERVER_ERROR,
            f"{label}: the exchange named an API host that is no plain https URL",
        )
    return api.rstrip("/")
