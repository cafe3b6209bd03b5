"""Where one call goes: path and query of the request, the headers that never change, and in which
operation a model is asked.

Asked once per (service, operation, streamed or not) and kept by the engine; nothing here is made
for the hot path.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import quote, urlsplit

from pilotfish.core.model.provider import CHAT_STYLES, OP_OF_STYLE, Auth
from pilotfish.core.model.service import Provider

# Unreserved (RFC 3986) and the "@" of Vertex's model versions. All else is encoded: Bedrock's ids
# hold ":", its ARNs "/".
_SAFE_IN_MODEL = "-._~@"
_SAFE_IN_TAIL = "-._~@/"


def target_of(
    provider: Provider, op: str, model: str, subpath: str = "", stream: bool = False
) -> str:
    """Path and query of a call, the base URL's own path included: `/v1/chat/completions`.

    Raises KeyError if the provider has no such operation; ask `native_op` first.
    """
    path = (provider.paths.get(f"{op}:stream") if stream else None) or provider.paths[op]
    if op.startswith(("generate", "google_")):
        model = model.removeprefix(
            "models/"
        )  # Google's lists name models so; its paths hold the word already
    path = path.replace("{model}", quote(model, safe=_SAFE_IN_MODEL)).replace(
        "{subpath}", quote(subpath, safe=_SAFE_IN_TAIL)
    )
    target = base_path(provider) + path
    return f"{target}{'&' if '?' in target else '?'}{provider.query}" if provider.query else target


def base_path(provider: Provider) -> str:
    """The path of the base URL, without a trailing slash; what a vendor's paths hold themselves is
    cut from it.
    """
    base = provider.kind.clean_base(provider.base) if provider.kind.clean_base else provider.base
    return urlsplit(base).path.rstrip("/")


def origin_of(base: str) -> tuple[str, str, int]:
    """(scheme, host, port) of a base URL."""
    parts = urlsplit(base)
    return (
        parts.scheme,
        parts.hostname or "",
        parts.port or (443 if parts.scheme == "https" else 80),
    )


def native_op(
    provider: Provider, model: str, op: str, endpoints: Collection[str] | None = None
) -> str:
    """The operation in which the provider is asked for `model` when a client asks for `op`; empty
    if it cannot be.

    Equal to `op`: bytes may pass through. Another chat operation: the request is translated to its
    style. `endpoints` are the paths that a model is known to be served at (Copilot tells); None
    where unknown.
    """
    served = chat_ops(provider, model, endpoints)
    if op in CHAT_STYLES:
        return op if op in served else next(iter(served), "")
    if op not in provider.paths:
        return ""
    owner = _CHAT_OF.get(op)
    # Counting tokens in Anthropic's form makes sense only for a model that is served in it.
    return op if owner is None or owner in served else ""


_CHAT_OF: Mapping[str, str] = {"count_tokens": "messages", "google_count_tokens": "generate"}


def chat_ops(
    provider: Provider, model: str, endpoints: Collection[str] | None = None
) -> tuple[str, ...]:
    """The chat operations that a model is served in, the preferred one first."""
    kind = provider.kind
    if endpoints is not None:
        told = [op for op in CHAT_STYLES if provider.paths.get(op) in endpoints]
        preferred = OP_OF_STYLE.get(provider.style, "")
        if told:
            return tuple(sorted(told, key=lambda op: op != preferred))
    preferred = OP_OF_STYLE[provider.style]
    if kind.styles_of_model is not None:
        ops = (OP_OF_STYLE[style] for style in kind.styles_of_model(model))
        return tuple(
            sorted((op for op in ops if op in provider.paths), key=lambda op: op != preferred)
        )
    return tuple(
        sorted((op for op in CHAT_STYLES if op in provider.paths), key=lambda op: op != preferred)
    )


def fixed_headers(provider: Provider) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of every request but for the credential's, names in lower case.

    The rules' own headers win over the kind's; where they hold the credential's header, they win
    over that too (`own_auth`).
    """
    merged = dict(provider.kind.headers)
    for headers in (provider.options.get("headers") or {}, dict(provider.headers)):
        for name, value in headers.items():
            merged[str(name).lower()] = str(value)
    return tuple((name.lower().encode(), value.encode()) for name, value in merged.items())


def yielding_headers(provider: Provider) -> frozenset[bytes]:
    """Names among the fixed headers that a client of the same style may set itself; what the rules
    set is the rules'.
    """
    ours = {name.lower() for name, _ in provider.headers} | {
        str(name).lower() for name in provider.options.get("headers") or {}
    }
    return frozenset(name.encode() for name in provider.kind.yields - ours)


def auth_of(provider: Provider) -> Auth:
    """How the provider's requests are authenticated, its options considered."""
    return (
        provider.kind.auth_from(provider.options) if provider.kind.auth_from else provider.kind.auth
    )


def own_auth(provider: Provider) -> bool:
    """Whether the rules' own headers carry the authentication, so that no credential's header is to
    be added.
    """
    names = {name for name, _ in fixed_headers(provider)} - {
        name.encode() for name, _ in provider.kind.headers
    }
    return bool(names & {b"authorization", auth_of(provider).header.encode()})
