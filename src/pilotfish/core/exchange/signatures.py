"""AWS Signature Version 4: computes the headers that sign a request.

Source: AWS General Reference, "Create a signed AWS API request", and its test suite. The exceptions
for S3 are not implemented, since no call goes there.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_SPACES = re.compile(r"\s+")


class AwsKeys(NamedTuple):
    """AWS credentials; `session_token` is empty for long-lived ones. The repr shows no secret."""

    access_key: str
    secret_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"AwsKeys({self.access_key[:4]}...)"


def sign(
    method: str,
    host: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    keys: AwsKeys,
    *,
    region: str,
    service: str,
    now_wall: float,
) -> tuple[tuple[str, str], ...]:
    """The headers to add to a request: `x-amz-date`, `authorization`, and `x-amz-security-token` if
    the credentials have a session token.

    `target`: path and query as sent, percent-encoded. `headers`: (name, value) to sign beside
    `host`; only headers that no proxy on the way changes. `now_wall`: epoch seconds; AWS refuses a
    signature that is more than five minutes off.
    """
    when = datetime.fromtimestamp(now_wall, UTC)
    stamp, day = when.strftime("%Y%m%dT%H%M%SZ"), when.strftime("%Y%m%d")
    added = [("x-amz-date", stamp)]
    if keys.session_token:
        added.append(("x-amz-security-token", keys.session_token))
    canonical, signed = canonical_request(method, target, [("host", host), *headers, *added], body)
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(
        signing_key(keys.secret_key, day, region, service), to_sign.encode(), hashlib.sha256
    ).hexdigest()
    credential = f"Credential={keys.access_key}/{scope}"
    authorization = f"{ALGORITHM} {credential}, SignedHeaders={signed}, Signature={signature}"
    return (*added, ("authorization", authorization))


def canonical_request(
    method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes
) -> tuple[str, str]:
    """(canonical request, names of the signed headers), as the signing algorithm defines them."""
    path, _, query = target.partition("?")
    merged: dict[str, list[str]] = {}
    for name, value in headers:
        merged.setdefault(name.lower(), []).append(_SPACES.sub(" ", value.strip()))
    names = sorted(merged)
    lines = "".join(f"{name}:{','.join(merged[name])}\n" for name in names)
    signed = ";".join(names)
    digest = hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256
    parts = (method, _canonical_path(path), _canonical_query(query), lines, signed, digest)
    return "\n".join(parts), signed


@lru_cache(maxsize=64)
def signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    """The signing key of one day, region and service: four rounds of HMAC. Cached, since it is
    valid for the whole day.
    """
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _canonical_path(path: str) -> str:
    """Dot segments and double slashes resolved, then every segment encoded a second time, as all
    services but S3 want it.
    """
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(quote(segment, safe="-._~"))
    ends = "/" if kept and path.endswith("/") else ""
    return "/" + "/".join(kept) + ends


def _canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        pairs.append(
            (
                quote(unquote_to_bytes(name), safe="-._~"),
                quote(unquote_to_bytes(value), safe="-._~"),
            )
        )
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))
