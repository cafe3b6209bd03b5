"""Checks URLs and headers of providers. Problems name the wrong part and never repeat parts that
may hold a key (user info, queries).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from pilotfish.core.rules.compile.findings import Findings, Place

PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_VERSION = re.compile(r"/v[0-9]+(?:(?:alpha|beta)[0-9]*)?$")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9.])?|[0-9a-fA-F:.%A-Za-z]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]*")
# Hop-by-hop headers, and headers that the proxy computes for every request.
NOT_CONFIGURABLE = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
        "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length",
        "content-encoding", "content-type", "accept-encoding", "expect",
    }
)  # fmt: skip


def base_url(text: str, place: Place, findings: Findings) -> str:
    """An http(s) URL without a trailing slash. Empty, with a problem, for anything else; user info,
    query and fragment are not allowed.
    """
    parts = _split(text, ("http", "https"), place, findings)
    if parts is None:
        return ""
    wrong = [
        word
        for word, there in (
            ("user info", "@" in parts.netloc),
            ("a query", "?" in text),
            ("a fragment", "#" in text),
        )
        if there
    ]
    if wrong:
        findings.add(
            place, f"expected a URL of scheme, host and path; found {' and '.join(wrong)} in it"
        )
        return ""
    if re.search(r"[^!-~]", parts.path) or ".." in parts.path.split("/"):
        findings.add(place, f"expected a plain path in the URL, found {parts.path[:100]!r}")
        return ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def with_version(base: str, version: str) -> str:
    """The base URL with the version that the kind's paths are below. The base may end with it
    already, or with its beginning: of `/openai/v1` the missing part is added.
    """
    path = urlsplit(base).path
    if not version or _VERSION.search(path):
        return base
    segments = version.strip("/").split("/")
    for n in range(len(segments) - 1, 0, -1):
        if path.endswith("/" + "/".join(segments[:n])):
            return f"{base}/{'/'.join(segments[n:])}"
    return base + "/" + "/".join(segments)


def proxy_url(text: str, place: Place, findings: Findings) -> str:
    """The URL of an HTTP or SOCKS proxy, which may hold user and password."""
    parts = _split(text, PROXY_SCHEMES, place, findings)
    if parts is not None and (parts.path not in ("", "/") or "?" in text or "#" in text):
        findings.add(
            place, "expected a proxy's scheme, host and port; found a path, query or fragment in it"
        )
    return text.rstrip("/")


def _split(
    text: str, schemes: tuple[str, ...], place: Place, findings: Findings
) -> SplitResult | None:
    wanted = f"expected a URL such as {schemes[0]}://host:port"
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        findings.add(
            place,
            f"{wanted}; "
            + (
                "the port is no number up to 65535"
                if "ort" in str(error)
                else "the host is not one"
            ),
        )
        return None
    if parts.scheme not in schemes or "://" not in text:
        findings.add(
            place,
            (
                f"expected a URL that begins with {', '.join(s + '://' for s in schemes)}; found "
                f"{_scheme_of(text)}"
            ),
        )
        return None
    if not host or not _HOST.fullmatch(host):
        findings.add(
            place,
            (
                f"{wanted}; found "
                f"{'no host' if not host else 'a host with characters that no host has'}"
            ),
        )
        return None
    return parts


def _scheme_of(text: str) -> str:
    scheme, found, _ = text.partition("://")
    return f"scheme {scheme[:20]!r}" if found else "none"


def headers(given: Mapping[str, object], place: Place, findings: Findings) -> dict[str, str]:
    """Headers of the rules file with lower-case names; a problem for each that may not be sent."""
    out: dict[str, str] = {}
    for name, value in given.items():
        low = name.lower()
        at = place.at(name)
        if not _HEADER_NAME.fullmatch(name):
            findings.add(at, f"expected a header's name, found {name[:100]!r}")
        elif low in NOT_CONFIGURABLE:
            findings.add(
                at,
                (
                    f"header {low!r} belongs to the connection or is worked out for every request; "
                    "it cannot be set"
                ),
            )
        elif low in out:
            findings.add(at, f"header {low!r} is given twice (names differ in case only)")
        if not isinstance(value, str):
            findings.add(at, "expected text as a header's value")
            continue
        if not _HEADER_VALUE.fullmatch(value) or value != value.strip():
            findings.add(
                at,
                (
                    "expected a header's value: visible characters, no line breaks, no spaces "
                    "around it"
                ),
            )
        out[low] = value
    return out
