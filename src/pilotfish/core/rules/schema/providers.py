"""`providers`: accounts at vendors, and their credentials."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pilotfish.core.rules.schema.base import Count, Name, Positive, Secret, Spec
from pilotfish.core.rules.schema.budgets import BudgetSpec
from pilotfish.core.rules.schema.numbers import LimitsSpec
from pilotfish.core.rules.schema.request import RequestSpec


class OAuthSpec(Spec):
    access_token: Secret | None = Field(default=None, repr=False, description="the token in use")
    refresh_token: Secret | None = Field(
        default=None, repr=False, description="what fetches the next one"
    )
    provider_type: str = Field(
        default="",
        description="whose OAuth it is, which finds the token endpoint of known vendors; absent: "
        "the kind's",
    )
    user_id: str = Field(default="", description="whose account it is, for people")
    expires_at: str = Field(
        default="",
        description="RFC 3339, the end of the access token, which is not sent later; absent: not "
        "known to expire",
    )
    extra_fields: dict[str, Any] = Field(
        default={},
        repr=False,
        description="what the token endpoint wants besides: `client_id`, `client_secret`, `scope`; "
        "`token_url` and `format` (json, form) where it is not a known vendor's",
    )


class ProviderSpec(Spec):
    """An account at an LLM vendor or a self-hosted server."""

    kind: str = Field(
        description="which vendor's habits it has: openai, anthropic, openai_compatible, ..."
    )
    api_base: str | None = Field(default=None, description="base URL; absent: the vendor's own")
    api_style: str | None = Field(
        default=None,
        description=(
            "wire format to speak where the kind knows several: openai, openai_responses, "
            "anthropic, google, bedrock"
        ),
    )
    token: Secret | None = Field(
        default=None,
        repr=False,
        description="the key: {env: NAME}, {file: PATH} or {secret: {name: NAME, key: KEY}}",
    )
    tokens: list[Secret] | None = Field(
        default=None, min_length=1, repr=False, description="several keys, each with its own health"
    )
    no_key_required: bool = Field(default=False, description="no key is sent")
    enabled: bool = Field(default=True, description="false: none of its services is used")
    proxy_url: str | None = Field(
        default=None, repr=False, description="http, https, socks5 or socks5h proxy towards it"
    )
    timeout: Positive | None = Field(
        default=None,
        description="seconds for a whole request to this provider; absent: the rule's total_s",
    )
    tags: list[str] = Field(
        default=[],
        description="free words: shown in /status and `pilotfish_provider_info`, and for "
        "position tag of smart routing",
    )
    models: list[Name] | None = Field(
        default=None, description="the only models it may be asked for; absent: any"
    )
    default_model: Name | None = Field(default=None, description="for services that name no model")
    headers: dict[str, str] = Field(default={}, repr=False, description="sent with every request")
    auth_type: Literal["api_key", "oauth"] = Field(
        default="api_key", description="what the credentials are"
    )
    oauth_detail: OAuthSpec | None = Field(default=None, description="for auth_type oauth")
    default_model_capacity: Count | None = Field(
        default=None, description="seats of each of its models, for capacity_based"
    )
    limits: LimitsSpec = Field(
        default_factory=LimitsSpec, description="our own limits for the whole account"
    )
    budgets: BudgetSpec | None = Field(
        default=None, description="what may be spent here in a day; absent: no limit"
    )
    options: dict[str, Any] = Field(
        default={}, repr=False, description="keys of this kind, see providers.md"
    )
    request: RequestSpec | None = Field(
        default=None, description="what requests to all its services are given"
    )
    attribution: Literal["auto", "none", "headers", "metadata", "both"] = Field(
        default="auto",
        description=(
            "how it is told whose requests these are: by x-pilotfish-namespace, -workload and "
            "-label-... headers, by the vendor's own field (user, metadata.user_id, "
            "requestMetadata) where the client has not set it, by both; auto: by headers to "
            "servers that need no key (vllm, ollama, lmstudio), else not at all"
        ),
    )
    ca_file: str | None = Field(
        default=None,
        min_length=1,
        description="PEM bundle of authorities to trust instead of the system's",
    )
