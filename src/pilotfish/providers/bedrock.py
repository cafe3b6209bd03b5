"""Amazon Bedrock: the Converse API, one form for every model it serves, Claude's included."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.model_facts import claude_quirks
from pilotfish.core.outcome import Outcome
from pilotfish.core.provider import Auth, ErrorCodes, LimitHeaders, Option, ProviderKind
from pilotfish.core.style import Quirks

DEFAULT_REGION = "us-east-1"
_RUNTIME_HOST = re.compile(r"https://bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(?:\.cn)?)")


def base_from(options: Mapping[str, Any]) -> str:
    region = str(options.get("region") or DEFAULT_REGION)
    return f"https://bedrock-runtime.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def model_quirks(model: str) -> Quirks | None:
    """What Claude refuses it refuses here too; but without maxTokens, Converse answers as long as the model can."""
    quirks = claude_quirks(model, Quirks())
    return msgspec.structs.replace(quirks, default_max_tokens=None) if quirks else None


def probe_from(base: str, options: Mapping[str, Any]) -> str:
    """The list of models, at the control plane beside the runtime; behind another base (a gateway, a simulation) below that one."""
    m = _RUNTIME_HOST.match(base)
    host = f"https://bedrock.{m[1]}.{m[2]}" if m else base
    return f"{host}/foundation-models"


KIND = ProviderKind(
    name="bedrock",
    title="Amazon Bedrock",
    docs="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
    style="bedrock",
    paths={"converse": "/model/{model}/converse", "converse:stream": "/model/{model}/converse-stream"},
    base_from=base_from,
    model_quirks=model_quirks,
    auth=Auth(scheme="aws_sigv4"),
    extra="aws",
    limits=LimitHeaders(),
    options={
        "region": Option(help=f"{DEFAULT_REGION} if absent"),
        "access_key": Option(secret=True),
        "secret_key": Option(secret=True),
        "session_token": Option(secret=True),
        "use_role": Option(type=bool, help="assume `role_arn` with the keys given, or with those AWS's default search finds"),
        "role_arn": Option(help="the role to assume"),
        "external_id": Option(help="the external id that the role's trust policy asks for"),
        "role_session_name": Option(help="pilotfish if absent"),
        "sts_endpoint": Option(help="another Security Token Service endpoint, such as a VPC's"),
        "profile": Option(help="a profile of AWS's configuration files"),
    },
    probe_from=probe_from,
    # API reference "Converse", section Errors, 2026-11. In a stream they come as exception events with the same names.
    errors=ErrorCodes(
        outcomes={
            "throttlingexception": Outcome.OVERLOADED,
            "modelnotreadyexception": Outcome.OVERLOADED,
            "serviceunavailableexception": Outcome.OVERLOADED,
            "modeltimeoutexception": Outcome.SERVER_ERROR,
            "modelerrorexception": Outcome.SERVER_ERROR,
            "modelstreamerrorexception": Outcome.SERVER_ERROR,
            "internalserverexception": Outcome.SERVER_ERROR,
            "servicequotaexceededexception": Outcome.RATE_LIMITED,
            "resourcenotfoundexception": Outcome.NOT_FOUND,
            "accessdeniedexception": Outcome.AUTH_FAILED,
            "unrecognizedclientexception": Outcome.AUTH_FAILED,
            "expiredtokenexception": Outcome.AUTH_FAILED,
            "invalidsignatureexception": Outcome.AUTH_FAILED,
            "missingauthenticationtokenexception": Outcome.AUTH_FAILED,
        },
        phrases={
            "model identifier is invalid": Outcome.NOT_FOUND,
            "on-demand throughput isn't supported": Outcome.NOT_FOUND,
            "on-demand throughput isn\u2019t supported": Outcome.NOT_FOUND,
            "too many tokens per day": Outcome.RATE_LIMITED,
        },
        context_length=("too many input tokens", "input is too long", "exceeds the model's maximum"),
        content_policy=("content filtering policy",),
    ),
    notes=(
        "A `token` is taken as a Bedrock API key (Bearer); without one, requests are signed (SigV4).",
        "Model ids, inference profiles (`us.anthropic...`) and ARNs are taken as they stand.",
    ),
)
