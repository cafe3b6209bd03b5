"""Where an upstream call goes: path and query, fixed headers, and the operation in which a provider
serves a model.

The results are cached per (service, operation, streamed or not), so nothing here is on the hot
path.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import quote, urlsplit

from pilotfish.core.exchange.inbound import ANY_VENDOR
from pilotfish.core.model.provider import CHAT_STYLES, OP_OF_STYLE, Auth
from pilotfish.core.model.service import Provider

# Unreserved characters (RFC 3986) and the "@" of Vertex's model versions. Others are encoded:
# Bedrock's model ids contain ":", its ARNs "/".
_SAFE_IN_MODEL = "-._~@"
_SAFE_IN_SUBPATH = "-._~@/"


def target_of(
    provider: Provider, op: str, model: str, subpath: str = "", stream: bool = False
) -> str:
    """Path and query of a call, with the path of the base URL: `/v1/chat/completions`.

    Raises KeyError if the provider does not have the operation; `native_op` tells which it has.
    """
    path = (provider.paths.get(f"{op}:stream") if stream else None) or provider.paths[op]
    if op.startswith(("generate", "google_")):
        model = model.removeprefix("models/")  # Google's model lists have it, as its paths do
    path = path.replace("{model}", quote(model, safe=_SAFE_IN_MODEL)).replace(
        "{subpath}", quote(subpath, safe=_SAFE_IN_SUBPATH)
    )
    target = base_path(provider) + path
    return f"{target}{'&' if '?' in target else '?'}{provider.query}" if provider.query else target


_ROOTS_OF_MOST = ("/v1", "/openai/v1")
_VERSION_AT_END = re.compile(r"/v[0-9]+(?:(?:alpha|beta)[0-9]*)?$")


def passed_target(provider: Provider, root: str, rest: str, query: str) -> str | None:
    """Path and query of a request that is passed on; None if the vendor has no such path. `root`
    and `rest` are the client's path, `query` is the client's without keys. The provider's own query
    is added where the client did not give it and the path takes it.
    """
    kind = provider.kind
    if kind.passes is None:
        if root not in _ROOTS_OF_MOST:
            return None
        return f"{base_path(provider)}{rest}{'?' + query if query else ''}"
    path = kind.passes(root, rest, provider.options)
    if path is None:
        return None
    own = provider.query if root == "/openai" else ""
    if own and own.partition("=")[0] + "=" not in query:
        query = f"{query}&{own}" if query else own
    base = _VERSION_AT_END.sub("", base_path(provider))
    return f"{base}{path}{'?' + query if query else ''}"


def base_path(provider: Provider) -> str:
    """The path of the base URL without a trailing slash, and without what the kind's own paths
    begin with.
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
    """The operation in which the provider serves `model` for a client's `op`; empty if it cannot.

    The same `op`: bytes may pass through. Another chat operation: the request is translated to that
    operation's style. `endpoints`: the paths at which the vendor says that it serves the model
    (only Copilot's list of models does); None where unknown.
    """
    served = chat_ops(provider, model, endpoints)
    if op in CHAT_STYLES:
        return op if op in served else next(iter(served), "")
    if op not in provider.paths:
        return ""
    owner = _CHAT_OF.get(op)
    # Tokens can be counted in a style only for a model that is served in that style.
    return op if owner is None or owner in served else ""


_CHAT_OF: Mapping[str, str] = {"count_tokens": "messages", "google_count_tokens": "generate"}


def chat_ops(
    provider: Provider, model: str, endpoints: Collection[str] | None = None
) -> tuple[str, ...]:
    """The chat operations that a model is served in, the preferred one first.

    Where the rules file asks for Responses at a vendor whose own style is Chat Completions, no
    request goes to Chat Completions any more: newer models do less there.
    """
    kind = provider.kind
    preferred = OP_OF_STYLE.get(provider.style, "")
    served: Iterable[str] = ()
    if endpoints is not None:
        served = [op for op in CHAT_STYLES if provider.paths.get(op) in endpoints]
    if not served:
        known: Iterable[str] = CHAT_STYLES
        if kind.styles_of_model is not None:
            known = (OP_OF_STYLE[style] for style in kind.styles_of_model(model))
        served = [op for op in known if op in provider.paths]
    if preferred == "responses" in served and kind.style == "openai":
        served = [op for op in served if op != "chat"]
    return tuple(sorted(served, key=lambda op: op != preferred))


def fixed_headers(provider: Provider) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of every request to a provider, without the credential's; names in lower case.

    Headers of the rules file override the kind's. If they include the credential's header, they
    override that too: see `own_auth`.
    """
    merged = dict(provider.kind.headers)
    if provider.kind.headers_from is not None:
        merged.update(provider.kind.headers_from(provider.options))
    for headers in (provider.options.get("headers") or {}, dict(provider.headers)):
        for name, value in headers.items():
            merged[str(name).lower()] = str(value)
    return tuple((name.lower().encode(), value.encode()) for name, value in merged.items())


def overridable_headers(provider: Provider) -> frozenset[bytes]:
    """Names of the fixed headers that a client of the same style may override. Headers that the
    rules file sets are never among them.
    """
    configured = {name.lower() for name, _ in provider.headers} | {
        str(name).lower() for name in provider.options.get("headers") or {}
    }
    return frozenset(name.encode() for name in provider.kind.client_overrides - configured)


def auth_of(provider: Provider) -> Auth:
    """How requests to a provider are authenticated, with its options taken into account."""
    return (
        provider.kind.auth_from(provider.options) if provider.kind.auth_from else provider.kind.auth
    )


def own_auth(provider: Provider) -> bool:
    """Whether headers of the rules file authenticate the requests. Then no credential is added."""
    return bool(headers_of_rules(provider) & {b"authorization", _credential_header(provider)})


# ---- which headers carry keys


def headers_of_rules(provider: Provider) -> frozenset[bytes]:
    """Names of the headers that the rules file sets for this provider, in lower case. Any of them
    may hold a key, whatever it is called.
    """
    names = (*(provider.options.get("headers") or {}), *(name for name, _ in provider.headers))
    return frozenset(str(name).lower().encode() for name in names)


def key_headers(provider: Provider) -> frozenset[bytes]:
    """Names of the headers that may carry a key to this provider: its credential's, and those that
    the rules file sets. None of them may come back to a client in an answer.
    """
    return headers_of_rules(provider) | {_credential_header(provider)}


def headers_kept_from_clients(providers: Iterable[Provider]) -> frozenset[bytes]:
    """Names of the headers that no client may send to any of these providers: each may carry the
    key of one of them. A client that knows the header may hold such a key itself, and another
    vendor must not get it. Not among them are headers that mean the same to every vendor, and those
    that vendors document as plain settings (`anthropic-beta`), though the rules may set them too.
    """
    names: set[bytes] = set()
    plain: set[str] = set()
    for provider in providers:
        kind = provider.kind
        names |= key_headers(provider)
        plain |= kind.client_overrides | {name for name, _ in (*kind.headers, *kind.oauth_headers)}
        edits = kind.body_edits.values()
        plain |= {edit.flags.header for edit in edits if edit.flags is not None}
    return frozenset(names) - ANY_VENDOR - {name.encode() for name in plain}


def secrets_of_rules(provider: Provider) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of the rules file whose values are treated as secrets: all but plain settings."""
    secret = headers_of_rules(provider) & headers_kept_from_clients((provider,))
    return tuple(h for h in fixed_headers(provider) if h[0] in secret)


def _credential_header(provider: Provider) -> bytes:
    return auth_of(provider).header.lower().encode()
