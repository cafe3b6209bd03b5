"""Azure OpenAI and Azure AI Foundry: deployments with a dated api-version, or the v1 API without
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.price import listed_by
from pilotfish.core.model.provider import OPENAI_PATHS, Auth, ErrorCodes, Option, ProviderKind

# The v1 API needs no dated version (page "API evolution", read 2026-11).
DEFAULT_VERSION = "v1"
# The Responses API exists since this version (page "Responses API", 2026-11). It names the
# deployment in the body, not in the path.
RESPONSES_SINCE = "2025-03-01"
V1 = ("v1", "preview", "latest")


def clean_base(base: str) -> str:
    """The resource's endpoint without what users copy with it: the path of a project endpoint
    (`/api/projects/NAME`) or of a deployment.
    """
    for marker in ("/api/projects/", "/openai/deployments/", "/openai/v1", "/openai"):
        base = base.partition(marker)[0]
    return base.rstrip("/")


def base_from(options: Mapping[str, Any]) -> str:
    endpoint = str(options.get("endpoint") or "").strip()
    return (
        clean_base(endpoint if urlsplit(endpoint).scheme else f"https://{endpoint}")
        if endpoint
        else ""
    )


def version_of(options: Mapping[str, Any]) -> str:
    return str(options.get("api_version") or DEFAULT_VERSION)


def paths_from(options: Mapping[str, Any]) -> Mapping[str, str]:
    version = version_of(options)
    if version in V1:
        return {op: f"/openai/v1{path}" for op, path in OPENAI_PATHS.items() if op != "rerank"} | {
            "responses": "/openai/v1/responses",
            "realtime": "/openai/v1/realtime?model={model}",
        }
    ops = ("chat", "completions", "embeddings", "images", "audio")
    paths = {op: f"/openai/deployments/{{model}}{OPENAI_PATHS[op]}" for op in ops}
    paths["realtime"] = "/openai/realtime?deployment={model}"
    return paths | ({"responses": "/openai/responses"} if version >= RESPONSES_SINCE else {})


def query(options: Mapping[str, Any]) -> str:
    """The api-version. The v1 API wants it only for `preview`."""
    version = version_of(options)
    return "" if version in ("v1", "latest") else f"api-version={version}"


def auth_mode(options: Mapping[str, Any]) -> str:
    """The option `auth_mode`. Without it: a service principal if tenant, client id or client secret
    is given, else an API key.
    """
    if options.get("auth_mode"):
        return str(options["auth_mode"])
    if options.get("use_identity"):
        return "default_azure_credential"
    return (
        "service_principal"
        if any(options.get(k) for k in ("tenant_id", "client_id", "client_secret"))
        else "api_key"
    )


def auth_from(options: Mapping[str, Any]) -> Auth:
    return (
        Auth(header="api-key", prefix="")
        if auth_mode(options) == "api_key"
        else Auth(scheme="entra")
    )


def probe_from(base: str, options: Mapping[str, Any]) -> str:
    version = version_of(options)
    path = "/openai/v1/models" if version in V1 else "/openai/models"
    params = query(options)
    return f"{clean_base(base)}{path}{'?' + params if params else ''}"


def passes(root: str, rest: str, options: Mapping[str, Any]) -> str | None:
    """OpenAI's own paths are those of the v1 API; the others take a dated api-version."""
    if root in ("/v1", "/openai/v1"):
        return f"/openai/v1{rest}"
    return f"/openai{rest}" if root == "/openai" else None


KIND = ProviderKind(
    name="azure",
    title="Azure OpenAI",
    docs="https://learn.microsoft.com/azure/foundry/openai/latest",
    otel_name="azure.ai.openai",
    litellm_names=("azure", "azure_text"),
    key_variable="AZURE_API_KEY",
    style="openai",
    listed=listed_by("openai"),
    paths=paths_from({}),
    paths_from=paths_from,
    base_from=base_from,
    clean_base=clean_base,
    query=query,
    passes=passes,
    style_from=lambda options: (
        "openai_responses" if options.get("api") == "responses" else "openai"
    ),
    auth=Auth(header="api-key", prefix=""),
    auth_from=auth_from,
    extra="azure",
    options={
        "endpoint": Option(
            help=(
                "https://NAME.openai.azure.com, or a project endpoint. Required unless `api_base` "
                "is given"
            )
        ),
        "api_version": Option(
            help=(
                f"{DEFAULT_VERSION} if absent; v1 or preview: the v1 API, without deployments in "
                "its paths; a date such as 2024-10-21: the older one, with deployments"
            )
        ),
        "auth_mode": Option(choices=("api_key", "service_principal", "default_azure_credential")),
        "use_identity": Option(type=bool, help="like auth_mode: default_azure_credential"),
        "tenant_id": Option(),
        "client_id": Option(
            help="of the service principal, or of a user-assigned managed identity"
        ),
        "client_secret": Option(secret=True),
        "scope": Option(help="scope of the Entra token, https://ai.azure.com/.default if absent"),
        "authority": Option(
            help="another authority than https://login.microsoftonline.com (sovereign clouds)"
        ),
        "api": Option(
            choices=("completions", "responses"),
            help="responses: every chat request goes there, where its version has it",
        ),
    },
    quirks=Quirks(max_tokens_field="max_completion_tokens", tool_id_max=40, prefill=False),
    probe_from=probe_from,
    tested="the resource lists its models; a deployment is not tested",
    # Page "Content filtering", 2026-11: a filtered prompt is 400 with code content_filter.
    errors=ErrorCodes(
        outcomes={
            "deploymentnotfound": Outcome.NOT_FOUND,
            "noregisteredprovider": Outcome.NOT_FOUND,
            "toomanyrequests": Outcome.RATE_LIMITED,
            "429": Outcome.RATE_LIMITED,
            "401": Outcome.AUTH_FAILED,
        },
        content_policy=(
            "content_filter",
            "responsibleaipolicyviolation",
            "content management policy",
        ),
    ),
    notes=(
        "The model of a service is the name of the deployment.",
        (
            "Entra tokens are fetched for the service principal or the default credential, and "
            "renewed before they expire."
        ),
    ),
)
