"""Claude Platform on AWS: Anthropic's own API at AWS's door, with AWS's credentials and workspaces.

Sources: AWS user guide "Claude Platform on AWS", "Authentication" and "Making requests"
(docs.aws.amazon.com/claude-platform), and Anthropic's page of the same name, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotfish.core.model.model_facts import (
    CLAUDE_API_ERRORS,
    CLAUDE_API_LIMITS,
    CLAUDE_API_QUIRKS,
    claude_api_quirks,
)
from pilotfish.core.model.price import listed_by
from pilotfish.core.model.provider import Auth, Option, ProviderKind


def base_from(options: Mapping[str, Any]) -> str:
    region = str(options.get("region") or "")
    return f"https://aws-external-anthropic.{region}.api.aws/v1" if region else ""


def headers_from(options: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (("anthropic-workspace-id", str(options.get("workspace") or "")),)


KIND = ProviderKind(
    name="claude_aws",
    title="Claude Platform on AWS",
    docs="https://docs.aws.amazon.com/claude-platform/latest/userguide/making-requests.html",
    otel_name="anthropic",
    key_variable="ANTHROPIC_AWS_API_KEY",
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
    paths={"messages": "/messages", "count_tokens": "/messages/count_tokens"},
    headers_from=headers_from,
    auth=Auth(scheme="aws_sigv4", service="aws-external-anthropic"),
    extra="aws",
    options={
        "region": Option(help="of the endpoint. Required unless `api_base` is given"),
        "workspace": Option(required=True, help="id of the workspace (wrkspc_...)"),
        "access_key": Option(secret=True),
        "secret_key": Option(secret=True),
        "session_token": Option(secret=True),
        "use_role": Option(type=bool, help="assume `role_arn`"),
        "role_arn": Option(help="the role to assume"),
        "external_id": Option(help="the external id that the role's trust policy asks for"),
        "role_session_name": Option(help="pilotfish if absent"),
        "sts_endpoint": Option(help="another Security Token Service endpoint, such as a VPC's"),
        "profile": Option(help="a profile of AWS's configuration files"),
    },
    notes=(
        "Anthropic's own API, models and limits. A `token` is taken as an API key of the workspace "
        "(Bearer); without one, requests are signed (SigV4).",
    ),
)
