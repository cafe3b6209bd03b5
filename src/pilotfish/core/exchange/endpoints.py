"""The endpoints: the paths that clients may call, and the operation and style of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from pilotfish.core.model.dot_segments import has_dot_segment


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a path asks for.

    `op` and `style`: the operation and its wire format. `scenario`: the path's prefix, None without
    one. `model` and `stream`: None where the body says it and not the path (only Google's,
    Bedrock's and Azure's paths do). `subpath`: what follows the operation, such as `generations` in
    `/v1/images/generations`. `by_cloud`: a cloud's
    path for another vendor's style, whose bodies differ from the vendor's own
    (`core.exchange.platforms`).
    """

    op: str
    style: str
    scenario: str | None = None
    model: str | None = None
    stream: bool | None = None
    subpath: str = ""
    by_cloud: bool = False


_FIXED: dict[str, tuple[str, str]] = {
    "chat/completions": ("chat", "openai"),
    "responses": ("responses", "openai_responses"),
    "completions": ("completions", "openai"),
    "embeddings": ("embeddings", "openai"),
    "moderations": ("moderations", "openai"),
    "rerank": ("rerank", "openai"),
    "messages": ("messages", "anthropic"),
    "messages/count_tokens": ("count_tokens", "anthropic"),
}
# Operations that need a subpath.
_WITH_SUBPATH = {"images": "openai", "audio": "openai"}
_GOOGLE = {
    "generateContent": ("generate", False),
    "streamGenerateContent": ("generate", True),
    "countTokens": ("google_count_tokens", False),
    "embedContent": ("google_embeddings", False),
    "batchEmbedContents": ("google_batch_embeddings", False),
}
_GOOGLE_PATH = re.compile(
    r"/v1(?:beta1?|alpha)?/(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/([^/]+)/)?"
    r"(?:models|tunedModels)/(.+):([A-Za-z]+)"
)
# Models of other vendors on Vertex AI: Claude in Anthropic's form, all others in forms of their
# own.
_VERTEX_PATH = re.compile(
    r"/v1(?:beta1)?/projects/[^/]+/locations/[^/]+/publishers/([a-z0-9-]+)/models/([^/:]+)"
    r":(rawPredict|streamRawPredict|predict)"
)
_VERTEX_OPENAI = re.compile(
    r"/v1(?:beta1)?/projects/[^/]+/locations/[^/]+/endpoints/openapi/chat/completions"
)
_BEDROCK_PATH = re.compile(
    r"/model/([^/]+)/(converse|converse-stream|invoke|invoke-with-response-stream)"
)
# Azure's client for node asks below OPENAI_BASE_URL where that is set.
_AZURE_PATH = re.compile(r"/(?:openai|v1)/deployments/([^/]+)/(.+)")
_SCENARIO = re.compile(r"/([A-Za-z][A-Za-z0-9_.-]*)(/.+)")
# First path segments that are never a scenario's name.
_RESERVED = frozenset({"v1", "v1beta", "v1alpha", "model", "openai"})


def find(path: str) -> Endpoint | None:
    """The endpoint of a POST path, which may begin with a scenario. None if there is none, or if
    the model in the path is a dot segment, which would leave the vendor's path.
    """
    exact = _EXACT.get(path)
    if exact is not None:
        return exact
    found = _find(path)
    return None if found is not None and found.model in (".", "..") else found


def _find(path: str) -> Endpoint | None:
    found = _without_scenario(path)
    if found is not None:
        return found
    prefixed = _SCENARIO.fullmatch(path)
    if prefixed is None:
        return None
    scenario, rest = prefixed.groups()
    inner = (
        _EXACT.get(rest) or _without_scenario(rest)
        if scenario not in _RESERVED or scenario == "openai"
        else None
    )
    if inner is None:
        return None
    return replace(inner, scenario=scenario)


def _without_scenario(path: str) -> Endpoint | None:
    if path.endswith("redict") and (m := _VERTEX_PATH.fullmatch(path)):
        return _vertex(m[1], unquote(m[2]), m[3])
    if m := _GOOGLE_PATH.fullmatch(path):
        known = _GOOGLE.get(m[3])
        # Google's SDK makes a publisher of what stands before a slash in a model's name.
        before = "" if m[1] in (None, "google") else f"{m[1]}/"
        model = unquote(before + m[2])
        return Endpoint(known[0], "google", None, model, known[1]) if known else None
    if m := _BEDROCK_PATH.fullmatch(path):
        model, stream = unquote(m[1]), m[2].endswith("-stream")
        if m[2].startswith("converse"):
            return Endpoint("converse", "bedrock", None, model, stream)
        return Endpoint("invoke", "bedrock", None, model, stream, by_cloud=True)
    if m := _AZURE_PATH.fullmatch(path):
        inner = _openai(m[2])
        return (
            Endpoint(inner.op, inner.style, None, unquote(m[1]), None, inner.subpath)
            if inner and inner.style == "openai"
            else None
        )
    if path == "/openai/responses":  # Azure's, with an api-version in the query
        return Endpoint(*_FIXED["responses"])
    if _VERTEX_OPENAI.fullmatch(path):
        return Endpoint(*_FIXED["chat/completions"])
    for prefix in ("/openai/v1/", "/v1/"):
        if path.startswith(prefix):
            return _openai(path[len(prefix) :])
    return None


