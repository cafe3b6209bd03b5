"""Google Vertex AI: Gemini, Claude and open models, told apart by the model's name, in one region
or `global`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.model_facts import claude_quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.price import ListedModel
from pilotfish.core.model.provider import (
    Auth,
    BodyEdit,
    ErrorCodes,
    LimitHeaders,
    Option,
    ProviderKind,
)

PATHS = {
    "generate": "/publishers/google/models/{model}:generateContent",
    "generate:stream": "/publishers/google/models/{model}:streamGenerateContent?alt=sse",
    "google_count_tokens": "/publishers/google/models/{model}:countTokens",
    "messages": "/publishers/anthropic/models/{model}:rawPredict",
    "messages:stream": "/publishers/anthropic/models/{model}:streamRawPredict",
    "count_tokens": "/publishers/anthropic/models/count-tokens:rawPredict",
    "chat": "/endpoints/openapi/chat/completions",
    "raw_predict": "/publishers/{subpath}/models/{model}:rawPredict",
    "raw_predict:stream": "/publishers/{subpath}/models/{model}:streamRawPredict",
    "predict": "/publishers/{subpath}/models/{model}:predict",
}

# Beside the versions; the model's whole path is in the first event.
LIVE = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"


def base_from(options: Mapping[str, Any]) -> str:
    """The base URL of the option `location`; empty if it is absent. `global` and the multi-regions
    `us` and `eu` have hosts of their own (page "Deployments and endpoints", 2026-11).
    """
    location = str(options.get("location") or "")
    if not location:
        return ""
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def paths_from(options: Mapping[str, Any]) -> Mapping[str, str]:
    version, project, location = (
        options.get("version") or "v1",
        options.get("project", ""),
        options.get("location", ""),
    )
    parent = f"/{version}/projects/{project}/locations/{location}"
    return {op: parent + path for op, path in PATHS.items()} | {"live": LIVE}


def clean_base(base: str) -> str:
    """The base URL without the version, which the paths begin with."""
    for version in ("/v1beta1", "/v1beta", "/v1"):
        base = base.removesuffix(version)
    return base


def styles_of_model(model: str) -> tuple[str, ...]:
    """Claude is served in Anthropic's style, `publisher/model` names (Llama, Mistral, DeepSeek) in
    OpenAI's, and all others, which are Gemini, in Google's.
    """
    if "claude" in model:
        return ("anthropic",)
    return ("openai",) if "/" in model.removeprefix("models/") else ("google",)


def model_quirks(model: str) -> Quirks | None:
    if "claude" in model:
        base = Quirks(default_max_tokens=16384)
        return claude_quirks(model, base) or base
    if "/" not in model:
        return None
    gemini = model.startswith("google/")  # Gemini in OpenAI's style
    return Quirks(max_tokens_field="max_tokens", developer_role=False, google_signatures=gemini)


def listed(model: str, options: Mapping[str, Any]) -> ListedModel | None:
    """Gemini and Claude cost what their vendors' own APIs charge at `global`; regions have a
    surcharge for newer models (tier `regional`).
    """
    tier = "" if options.get("location") == "global" else "regional"
    if "claude" in model:
        return ListedModel("anthropic", model, tier)
    return None if "/" in model.removeprefix("google/") else ListedModel("google", model, tier)


def probe_from(base: str, options: Mapping[str, Any]) -> str:
    """The list of Google's models, which is free of charge and open to any caller with access to
    the project.
    """
    return f"{clean_base(base)}/v1beta1/publishers/google/models?pageSize=1"


def passes(root: str, rest: str, options: Mapping[str, Any]) -> str | None:
    """Paths of resources. Project and location are the provider's own: its credentials are for that
    project, its base URL is that location's.
    """
    if not root.endswith(("/projects", "/publishers")):
        return None
    project, location = options.get("project", ""), options.get("location", "")
    if root.endswith("/projects"):
        rest = re.sub(r"^/[^/]+", f"/{project}", rest)
        rest = re.sub(r"^(/[^/]+/locations)/[^/]+", rf"\1/{location}", rest)
    return root + rest


KIND = ProviderKind(
    name="vertex",
    title="Google Vertex AI",
    docs="https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest",
    otel_name="gcp.vertex_ai",
    litellm_names=("vertex_ai", "vertex_ai_beta"),
    style="google",
    paths=PATHS | {"live": LIVE},
    paths_from=paths_from,
    base_from=base_from,
    clean_base=clean_base,
    passes=passes,
    styles_of_model=styles_of_model,
    model_quirks=model_quirks,
    listed=listed,
    auth=Auth(scheme="google"),
    extra="google",
    limits=LimitHeaders(),
    options={
        "project": Option(required=True, help="project id"),
        "location": Option(required=True, help="region such as us-central1, or global"),
        "version": Option(help="API version, v1 if absent"),
        "credentials_file": Option(
            help=(
                "path of a service account or workload identity file; absent: Google's default "
                "search"
            )
        ),
        "token_uri": Option(help="another token endpoint than the credentials file names"),
    },
    probe_from=probe_from,
    tested="the credentials list Google's models; whether the project may use one is not tested",
    # Page "Claude on Vertex AI", 2026-11: the model is in the path, the API version in the body.
    body_edits={
        "messages": BodyEdit(remove=("model",), put=(("anthropic_version", "vertex-2023-10-16"),)),
        "count_tokens": BodyEdit(put=(("anthropic_version", "vertex-2023-10-16"),)),
    },
    errors=ErrorCodes(
        outcomes={
            "resource_exhausted": Outcome.OVERLOADED,
            "unavailable": Outcome.OVERLOADED,
            "overloaded_error": Outcome.OVERLOADED,
            "unauthenticated": Outcome.AUTH_FAILED,
            "not_found": Outcome.NOT_FOUND,
            "deadline_exceeded": Outcome.SERVER_ERROR,
            "internal": Outcome.SERVER_ERROR,
        },
        context_length=("exceeds the maximum number of tokens", "prompt is too long"),
        content_policy=("prohibited_content", "prohibited use policy", "content filtering policy"),
    ),
    notes=(
        "Gemini, Claude and open models (`publisher/model`) are told apart by the model's name.",
        (
            "A `token` is taken as a ready access token; without one, Google's credentials are "
            "searched and renewed."
        ),
    ),
)
