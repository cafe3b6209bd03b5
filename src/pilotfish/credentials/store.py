"""Makes a provider's credentials, by its authentication scheme, and keeps them over changes of the
rules.

The modules of a scheme are imported when rules that need them are loaded, never by a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

from pilotfish.core.exchange.request_url import auth_of, own_auth
from pilotfish.core.model.provider import Auth
from pilotfish.core.model.service import Provider, SecretRef
from pilotfish.credentials.keys import CredentialContext, CredentialError, Key, NoKey
from pilotfish.credentials.static import BEARER, StaticKey

# Which module proves that an extra is installed.
MODULES = {
    "aws": "botocore",
    "azure": "azure.identity",
    "google": "google.auth",
    "socks": "python_socks",
}


class Credentials:
    """A provider's keys, in the order in which the ledger numbers them: `max(1,
    len(provider.tokens))` of them.
    """

    def __init__(self, provider: Provider, context: CredentialContext) -> None:
        refs: tuple[SecretRef | None, ...] = provider.tokens or (None,)
        self.keys: tuple[Key, ...] = tuple(_key(provider, ref, context) for ref in refs)

    async def retire(self) -> None:
        """Closes the keys when no request waits for them any more, so that a change of rules fails
        no request.
        """
        for key in self.keys:
            await key.settle()
        await self.close()

    async def close(self) -> None:
        for key in self.keys:
            await key.close()


class CredentialStore:
    """The credentials of all providers in force. Tokens are kept over a change of rules that does
    not concern them.
    """

    def __init__(self, context: CredentialContext) -> None:
        self._context = context
        self._known: dict[str, tuple[tuple[Any, ...], Credentials]] = {}

    def of(self, provider: Provider) -> Credentials:
        """The credentials of a provider, made at the first call. Raises ValueError for options that
        no credential can be made of.
        """
        found = self._known.get(provider.name)
        facts = _facts(provider)
        if found is None or found[0] != facts:
            found = self._known[provider.name] = (facts, Credentials(provider, self._context))
        return found[1]

    async def adopt(self, providers: Iterable[Provider]) -> None:
        """Called when these providers come into force: retires the credentials of providers that
        are gone or have changed.
        """
        wanted = {provider.name: _facts(provider) for provider in providers}
        gone = [
            self._known.pop(name)[1]
            for name, (facts, _) in list(self._known.items())
            if wanted.get(name) != facts
        ]
        for credentials in gone:
            await credentials.retire()

    async def close(self) -> None:
        """At the end of the program: closes all at once."""
        while self._known:
            await self._known.popitem()[1][1].close()


def problems_of(
    provider: Provider, context: CredentialContext, installed: Callable[[str], bool] | None = None
) -> list[str]:
    """What keeps this provider from ever having a credential, in words for the rules' author."""
    problems = []
    extra = provider.kind.extra
    if extra and _needs_extra(provider, context) and not (installed or _installed)(extra):
        problems.append(
            f"kind {provider.kind.name!r} needs a library for these credentials: "
            f"pip install 'pilotfish[{extra}]'"
        )
    if provider.proxy_url.startswith("socks") and not (installed or _installed)("socks"):
        problems.append("proxy_url: a SOCKS proxy needs a library: pip install 'pilotfish[socks]'")
    try:
        Credentials(provider, context)
    except (ValueError, CredentialError) as e:
        problems.append(str(e))
    return problems


def _needs_extra(provider: Provider, context: CredentialContext) -> bool:
    match auth_of(provider).scheme:
        case "aws_sigv4":
            from pilotfish.credentials import aws

            return aws.needs_extra(provider, context.environ)
        case "entra":
            from pilotfish.credentials import entra

            return entra.needs_extra(provider)
        case scheme:
            return scheme == "google" and not provider.tokens


def _installed(extra: str) -> bool:
    try:
        return find_spec(MODULES[extra]) is not None
    except ModuleNotFoundError:
        return False


def _key(provider: Provider, ref: SecretRef | None, context: CredentialContext) -> Key:
    if own_auth(provider):
        return NoKey()
    if provider.auth_type == "oauth" and provider.oauth is not None:
        from pilotfish.credentials.oauth import oauth_key

        return oauth_key(provider, provider.oauth, context)
    auth = auth_of(provider)
    maker = _MAKERS.get(auth.scheme)
    if maker is None:
        raise ValueError(
            f"provider {provider.name!r}: unknown authentication scheme {auth.scheme!r}; "
            f"known: {', '.join(sorted(_MAKERS))}"
        )
    return maker(provider, ref, auth, context)


def _plain(
    provider: Provider, ref: SecretRef | None, auth: Auth, context: CredentialContext
) -> Key:
    return StaticKey(ref, auth, context) if ref is not None else NoKey()


def _aws(provider: Provider, ref: SecretRef | None, auth: Auth, context: CredentialContext) -> Key:
    if ref is not None:
        return StaticKey(ref, BEARER, context)
    from pilotfish.credentials.aws import aws_key

    return aws_key(provider, context)


def _entra(
    provider: Provider, ref: SecretRef | None, auth: Auth, context: CredentialContext
) -> Key:
    from pilotfish.credentials.entra import entra_key

    return entra_key(provider, context)


def _google(
    provider: Provider, ref: SecretRef | None, auth: Auth, context: CredentialContext
) -> Key:
    from pilotfish.credentials.google import google_key

    return google_key(provider, ref, context)


def _copilot(
    provider: Provider, ref: SecretRef | None, auth: Auth, context: CredentialContext
) -> Key:
    if ref is None:
        raise ValueError(
            f"provider {provider.name!r}: kind {provider.kind.name!r} needs a `token`: "
            "a GitHub token to exchange"
        )
    from pilotfish.credentials.copilot import CopilotKey

    return CopilotKey(provider, ref, context)


_MAKERS: dict[str, Callable[[Provider, SecretRef | None, Auth, CredentialContext], Key]] = {
    "key": _plain,
    "aws_sigv4": _aws,
    "entra": _entra,
    "google": _google,
    "copilot": _copilot,
}


def _facts(provider: Provider) -> tuple[Any, ...]:
    """What credentials are made of: those of two providers with equal facts are the same."""
    return (
        provider.kind.name,
        provider.base,
        provider.tokens,
        provider.auth_type,
        provider.oauth,
        provider.headers,
        provider.proxy_url,
        provider.ca_file,
        dict(provider.options),
    )