def _vertex(publisher: str, model: str, verb: str) -> Endpoint:
    stream = verb == "streamRawPredict"
    if publisher != "anthropic" or verb == "predict":
        op = "predict" if verb == "predict" else "raw_predict"
        return Endpoint(op, "google", None, model, stream, publisher)
    if model == "count-tokens":
        return Endpoint("count_tokens", "anthropic", by_cloud=True)
    # A streamed answer may be asked for in the body as well.
    return Endpoint("messages", "anthropic", None, model, True if stream else None, by_cloud=True)


def _openai(rest: str) -> Endpoint | None:
    fixed = _FIXED.get(rest)
    if fixed is not None:
        return Endpoint(*fixed)
    head, _, subpath = rest.partition("/")
    if (
        head in _WITH_SUBPATH
        and subpath
        and not subpath.startswith("voice")  # voices and consents to them are no models
        and not has_dot_segment(subpath)
    ):
        return Endpoint(head, _WITH_SUBPATH[head], subpath=subpath)
    return None


_EXACT: dict[str, Endpoint] = {f"/v1/{rest}": Endpoint(*fixed) for rest, fixed in _FIXED.items()}
# The AI SDK's client for Anthropic takes the version for a part of the base URL, and the other
# clients, which read the same variable, do not.
_EXACT["/messages"] = _EXACT["/v1/messages"]
_EXACT_TARGETS = frozenset(path.encode() for path in _EXACT)


def takes(method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether the engine takes a request: it is routed by model. All others are answered by
    `proxy.other_requests`.
    """
    if method != b"POST":
        return False
    return target in _EXACT_TARGETS or find(path_of(target)) is not None


def path_of(target: bytes) -> str:
    """A target's path, each byte one character."""
    return target.decode("latin-1").partition("?")[0]


def scenario_of_style(style: str) -> str:
    """The scenario of a request whose path has no scenario prefix."""
    return "openai" if style == "openai_responses" else style


_MODELS = re.compile(r"(?:/([A-Za-z][A-Za-z0-9_.-]*))?(?:/openai)?/(v1|v1beta)/models(?:/(.+))?")


def models_path(path: str) -> tuple[str, str | None] | None:
    """`(version, model id)` if a GET path lists models or asks for one of them; the id is None for
    the list, and the result None for other paths.
    """
    m = _MODELS.fullmatch(path)
    return (m[2], unquote(m[3]) if m[3] else None) if m else None


_MEANT_CHARS = 300  # longer paths are nobody's slip
_NEAR = 0.9  # how much of a misspelt path must be right


def meant(path: str) -> str:
    """The path that a client probably meant with one that does not exist: it left out the version
    or gave it twice, set a slash too many, or misspelt it. Empty if nobody can tell.
    """
    if len(path) > _MEANT_CHARS:
        return ""
    plain = re.sub("/+", "/", path).rstrip("/")
    once = re.sub(r"/v1(?=/(?:v1|v1beta)/)", "", plain)
    scenario = _SCENARIO.fullmatch(once)
    guesses = [plain, once, f"/v1{once}", f"/v1beta{once}", once[max(once.find("/v1"), 0) :]]
    if scenario is not None:
        guesses += [f"/{scenario[1]}/v1{scenario[2]}", f"/{scenario[1]}/v1beta{scenario[2]}"]
    guesses += [guess.lower() for guess in guesses]
    for guess in guesses:
        if guess != path and (find(guess) is not None or models_path(guess) is not None):
            return guess
    import difflib  # imported on use: most paths are right

    near = difflib.get_close_matches(plain.lower(), _EXACT, n=1, cutoff=_NEAR)
    return near[0] if near else ""


def style_of_path(path: str) -> str:
    """The style of the error that answers a request for an unknown path."""
    if "/v1beta/" in path:
        return "google"
    if path.startswith("/model/"):
        return "bedrock"
    if "/publishers/google/" in path:
        return "google"
    return "anthropic" if "/messages" in path else "openai"
