"""Microsoft Entra tokens for Azure: a service principal's, or what Azure's default search finds."""

from __future__ import annotations

from urllib.parse import quote

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Provider
from pilotfish.credentials.expiring import ExpiringKey, Token
from pilotfish.credentials.keys import CredentialContext, CredentialError, Key
from pilotfish.credentials.sdk_transport import AzureTransport, SdkTransport, in_a_thread
from pilotfish.credentials.secrets import secret_of
from pilotfish.credentials.token_endpoint import (
    ACCEPT_JSON,
    FORM,
    ask,
    form,
    object_of,
    seconds_in,
    text_in,
)

SCOPE = "https://ai.azure.com/.default"
AUTHORITY = "https://login.microsoftonline.com"
# Entra's tokens live 60 to 90 minutes; the endpoint always says how long.
LIFETIME_S = 3600.0
# For all of Azure's default search, which asks one source after the other.
SEARCH_S = 30.0


def entra_key(provider: Provider, context: CredentialContext) -> Key:
    return (
        _default(provider, context)
        if needs_extra(provider)
        else _service_principal(provider, context)
    )


def needs_extra(provider: Provider) -> bool:
    """Whether Microsoft's library is needed, which makes the default search."""
    options = provider.options
    return options.get("auth_mode") == "default_azure_credential" or bool(
        options.get("use_identity")
    )


def _service_principal(provider: Provider, context: CredentialContext) -> Key:
    """The client credentials grant (page "OAuth 2.0 client credentials flow on the Microsoft
    identity platform", 2026-11).
    """
    options = provider.options
    label = f"Entra token of {provider.name!r}"
    missing = [
        name for name in ("tenant_id", "client_id", "client_secret") if not options.get(name)
    ]
    if missing:
        raise ValueError(
            f"provider {provider.name!r}: auth_mode service_principal needs "
            f"options.{', options.'.join(missing)}"
        )
    authority = str(
        options.get("authority") or context.environ.get("AZURE_AUTHORITY_HOST") or AUTHORITY
    ).rstrip("/")
    if "://" not in authority:
        authority = f"https://{authority}"
    url = f"{authority}/{quote(str(options['tenant_id']), safe='')}/oauth2/v2.0/token"
    secret = secret_of(options["client_secret"], context)
    assert secret is not None

    async def get() -> Token:
        value = secret.value()
        if not value:
            raise secret.missing()
        request = {
            "grant_type": "client_credentials",
            "client_id": str(options["client_id"]),
            "client_secret": value,
            "scope": str(options.get("scope") or SCOPE),
        }
        answer = await ask(
            context, provider, label, "POST", url, (FORM, ACCEPT_JSON), form(request.items())
        )
        fields = object_of(label, answer)
        return Token(
            text_in(label, fields, "access_token"),
            context.wall() + (seconds_in(fields, "expires_in") or LIFETIME_S),
        )

    return ExpiringKey(label, get, context)


def _default(provider: Provider, context: CredentialContext) -> Key:
    options = provider.options
    label = f"Azure default credential of {provider.name!r}"
    scope = str(options.get("scope") or SCOPE)

    def blocking(sdk_transport: SdkTransport) -> Token:
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity import DefaultAzureCredential

        identity = (
            {"managed_identity_client_id": str(options["client_id"])}
            if options.get("client_id")
            else {}
        )
        # Made for each token, since it would give the one that it keeps in memory. Retries are
        # made here, with one backoff for all.
        search = DefaultAzureCredential(
            transport=AzureTransport(sdk_transport), retry_total=0, **identity
        )
        try:
            token = search.get_token(scope)
        except ClientAuthenticationError:
            # Its message is a page long, and names every source that was tried with what each
            # answered.
            if sdk_transport.trouble is not None:
                raise CredentialError(
                    sdk_transport.trouble,
                    f"{label}: the token endpoint cannot be reached, or failed",
                ) from None
            raise CredentialError(
                Outcome.AUTH_FAILED, f"{label}: none of Azure's credential sources gave a token"
            ) from None
        finally:
            search.close()
        return Token(token.token, float(token.expires_on))

    async def get() -> Token:
        return await in_a_thread(label, provider, context, SEARCH_S, blocking)

    return ExpiringKey(label, get, context)
