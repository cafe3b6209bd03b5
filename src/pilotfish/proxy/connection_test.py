"""The connection test of a provider: one request that costs nothing, or, for a model that is named,
one token. Its result says how far it came: to the host, past authentication, to a useful answer.

`pilotfish probe` shows it to people; the prober (`proxy.prober`) reports it to the ledger.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pilotfish import styles
from pilotfish.core.exchange.redact import redact, secrets_in
from pilotfish.core.exchange.request_url import (
    auth_of,
    fixed_headers,
    origin_of,
    own_auth,
    secrets_of_rules,
)
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Provider
from pilotfish.core.state.classify import DENIED, denied, failure_of
from pilotfish.core.state.retry_after import value_of
from pilotfish.credentials import CredentialError, Key, SignedCall
from pilotfish.credentials.fetch import Fetcher, FetchError, HttpAnswer
from pilotfish.credentials.keys import NoKey
from pilotfish.errors import ClientError
from pilotfish.http1.exchange import Header
from pilotfish.http1.origin import Origin, host_header

TIMEOUT_S = 10.0
UNAUTHORIZED = 401
WITHOUT_SCOPE = ("missing scope", "insufficient permission")
# What models say that think and get no further with one token: they answered all the same.
AT_ITS_LIMIT = ("output limit was reached", "max_tokens or model output limit")
MAX_MESSAGE = 300

CONNECTIVITY, AUTHENTICATION, PROVIDER, UNSUPPORTED = (
    "connectivity",
    "authentication",
    "provider",
    "unsupported",
)


class _Verdict(NamedTuple):
    """What an answer, or that none came, says of a provider: the fields of `ProbeResult` that
    depend on it.
    """

    ok: bool
    stage: str
    status: int | None
    message: str
    outcome: Outcome | None
    wait_s: float | None = None


class ProbeResult(NamedTuple):
    """`stage`: how far it came, or where it failed. `status`: None where no answer came. `outcome`:
    the same for the ledger; None where only a real request can tell. `wait_s`: how many seconds the
    vendor asks to wait. `keys`: where there are several, what was found for each.
    """

    provider: str
    ok: bool
    stage: str
    status: int | None
    latency_ms: int
    message: str
    outcome: Outcome | None = None
    wait_s: float | None = None
    keys: tuple[dict[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The form of `pilotfish probe --format json`."""
        told = {
            name: getattr(self, name)
            for name in ("provider", "ok", "stage", "status", "latency_ms", "message")
        }
        return {**told, "keys": list(self.keys)} if self.keys else told


async def probe(
    provider: Provider,
    keys: Sequence[Key],
    fetcher: Fetcher,
    timeout_s: float = TIMEOUT_S,
    chat: str = "",
) -> ProbeResult:
    """Tests one provider with each of its keys. `chat`: a model that is asked for one token; empty:
    nothing that costs. With several keys it is ok if all are, else the result is that of the first
    that failed; what was found is said for each.
    """
    results = await asyncio.gather(
        *(probe_key(provider, key, fetcher, timeout_s, chat) for key in keys)
    )
    if len(results) == 1:
        return results[0]
    found = tuple(
        {
            "key": key.label,
            **{n: v for n, v in result.as_dict().items() if n not in ("provider", "keys")},
        }
        for key, result in zip(keys, results, strict=True)
    )
    bad = [result for result in results if not result.ok]
    if not bad:
        message = f"{results[0].message} (all {len(results)} keys)"
        return results[0]._replace(message=message, keys=found)
    each = "; ".join(_of_key(key, result) for key, result in zip(keys, results, strict=True))
    return bad[0]._replace(message=f"{len(bad)} of {len(results)} keys failed; {each}", keys=found)


def _of_key(key: Key, result: ProbeResult) -> str:
    message = result.message
    return message if message.startswith(key.label) else f"{key.label}: {message}"


def _on_a_line(words: str) -> str:
    """A vendor's message on one line and without control characters, for a terminal."""
    return "".join(
        c if c.isprintable() else "?" for c in " ".join(words[: 2 * MAX_MESSAGE].split())
    )


async def probe_key(
    provider: Provider,
    key: Key,
    fetcher: Fetcher,
    timeout_s: float = TIMEOUT_S,
    chat: str = "",
) -> ProbeResult:
    """Tests one provider with one key. Never raises."""
    began = time.monotonic()
    verdict = await _verdict(provider, key, fetcher, timeout_s, chat)
    return ProbeResult(
        provider.name,
        verdict.ok,
        verdict.stage,
        verdict.status,
        round((time.monotonic() - began) * 1000),
        _on_a_line(verdict.message)[:MAX_MESSAGE],
        verdict.outcome,
        verdict.wait_s,
    )


async def _verdict(
    provider: Provider, key: Key, fetcher: Fetcher, timeout_s: float, chat: str
) -> _Verdict:
    if _lacks_a_key(provider, key):
        return _Verdict(False, AUTHENTICATION, None, "no key is configured", Outcome.AUTH_FAILED)
    try:
        async with asyncio.timeout(timeout_s):
            answer, headers = await _ask(provider, key, fetcher, timeout_s, chat)
    except ClientError as e:
        return _Verdict(False, UNSUPPORTED, None, e.message, None)
    except CredentialError as e:
        is_away = e.outcome in (Outcome.CONNECT_FAILED, Outcome.TIMEOUT)
        stage = CONNECTIVITY if is_away else AUTHENTICATION
        return _Verdict(False, stage, None, str(e), e.outcome)
    except FetchError as e:
        was_late = e.kind in ("timeout", "connect_timeout")
        outcome = Outcome.TIMEOUT if was_late else Outcome.CONNECT_FAILED
        return _Verdict(False, CONNECTIVITY, None, str(e), outcome)
    except TimeoutError:
        message = f"no answer within {timeout_s:g} s"
        return _Verdict(False, CONNECTIVITY, None, message, Outcome.TIMEOUT)
    secrets = secrets_in((*headers, *secrets_of_rules(provider)))
    return _judged(provider, answer._replace(body=redact(answer.body, secrets)), chat)


