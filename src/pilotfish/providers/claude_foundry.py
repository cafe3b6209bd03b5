"""Claude in Microsoft Foundry: Anthropic's Messages at an Azure resource.

Source: Anthropic's page "Claude in Microsoft Foundry" (platform.claude.com/docs), read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pilotfish.core.model.model_facts import (
    CLAUDE_API_ERRORS,
    CLAUDE_API_LIMITS,
    CLAUDE_API_QUIRKS,
    claude_api_quirks,
)
from pilotfish.core.model.price import listed_by
from pilotfish.core.model.provider import Auth, Option, ProviderKind


def base_from(options: Mapping[str, Any]) -> str:
    """Of the resource's name, or of its endpoint in any form that the portal shows."""
    endpoint = str(options.get("endpoint") or "").strip()
    if not endpoint:
        resource = str(options.get("resource") or "").strip()
        return f"https://{resource}.services.ai.azure.com/anthropic/v1" if resource else ""
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    return f"{parts.scheme}://{parts.netloc}/anthropic/v1"


def auth_from(options: Mapping[str, Any]) -> Auth:
    """As at Azure OpenAI: Entra where a mode or a principal says so, else an API key."""
    entra = options.get("auth_mode") or (
        options.get("use_identity")
        or any(options.get(k) for k in ("tenant_id", "client_id", "client_secret"))
    )
    if not entra or options.get("auth_mode") == "api_key":
        return Auth(header="api-key", prefix="")
    return Auth(scheme="entra")


KIND = ProviderKind(
    name="claude_foundry",
    title="Claude in Microsoft Foundry",
    docs="https://platform.claude.com/docs/en/build-with-claude/claude-in-microsoft-foundry",
    otel_name="anthropic",
    key_variable="ANTHROPIC_FOUNDRY_API_KEY",
    style="anthropic",
    listed=listed_by("anthropic"),
    version="/v1",
    headers=(("anthropic-version", "2023-06-01"),),
    client_overrides=frozenset({"anthropic-version"}),
    limits=CLAUDE_API_LIMITS,
    quirks=CLAUDE_API_QUIRKS,
    model_quirks=claude_api_quirks,
    errors=CLAUDE_API_ERRORS,
    base_from=base_from,
    paths={"messages": "/messages"},
    auth=Auth(header="api-key", prefix=""),
    auth_from=auth_from,
    extra="azure",
    probe=None,  # the platform has no list of models, nor batches
    options={
        "resource": Option(help="name of the Foundry resource"),
        "endpoint": Option(
            help="its endpoint instead. One of the two is required unless `api_base` is given"
        ),
        "auth_mode": Option(choices=("api_key", "service_principal", "default_azure_credential")),
        "use_identity": Option(type=bool, help="like auth_mode: default_azure_credential"),
        "tenant_id": Option(),
        "client_id": Option(
            help="of the service principal, or of a user-assigned managed identity"
        ),
        "client_secret": Option(secret=True),
        "scope": Option(help="scope of the Entra token, https://ai.azure.com/.default if absent"),
        "authority": Option(help="another authority than https://login.microsoftonline.com"),
    },
    notes=("The model of a service is the name of the deployment.",),
)
