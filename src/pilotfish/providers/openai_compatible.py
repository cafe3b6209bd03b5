"""Any server with OpenAI's Chat Completions API, at a base URL from the rules file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.model_facts import open_model_quirks
from pilotfish.core.model.provider import OPENAI_PATHS, OAuthEndpoint, Option, ProviderKind


def base_from(options: Mapping[str, Any]) -> str:
    """The option `base_url`; empty if it is absent, and then `api_base` is required."""
    return str(options.get("base_url") or "").rstrip("/")


def style_from(options: Mapping[str, Any]) -> str:
    return "openai_responses" if options.get("api") == "responses" else "openai"


PATHS = {**OPENAI_PATHS, "realtime": "/realtime?model={model}"}


def paths_from(options: Mapping[str, Any]) -> Mapping[str, str]:
    """Responses is among the paths only with the option `api: responses`, since few of these
    servers have it. Without it, clients of that API are served through Chat Completions.
    """
    return {**PATHS, "responses": "/responses"} if options.get("api") == "responses" else PATHS


# Few chat templates of open models have the developer role, and few servers take
# max_completion_tokens. Recorded of such servers: calls with the id "", and a function call of
# nothing beside every text.
QUIRKS = Quirks(max_tokens_field="max_tokens", developer_role=False, odd_calls=True)


def model_quirks(model: str) -> Quirks | None:
    """What a model wants whoever serves it."""
    return open_model_quirks(model, QUIRKS)


KIND = ProviderKind(
    name="openai_compatible",
    title="OpenAI-compatible server",
    docs="https://platform.openai.com/docs/api-reference/chat",
    litellm_names=("openai_like", "custom_openai", "litellm_proxy"),
    style="openai",
    paths=PATHS,
    paths_from=paths_from,
    style_from=style_from,
    quirks=QUIRKS,
    model_quirks=model_quirks,
    # As these vendors' own command line tools renew their tokens; read 2026-11.
    oauth_endpoints={
        **dict.fromkeys(
            ("qwen", "qwen_code"), OAuthEndpoint("https://chat.qwen.ai/api/v1/oauth2/token")
        ),
        **dict.fromkeys(
            ("kimi", "kimi_code"), OAuthEndpoint("https://auth.kimi.com/api/oauth/token")
        ),
    },
    options={
        "base_url": Option(
            help=(
                "base URL; paths are appended to it as it stands. Required unless `api_base` is "
                "given"
            )
        ),
        "api": Option(
            choices=("completions", "responses"),
            help="responses: the server has the Responses API, and every chat request goes there",
        ),
        "headers": Option(
            type=dict, help="headers sent with every request; they win over the key's header"
        ),
    },
    base_from=base_from,
    notes=(
        (
            "Paths are appended to the base URL as it stands, so include `/v1` where the server "
            "wants it."
        ),
    ),
)