def _lacks_a_key(provider: Provider, key: Key) -> bool:
    return (
        isinstance(key, NoKey)
        and provider.kind.needs_key
        and not provider.no_key_required
        and not own_auth(provider)
    )


async def _ask(
    provider: Provider, key: Key, fetcher: Fetcher, timeout_s: float, chat: str
) -> tuple[HttpAnswer, tuple[Header, ...]]:
    """The answer to the probe, and the headers that authenticated it. Raises ClientError where the
    provider has no chat for this model.
    """
    headers = await _authentication(key, _call(provider, key, chat))
    call = _call(provider, key, chat)  # a token may have named another host
    answer = await _send(provider, call, headers, fetcher, timeout_s)
    if answer.status == 401 and key.refused(headers):
        # A key that was rotated or a token that was revoked: once more with the new one, as
        # requests do.
        headers = await _authentication(key, call)
        answer = await _send(provider, call, headers, fetcher, timeout_s)
    return answer, headers


class _Call(NamedTuple):
    method: str
    url: str
    headers: tuple[Header, ...]
    body: bytes = b""


def _call(provider: Provider, key: Key, chat: str) -> _Call:
    if not chat:
        return _Call("GET", probe_url(provider, key), fixed_headers(provider))
    from pilotfish.proxy.chat_test import chat_call

    made = chat_call(provider, key, chat)
    if made is None:
        raise ClientError(
            400, "unsupported", f"kind {provider.kind.name!r} has no chat for {chat!r}"
        )
    return _Call("POST", made.url, made.headers, made.body)


def probe_url(provider: Provider, key: Key) -> str:
    """The URL that the provider's kind names for probes; else its base URL, where any answer proves
    a connection.
    """
    base = key.base() or provider.base
    if provider.kind.probe_from is not None:
        return provider.kind.probe_from(base, provider.options)
    return base + (provider.kind.probe or "")


async def _authentication(key: Key, call: _Call) -> tuple[Header, ...]:
    parts = urlsplit(call.url)
    host = host_header(Origin(*origin_of(call.url)))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    signed = SignedCall(call.method, host, target, call.body)
    headers = key.headers(signed)
    if headers is None:
        await key.fetch()
        headers = key.headers(signed)
    if headers is None:
        raise CredentialError(Outcome.AUTH_FAILED, f"{key.label}: no credential at hand")
    return headers


async def _send(
    provider: Provider,
    call: _Call,
    secret: Iterable[Header],
    fetcher: Fetcher,
    timeout_s: float,
) -> HttpAnswer:
    return await fetcher.fetch(
        call.method,
        call.url,
        [(b"accept", b"application/json"), *call.headers, *secret],
        call.body,
        timeout_s=timeout_s,
        proxy_url=provider.proxy_url,
        ca_file=provider.ca_file,
    )


def _judged(provider: Provider, answer: HttpAnswer, chat: str) -> _Verdict:
    status = answer.status
    if not chat and provider.kind.probe is None and provider.kind.probe_from is None:
        message = "reachable; this vendor has no call that tests a key free of charge"
        return _Verdict(True, UNSUPPORTED, status, message, None)
    if 200 <= status < 300:
        message = f"{chat} answered" if chat else provider.kind.tested
        return _Verdict(True, AUTHENTICATION, status, f"ok: {message}", Outcome.SERVED)
    error = _error_of(provider, answer)
    if chat and status == 400 and any(words in error.message for words in AT_ITS_LIMIT):
        message = f"ok: {chat} answered, and thought for longer than one token"
        return _Verdict(True, AUTHENTICATION, status, message, Outcome.SERVED)
    if not chat and _may_not_list(status, error):
        message = "ok: the key is known, and may not list models (--chat MODEL tests it with one)"
        return _Verdict(True, AUTHENTICATION, status, message, None)
    failure = failure_of(provider.kind, status, answer.headers, error, time.time())
    if status == 429:
        message = "ok: rate limited, so the key works"
        return _Verdict(True, AUTHENTICATION, status, message, Outcome.RATE_LIMITED, failure.wait_s)
    if failure.outcome is Outcome.AUTH_FAILED:
        # Vendors quote the refused key, or parts of it: their words are left out.
        is_key = auth_of(provider).scheme == "key"
        message = "the key was refused" if is_key else "the credentials were refused"
        if failure.code:
            message += f" ({failure.code})"
        return _Verdict(False, AUTHENTICATION, status, message, failure.outcome)
    message = f"unexpected status {status}: {failure.message}"
    return _Verdict(False, PROVIDER, status, message, failure.outcome, failure.wait_s)


def _may_not_list(status: int, error: ErrorInfo) -> bool:
    """A key without the scope of this call is denied with 403, by some vendors with 401."""
    if status == DENIED:
        return denied(error) is Outcome.NOT_FOUND
    message = error.message.lower()
    return status == UNAUTHORIZED and any(words in message for words in WITHOUT_SCOPE)


def _error_of(provider: Provider, answer: HttpAnswer) -> ErrorInfo:
    try:
        return styles.get(provider.style).read_error(
            answer.status, answer.body, value_of(answer.headers, b"x-amzn-errortype") or ""
        )
    except ValueError:
        return ErrorInfo(message=f"the upstream answered {answer.status}")
