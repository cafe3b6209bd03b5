"""Amazon Bedrock: the Converse API, which is one form for all its models, and Anthropic's own form
for Claude.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.model_facts import claude_quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.price import ListedModel
from pilotfish.core.model.provider import (
    Auth,
    BodyEdit,
    Envelope,
    ErrorCodes,
    Flags,
    LimitHeaders,
    Option,
    ProviderKind,
)
from pilotfish.styles.bedrock.invoke import ChunkDecoder

DEFAULT_REGION = "us-east-1"
_RUNTIME_HOST = re.compile(
    r"https://bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(?:\.cn)?)"
)

# User guide, "Anthropic Claude Messages API" and the pages below it, 2026-11. Bedrock answers an
# unknown flag with 400 "invalid beta flag", and SDKs and Claude Code send flags that only
# Anthropic's own API knows.
BETA_FLAGS = frozenset(
    {
        "compact-2026-01-12", "computer-use-2024-10-22", "computer-use-2025-01-24",
        "computer-use-2025-11-24", "context-1m-2025-08-07", "context-management-2025-06-27",
        "dev-full-thinking-2025-05-14", "effort-2025-11-24",
        "fine-grained-tool-streaming-2025-05-14", "interleaved-thinking-2025-05-14",
        "output-128k-2025-02-19", "token-efficient-tools-2025-02-19", "tool-examples-2025-10-29",
        "tool-search-tool-2025-10-19",
    }
)  # fmt: skip


# User guide, "Inference using Responses API", 2026-11: OpenAI's forms are served at an endpoint of
# their own, with signatures of its own name.
OPENAI_FORMS = ("openai", "openai_responses")
OPENAI_FORM_PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}
PATHS = {
    "converse": "/model/{model}/converse",
    "converse:stream": "/model/{model}/converse-stream",
    "invoke": "/model/{model}/invoke",
    "invoke:stream": "/model/{model}/invoke-with-response-stream",
    "messages": "/model/{model}/invoke",
    "messages:stream": "/model/{model}/invoke-with-response-stream",
}
SIGNED = Auth(scheme="aws_sigv4")


def in_openai_form(options: Mapping[str, Any]) -> bool:
    return options.get("api_style") in OPENAI_FORMS


def base_from(options: Mapping[str, Any]) -> str:
    region = str(options.get("region") or DEFAULT_REGION)
    if in_openai_form(options):
        return f"https://bedrock-mantle.{region}.api.aws"
    return (
        f"https://bedrock-runtime.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    )


def model_quirks(model: str) -> Quirks | None:
    """The facts of a Claude model. Unlike Anthropic's own API, Converse needs no maxTokens: without
    it the answer may be as long as the model allows.
    """
    quirks = claude_quirks(model, Quirks())
    return msgspec.structs.replace(quirks, default_max_tokens=None) if quirks else None


def styles_of_model(model: str) -> tuple[str, ...]:
    """Converse for every model, and Anthropic's form for Claude. A model named by an ARN without
    "claude" is called through Converse, which all models have.
    """
    own = ("bedrock", "anthropic") if "claude" in model.lower() else ("bedrock",)
    return (*own, *OPENAI_FORMS)  # the last two only where the rules ask for their endpoint


_MODEL_ID = re.compile(
    r"(?:(?P<geography>[a-z-]+)\.)?(?P<vendor>anthropic|amazon)\.(?P<model>.+?)(?:-v\d+)?(?::.*)?"
)


def listed(model: str, options: Mapping[str, Any]) -> ListedModel | None:
    """Claude costs what Anthropic's own API charges by `global.` profiles; all others have a
    surcharge for newer models (tier `regional`). Amazon's own models are `amazon`'s.
    """
    m = _MODEL_ID.fullmatch(model)
    if m is None:
        return None
    return ListedModel(m["vendor"], m["model"], "" if m["geography"] == "global" else "regional")


def probe_from(base: str, options: Mapping[str, Any]) -> str:
    """The list of models. AWS serves it at the control plane's host; behind another base URL, such
    as a gateway's, it is looked for below that one.
    """
    if in_openai_form(options):
        return f"{base}/v1/models"
    m = _RUNTIME_HOST.match(base)
    host = f"https://bedrock.{m[1]}.{m[2]}" if m else base
    return f"{host}/foundation-models"


def passes(root: str, rest: str, options: Mapping[str, Any]) -> str | None:
    return None if root else rest


KIND = ProviderKind(
    name="bedrock",
    title="Amazon Bedrock",
    docs="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
    otel_name="aws.bedrock",
    litellm_names=("bedrock", "bedrock_converse"),
    style="bedrock",
    paths=PATHS,
    paths_from=lambda options: OPENAI_FORM_PATHS if in_openai_form(options) else PATHS,
    auth_from=lambda options: (
        Auth(scheme="aws_sigv4", service="bedrock-mantle") if in_openai_form(options) else SIGNED
    ),
    base_from=base_from,
    styles_of_model=styles_of_model,
    model_quirks=model_quirks,
    listed=listed,
    auth=SIGNED,
    extra="aws",
    limits=LimitHeaders(),
    passes=passes,
    options={
        "region": Option(help=f"{DEFAULT_REGION} if absent"),
        "access_key": Option(secret=True),
        "secret_key": Option(secret=True),
        "session_token": Option(secret=True),
        "use_role": Option(
            type=bool,
            help="assume `role_arn` with the keys given, or with those AWS's default search finds",
        ),
        "role_arn": Option(help="the role to assume"),
        "external_id": Option(help="the external id that the role's trust policy asks for"),
        "role_session_name": Option(help="pilotfish if absent"),
        "sts_endpoint": Option(help="another Security Token Service endpoint, such as a VPC's"),
        "profile": Option(help="a profile of AWS's configuration files"),
        "anthropic_beta": Option(
            help=(
                "beta flags of Anthropic's, comma-separated, that your models take besides those "
                "documented"
            )
        ),
    },
    probe_from=probe_from,
    tested="the credentials list foundation models; whether they may use one is not tested",
    # User guide, "Anthropic Claude Messages API", "Request and response", 2026-11: model and
    # streaming are in the path, version and beta flags in the body; fields that only Anthropic's
    # own API has are answered with 400 "Extra inputs are not permitted". All models take this
    # version. The newer 2026-10-21 refuses more fields and has the same responses.
    body_edits={
        "messages": BodyEdit(
            remove=("model", "stream"),
            refuses=("container", "inference_geo", "mcp_servers", "service_tier", "speed"),
            put=(("anthropic_version", "bedrock-2023-05-31"),),
            flags=Flags("anthropic-beta", "anthropic_beta", BETA_FLAGS, option="anthropic_beta"),
        )
    },
    envelopes={
        "messages": Envelope(
            ChunkDecoder,
            errors="bedrock",
            drops_headers=frozenset({b"accept", b"anthropic-beta", b"anthropic-version"}),
        )
    },
    # API reference "Converse", section Errors, 2026-11. In a stream they are exception events with
    # the same names.
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
        context_length=(
            "too many input tokens",
            "input is too long",
            "exceeds the model's maximum",
        ),
        content_policy=("content filtering policy",),
    ),
    notes=(
        "A `token` is taken as a Bedrock API key (Bearer); without one, requests are signed "
        "(SigV4).",
        "Clients of Anthropic's form reach a Claude in that form (InvokeModel), so nothing is "
        "lost; all others, and all other models, are served through Converse. `api_style: "
        "anthropic` has every client's requests for a Claude written in Anthropic's form.",
        "`api_style: openai` or `openai_responses`: Bedrock's OpenAI-compatible endpoint "
        "(bedrock-mantle), for the models that it has.",
        "A client's `anthropic-beta` flags that Bedrock is not known to take are left out and "
        "named, and so are fields that only Anthropic's own API has (`service_tier`, "
        "`inference_geo`, ...); `options.anthropic_beta` adds flags.",
        "Model ids, inference profiles (`us.anthropic...`) and ARNs are taken as they stand.",
    ),
)
