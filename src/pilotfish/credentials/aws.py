"""AWS credentials: configured keys, an assumed role's, a web identity's (EKS), or what AWS's
default search finds; and the headers that sign a request with them.

Roles and web identities are two calls to the Security Token Service, made here. Only the default
search (profiles, SSO, ECS, EC2) is left to botocore.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from pilotfish.core.exchange.request_url import auth_of
from pilotfish.core.exchange.signatures import AwsKeys, sign
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Provider
from pilotfish.credentials.expiring import ExpiringKey, Token
from pilotfish.credentials.keys import (
    CredentialContext,
    CredentialError,
    Headers,
    Key,
    PlainKey,
    SignedCall,
)
from pilotfish.credentials.secrets import secret_of
from pilotfish.credentials.token_endpoint import FORM, ask, form

DEFAULT_REGION = "us-east-1"
_REGION_IN_HOST = re.compile(
    r"\.([a-z]{2}(?:-[a-z]+)+-[0-9])\.(?:vpce\.)?(?:amazonaws\.com|api\.aws)"
)
# A role's default session, where the answer does not say when it ends.
LIFETIME_S = 3600
# For all of AWS's default search, which asks one source after the other.
SEARCH_S = 30.0


def aws_key(provider: Provider, context: CredentialContext) -> Key:
    """The credential that the options describe, the most explicit first: keys, `role_arn` on top of
    them, a profile; else what the environment holds.
    """
    region = region_of(provider, context.environ)
    static = _static(provider, context)
    role = provider.options.get("role_arn")
    if provider.options.get("use_role") and not role:
        raise ValueError(f"provider {provider.name!r}: use_role needs options.role_arn")
    source = static or _searched(provider, context, region)
    if role:
        source = _Role(provider, context, region, source)
    service = auth_of(provider).service
    if isinstance(source, _Signing):
        source.service = service
        return source
    return _Static(source, region, service, context)


def needs_extra(provider: Provider, environ: Mapping[str, str]) -> bool:
    """Whether botocore is needed: true where neither the rules nor the environment name the keys
    themselves.
    """
    return (
        not provider.tokens
        and not provider.options.get("access_key")
        and not _plain_environment(provider, environ)
    )


def region_of(provider: Provider, environ: Mapping[str, str]) -> str:
    """The region to sign for: from the options, else from the host's name, else from the
    environment.
    """
    in_host = _REGION_IN_HOST.search(urlsplit(provider.base).hostname or "")
    configured = provider.options.get("region") or (in_host[1] if in_host else "")
    return str(
        configured
        or environ.get("AWS_REGION")
        or environ.get("AWS_DEFAULT_REGION")
        or DEFAULT_REGION
    )


KeysNow = Callable[[], AwsKeys | None]


class _Given:
    """Long-lived keys, read again when their files change."""

    def __init__(self, label: str, now: KeysNow) -> None:
        self.label, self.now = label, now


class _Static(PlainKey):
    """Signs with long-lived keys."""

    def __init__(
        self, given: _Given, region: str, service: str, context: CredentialContext
    ) -> None:
        self.label, self._given, self._context = given.label, given, context
        self._region, self._service = region, service
        self._last: AwsKeys | None = None
        self._bad: AwsKeys | None = None
        self._was_asked = False

    def headers(self, call: SignedCall | None) -> Headers | None:
        keys = self._last = self._given.now()
        self._was_asked = True
        return (
            None
            if keys is None
            else signed(call, keys, self._region, self._service, self._context.wall())
        )

    async def fetch(self) -> None:
        if self._given.now() is None:
            raise CredentialError(
                Outcome.AUTH_FAILED,
                f"{self.label}: an access key and a secret key are needed, one is missing or empty",
            )

    def refused(self, sent: Headers) -> bool:
        self._bad = self._last
        return self._given.now() not in (None, self._last)

    def replaced(self) -> bool:
        return self._was_asked and self._given.now() not in (None, self._bad)


class _Signing(ExpiringKey):
    """Signs with keys that expire. The token's value is the secret key; the access key and the
    session token are in `keys`. `service`: what the signatures are for.
    """

    service = ""

    def __init__(
        self,
        label: str,
        get: Callable[[], Awaitable[tuple[AwsKeys, float | None]]],
        region: str,
        context: CredentialContext,
    ) -> None:
        self.region = region
        self._get_keys = get
        self.keys: AwsKeys | None = None
        super().__init__(label, self._get_token, context)

    async def _get_token(self) -> Token:
        keys, expires_at = await self._get_keys()
        self.keys = keys
        return Token(keys.secret_key, expires_at)

    def headers(self, call: SignedCall | None) -> Headers | None:
        if super().headers(None) is None or self.keys is None:
            return None
        return signed(call, self.keys, self.region, self.service, self._context.wall())

    def refused(self, sent: Headers) -> bool:
        # Signatures differ from call to call; the access key in them shows whether the keys do.
        current = self.keys
        stale = current is not None and not any(
            name == b"authorization" and current.access_key.encode() in value
            for name, value in sent
        )
        return stale or super().refused(self._headers or ())

    async def now(self) -> AwsKeys:
        if super().headers(None) is None:
            await self.fetch()
        assert self.keys is not None
        return self.keys


class _Role(_Signing):
    """Keys of an assumed role (API reference "AssumeRole")."""

    def __init__(
        self, provider: Provider, context: CredentialContext, region: str, source: _Given | _Signing
    ) -> None:
        self._provider, self._assumed_with = provider, source
        super().__init__(f"AWS role of {provider.name!r}", self._assume, region, context)

    async def _assume(self) -> tuple[AwsKeys, float | None]:
        options = self._provider.options
        keys = (
            self._assumed_with.now()
            if isinstance(self._assumed_with, _Given)
            else await self._assumed_with.now()
        )
        if keys is None:
            raise CredentialError(
                Outcome.AUTH_FAILED,
                f"{self.label}: the keys to assume it with are missing or empty",
            )
        fields = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": str(options["role_arn"]),
            "RoleSessionName": str(options.get("role_session_name") or "pilotfish"),
            "DurationSeconds": str(LIFETIME_S),
        }
        if options.get("external_id"):
            fields["ExternalId"] = str(options["external_id"])
        return await _sts(self._provider, self._context, self.label, self.region, fields, keys)

    async def close(self) -> None:
        if isinstance(self._assumed_with, _Signing):
            await self._assumed_with.close()
        await super().close()


def _static(provider: Provider, context: CredentialContext) -> _Given | None:
    access, secret, session = (
        secret_of(provider.options.get(n), context)
        for n in ("access_key", "secret_key", "session_token")
    )
    if access is None:
        return None
    if secret is None:
        raise ValueError(f"provider {provider.name!r}: options.access_key needs options.secret_key")

    def now() -> AwsKeys | None:
        keys = AwsKeys(
            access.value(), secret.value(), session.value() if session is not None else ""
        )
        return keys if keys.access_key and keys.secret_key else None

    return _Given(f"AWS keys of {provider.name!r}", now)


def _plain_environment(provider: Provider, environ: Mapping[str, str]) -> bool:
    if provider.options.get("profile"):
        return False
    keys = environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY")
    return bool(
        keys or (environ.get("AWS_ROLE_ARN") and environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"))
    )


def _searched(provider: Provider, context: CredentialContext, region: str) -> _Given | _Signing:
    environ = context.environ
    if not _plain_environment(provider, environ):
        return _botocore(provider, context, region)
    if environ.get("AWS_ACCESS_KEY_ID"):
        keys = AwsKeys(
            environ["AWS_ACCESS_KEY_ID"],
            environ["AWS_SECRET_ACCESS_KEY"],
            environ.get("AWS_SESSION_TOKEN", ""),
        )
        return _Given("environment variable AWS_ACCESS_KEY_ID", lambda: keys)
    label = f"AWS web identity of {provider.name!r}"

    async def get() -> tuple[AwsKeys, float | None]:
        try:
            with open(environ["AWS_WEB_IDENTITY_TOKEN_FILE"], encoding="ascii") as file:  # noqa: ASYNC230  # a projected volume, in memory
                token = file.read().strip()
        except (OSError, UnicodeDecodeError) as e:
            raise CredentialError(
                Outcome.AUTH_FAILED, f"{label}: its token file cannot be read ({type(e).__name__})"
            ) from None
        fields = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": environ["AWS_ROLE_ARN"],
            "RoleSessionName": environ.get("AWS_ROLE_SESSION_NAME") or "pilotfish",
            "WebIdentityToken": token,
        }
        return await _sts(provider, context, label, region, fields, None)

    return _Signing(label, get, region, context)


def _botocore(provider: Provider, context: CredentialContext, region: str) -> _Signing:
    label = f"AWS default credentials of {provider.name!r}"

    def blocking() -> tuple[AwsKeys, float | None]:
        from botocore import exceptions
        from botocore.session import Session

        # Neither refused nor absent: the metadata server, the container's agent or the token
        # service could not be reached, or failed.
        unreachable = (
            exceptions.CredentialRetrievalError,
            exceptions.HTTPClientError,
            exceptions.ConnectionError,
        )
        try:
            # A session for each search: what it keeps in memory are the keys that are to be
            # replaced.
            profile = provider.options.get("profile")
            credentials = Session(profile=str(profile) if profile else None).get_credentials()
            if credentials is None:
                raise CredentialError(Outcome.AUTH_FAILED, f"{label}: none found")
            frozen = credentials.get_frozen_credentials()
        except unreachable as e:
            raise CredentialError(Outcome.CONNECT_FAILED, f"{label}: {type(e).__name__}") from None
        except (exceptions.BotoCoreError, exceptions.ClientError) as e:
            raise CredentialError(Outcome.AUTH_FAILED, f"{label}: {type(e).__name__}") from None
        expiry = getattr(
            credentials, "_expiry_time", None
        )  # only those that expire have it; there is no public name for it
        keys = AwsKeys(frozen.access_key, frozen.secret_key, frozen.token or "")
        return keys, expiry.timestamp() if isinstance(expiry, datetime) else None

    async def get() -> tuple[AwsKeys, float | None]:
        try:
            async with asyncio.timeout(SEARCH_S):
                return await asyncio.to_thread(blocking)
        except TimeoutError:
            raise CredentialError(Outcome.TIMEOUT, f"{label}: none within {SEARCH_S:g} s") from None

    return _Signing(label, get, region, context)


async def _sts(
    provider: Provider,
    context: CredentialContext,
    label: str,
    region: str,
    fields: Mapping[str, str],
    keys: AwsKeys | None,
) -> tuple[AwsKeys, float | None]:
    """One call to the Security Token Service, signed where keys are given. Returns credentials and
    when they expire, in epoch seconds.
    """
    configured = provider.options.get("sts_endpoint") or context.environ.get("AWS_ENDPOINT_URL_STS")
    url = (
        str(
            configured
            or f"https://sts.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
        ).rstrip("/")
        + "/"
    )
    body = form(fields.items())
    headers: Headers = (FORM,)
    if keys is not None:
        call = SignedCall("POST", urlsplit(url).netloc, "/", body)
        headers = (FORM, *signed(call, keys, region, "sts", context.wall()))
    answer = await ask(context, provider, label, "POST", url, headers, body)
    text = answer.body.decode("utf-8", "replace")
    parts = [
        _element(text, name)
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    ]
    if not all(parts[:3]):
        raise CredentialError(
            Outcome.SERVER_ERROR, f"{label}: the token service's answer holds no credentials"
        )
    try:
        expires_at = datetime.fromisoformat(parts[3]).timestamp()
    except ValueError:
        expires_at = context.wall() + LIFETIME_S
    return AwsKeys(parts[0], parts[1], parts[2]), expires_at


def _element(text: str, name: str) -> str:
    m = re.search(rf"<{name}>\s*([^<>\s]+)\s*</{name}>", text)
    return m[1] if m else ""


def signed(
    call: SignedCall | None, keys: AwsKeys, region: str, service: str, now_wall: float
) -> Headers:
    """The headers of a signature. It covers only what surely arrives unchanged: host, date and
    token.
    """
    if call is None:
        raise ValueError("a signature covers the call, which was not given")
    added = sign(
        call.method,
        call.host,
        call.target,
        (),
        call.body,
        keys,
        region=region,
        service=service,
        now_wall=now_wall,
    )
    return tuple((name.encode(), value.encode()) for name, value in added)
