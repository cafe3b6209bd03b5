"""One request to a token endpoint: returns a JSON object or raises CredentialError. No message
quotes a body, which holds tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import msgspec

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Provider
from pilotfish.credentials.fetch import FetchError, HttpAnswer
from pilotfish.credentials.keys import CredentialContext, CredentialError

FORM = (b"content-type", b"application/x-www-form-urlencoded")
JSON = (b"content-type", b"application/json")
ACCEPT_JSON = (b"accept", b"application/json")

# Error codes of RFC 6749 5.2 and of AWS: letters only, and so short that no secret looks like one.
_CODE = re.compile(r"[A-Za-z][A-Za-z_.]{2,47}")


def form(fields: Iterable[tuple[str, str]]) -> bytes:
    """An application/x-www-form-urlencoded body."""
    return urlencode(list(fields)).encode()


async def ask(
    context: CredentialContext,
    provider: Provider,
    label: str,
    method: str,
    url: str,
    headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes = b"",
) -> HttpAnswer:
    """An answer with a 2xx status. Raises CredentialError for any other status, and where none
    came.
    """
    try:
        answer = await context.fetcher.fetch(
            method, url, headers, body, proxy_url=provider.proxy_url, ca_file=provider.ca_file
        )
    except FetchError as e:
        outcome = (
            Outcome.TIMEOUT if e.kind in ("timeout", "connect_timeout") else Outcome.CONNECT_FAILED
        )
        raise CredentialError(outcome, f"{label}: {e}") from e
    if 200 <= answer.status < 300:
        return answer
    code = _code_of(answer.body)
    raise CredentialError(
        _outcome(answer.status),
        f"{label}: the token endpoint answered {answer.status}{f' ({code})' if code else ''}",
    )


def object_of(label: str, answer: HttpAnswer) -> dict[str, Any]:
    """The answer as a JSON object. Raises CredentialError where it is none."""
    try:
        value = msgspec.json.decode(answer.body, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise CredentialError(
            Outcome.SERVER_ERROR, f"{label}: the token endpoint's answer is no JSON object"
        ) from None
    return value


def text_in(label: str, fields: dict[str, Any], name: str) -> str:
    """A field that must be there. Raises CredentialError where it is not."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise CredentialError(
            Outcome.SERVER_ERROR, f"{label}: the token endpoint's answer has no {name!r}"
        )
    return value


def seconds_in(fields: dict[str, Any], name: str) -> float | None:
    """A number of seconds, or None. Some endpoints write it as text."""
    value = fields.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return (
        float(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e12
        else None
    )


def _outcome(status: int) -> Outcome:
    if status == 429:
        return Outcome.RATE_LIMITED
    return Outcome.AUTH_FAILED if 400 <= status < 500 else Outcome.OVERLOADED


def _code_of(body: bytes) -> str:
    try:
        fields = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        m = re.search(rb"<Code>([A-Za-z]{3,48})</Code>", body)  # AWS answers in XML
        return m[1].decode() if m else ""
    error = fields.get("error")
    code = error.get("type") or error.get("status") if isinstance(error, dict) else error
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""
