"""The families of paths that vendors have beside those that are routed by model: files, batches,
stored answers and the like. Such a request is passed on as it is, and what comes back too.

The names come from the vendors' published API references (2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from pilotfish.core.exchange import endpoints

Header = tuple[bytes, bytes]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
OTHER = "other"  # the family of a path that no table knows


class PassedPath(NamedTuple):
    """A path that is passed on.

    `family`: its kind, as the metric counts it. `style`: whose API it belongs to. `root`: what its
    vendor's paths begin with, such as `/v1` or `/upload/v1beta`; a provider's record says which
    roots it has, and where they are below its base URL. `rest`: what follows the root, as it was
    sent. `scenario`: the prefix before the root, None without one. `unknown`: no table has it, so
    the rules must allow it.
    """

    family: str
    style: str
    root: str
    rest: str
    scenario: str | None = None
    unknown: bool = False


# First segment below /v1 -> family.
_OPENAI = {
    "files": "files",
    "uploads": "uploads",
    "batches": "batches",
    "fine_tuning": "fine_tuning",
    "vector_stores": "vector_stores",
    "containers": "containers",
    "conversations": "conversations",
    "videos": "videos",
    "responses": "responses",
    "chat": "chat",
    "assistants": "assistants",
    "threads": "threads",
    "evals": "evals",
    "realtime": "realtime",
    "skills": "skills",
    "chatkit": "chatkit",
    "audio": "audio",
    "models": "models",
    "agents": "agents",
    "live": "realtime",
    "vaults": "vaults",
    "decisions": "decisions",
    "content_provenance_checks": "content_provenance_checks",
    "webhook_endpoints": "webhooks",
    "webhook_event_types": "webhooks",
}
_ANTHROPIC = {
    "files": "files",
    "messages": "batches",
    "skills": "skills",
    "complete": "complete",
    "agents": "agents",
    "environments": "environments",
    "sessions": "sessions",
    "vaults": "vaults",
    "memory_stores": "memory_stores",
    "deployments": "deployments",
    "deployment_runs": "deployments",
    "user_profiles": "user_profiles",
    "dreams": "dreams",
    "tunnels": "tunnels",
}
_GOOGLE = {
    "files": "files",
    "cachedContents": "caches",
    "batches": "batches",
    "models": "models",
    "dynamic": "models",
    "tunedModels": "tuned_models",
    "corpora": "corpora",
    "fileSearchStores": "file_search_stores",
    "generatedFiles": "files",
    "operations": "operations",
    "interactions": "interactions",
    "agents": "agents",
    "environments": "environments",
    "webhooks": "webhooks",
    "auth_tokens": "realtime",
    "authTokens": "realtime",
}
_AZURE = {
    **_OPENAI,
    "deployments": "deployments",
    "ingestion": "ingestion",
    "operations": "operations",
    "fine-tuning": "fine_tuning",
}
_BEDROCK = {
    "model": "invoke",
    "async-invoke": "async_invoke",
    "guardrail": "guardrails",
    "guardrail-checks": "guardrails",
    "inference-profiles": "inference_profiles",
}
# Every family that a request may be counted under.
FAMILIES = tuple(
    sorted(
        {
            *_OPENAI.values(),
            *_ANTHROPIC.values(),
            *_GOOGLE.values(),
            *_AZURE.values(),
            *_BEDROCK.values(),
            "projects",
            OTHER,
        }
    )
)

_SCENARIO = re.compile(r"/(?!v[0-9]|openai(?:/|$))([A-Za-z][A-Za-z0-9_.-]*)(/v1(?:beta|alpha)?/.+)")
_GOOGLE_PATH = re.compile(r"((?:/(?:upload|download|resumable/upload))?/v1(?:beta|alpha)?)(/.+)")
_PROJECT_PATH = re.compile(
    r"(/(?:upload/)?v1(?:beta1)?/(?:projects(?=/[^/]+/locations/)|publishers))(/.+)"
)
_BEDROCK_ROOTS = frozenset(_BEDROCK) - {"model"}
_BEDROCK_MODEL = re.compile(r"/model/[^/]+/[a-z-]+(?<!bidirectional-stream)")
_BOTH_WAYS = re.compile(r"/model/[^/]+/invoke-with-bidirectional-stream")
# Sub-paths that a path must have (or lack) to be of the family.
_NEEDS_MORE = {"chat": "completions", "messages": "batches"}
# Administration of the vendor's account takes keys of a kind that no provider here holds.
_ADMINISTRATION = re.compile(
    r"(?:/[A-Za-z][A-Za-z0-9_.-]*)?/v1/(?:organizations?|projects|safety)(?:/.*)?"
)


def passed_path(
    method: str,
    path: str,
    query: str = "",
    headers: Sequence[Header] = (),
    *,
    unknown: bool = False,
) -> PassedPath | None:
    """What a request asks for; None if it is not passed on: it is routed by model, or no vendor has
    it. `headers`: (lower-case name, value), which tell whose client it is that asks below a path
    that several vendors have. `unknown`: paths that no table has are passed on too.
    """
    if method not in _METHODS or not _is_plain(path) or _is_served(method, path):
        return None
    found = _found(path, query, headers)
    if found is None:
        scenario = _SCENARIO.fullmatch(path)
        if scenario is not None:
            inner = _found(scenario[2], query, headers)
            found = inner._replace(scenario=scenario[1]) if inner is not None else None
    if found is None and unknown:
        found = _unknown(path, query, headers)
    return found


def refusal_of(path: str) -> str:
    """Why a path of a vendor's is not passed on, and what to do instead; empty for a path that no
    vendor has.
    """
    if _ADMINISTRATION.fullmatch(path):
        return (
            "administers the vendor's account, for which no provider here has a key; call the "
            "vendor itself, or set `passthrough: {unknown_paths: true}` to pass it on all the same"
        )
    if _BOTH_WAYS.fullmatch(path):
        return "takes HTTP/2, on which both sides speak at once; call the vendor itself"
    return ""


def _is_served(method: str, path: str) -> bool:
    """Whether this path is one that the proxy answers by itself, or would with another method."""
    endpoint = endpoints.find(path)
    if endpoint is not None:  # the list of stored completions has their own path
        return method != "GET" or endpoint.op != "chat" or endpoint.model is not None
    listed = endpoints.models_path(path)
    if listed is None or method not in ("GET", "HEAD"):
        return False
    return listed[1] is None or "/operations" not in listed[1]


def _found(path: str, query: str, headers: Sequence[Header]) -> PassedPath | None:
    if path.startswith("/v1/"):
        whose = client_style(query, headers)
        project = _PROJECT_PATH.fullmatch(path)
        if project is not None:
            return PassedPath("projects", "google", project[1], project[2])
        if whose == "google":
            return _below("google", _GOOGLE, "/v1", path[3:])
        if whose == "anthropic" or path.startswith("/v1/messages/"):
            return _below("anthropic", _ANTHROPIC, "/v1", path[3:])
        return _below("openai", _OPENAI, "/v1", path[3:])
    if path.startswith("/openai/v1/"):
        return _below("openai", _OPENAI, "/openai/v1", path[10:])
    if path.startswith("/openai/"):
        return _below("openai", _AZURE, "/openai", path[7:])
    project = _PROJECT_PATH.fullmatch(path)
    if project is not None:
        return PassedPath("projects", "google", project[1], project[2])
    google = _GOOGLE_PATH.fullmatch(path)
    if google is not None:
        return _below("google", _GOOGLE, google[1], google[2])
    first = path.split("/", 2)[1]
    if first in _BEDROCK_ROOTS or _BEDROCK_MODEL.fullmatch(path):
        return PassedPath(_BEDROCK[first], "bedrock", "", path)
    return None


def _below(style: str, table: dict[str, str], root: str, rest: str) -> PassedPath | None:
    first, _, more = rest[1:].partition("/")
    family = table.get(first.partition(":")[0])
    if family is None:
        return None
    needed = _NEEDS_MORE.get(first)
    if needed is not None and more.partition("/")[0] != needed:
        return None
    return PassedPath(family, style, root, rest)


def _unknown(path: str, query: str, headers: Sequence[Header]) -> PassedPath | None:
    scenario = _SCENARIO.fullmatch(path)
    prefix, inner = (scenario[1], scenario[2]) if scenario is not None else (None, path)
    if inner.startswith("/openai/v1/"):
        return PassedPath(OTHER, "openai", "/openai/v1", inner[10:], prefix, unknown=True)
    if inner.startswith("/openai/"):
        return PassedPath(OTHER, "openai", "/openai", inner[7:], prefix, unknown=True)
    google = _GOOGLE_PATH.fullmatch(inner)
    if google is not None and google[1] != "/v1":
        return PassedPath(OTHER, "google", google[1], google[2], prefix, unknown=True)
    if inner.startswith("/v1/"):
        style = client_style(query, headers)
        return PassedPath(OTHER, style, "/v1", inner[3:], prefix, unknown=True)
    return None


def client_style(query: str, headers: Sequence[Header]) -> str:
    """Whose client asks, below a path that several vendors have: each of their SDKs sends a header
    of its own.
    """
    names = {name for name, _ in headers}
    if b"anthropic-version" in names:
        return "anthropic"
    if b"x-goog-api-key" in names or b"x-goog-api-client" in names:
        return "google"
    if (
        b"authorization" not in names
        and "key=" in query
        and any(name == "key" for name, _ in parse_qsl(query))
    ):
        return "google"
    return "openai"


def _is_plain(path: str) -> bool:
    """No segment is a dot segment, however it is spelt: it would leave the vendor's path."""
    return (
        "\\" not in path
        and "//" not in path
        and not any(unquote(part) in (".", "..") for part in path.split("/"))
        and "/.." not in unquote(unquote(path))
    )


# Query parameters that carry a client's own key.
_KEYS = frozenset({"key", "access_token", "api_key", "api-key"})


def without_keys(query: str) -> str:
    """A query without the parameters that carry a key; the others stay as they were sent."""
    if not query:
        return ""
    kept = [p for p in query.split("&") if unquote(p.partition("=")[0]).lower() not in _KEYS]
    return "&".join(kept)
