"""GitHub Copilot: a GitHub token is exchanged for a short-lived token, and the response of that
exchange names the host to call.
"""

from __future__ import annotations

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import Auth, ErrorCodes, LimitHeaders, Option, ProviderKind


def styles_of_model(model: str) -> tuple[str, ...]:
    """The style of a model until the list of models has been read: Responses for Codex models, Chat
    Completions for all others.
    """
    return ("openai_responses",) if "codex" in model else ("openai",)


KIND = ProviderKind(
    tested="the GitHub token was exchanged, and Copilot lists models",
    name="github_copilot",
    title="GitHub Copilot",
    docs="https://docs.github.com/en/copilot",
    litellm_names=("github_copilot",),
    key_variable="GITHUB_COPILOT_TOKEN",
    style="openai",
    base_url="https://api.enterprise.githubcopilot.com",
    paths={
        "chat": "/chat/completions",
        "responses": "/responses",
        "messages": "/v1/messages",
        "embeddings": "/embeddings",
    },
    styles_of_model=styles_of_model,
    auth=Auth(scheme="copilot"),
    headers=(
        ("editor-version", "vscode/1.85.1"),
        ("editor-plugin-version", "copilot-chat/0.12.2023120701"),
        ("openai-intent", "conversation-edits"),
        ("copilot-integration-id", "vscode-chat"),
    ),
    options={
        "token_url": Option(
            help=(
                "where the GitHub token is exchanged; "
                "https://api.github.com/copilot_internal/v2/token if absent"
            )
        )
    },
    limits=LimitHeaders(),
    quirks=Quirks(max_tokens_field="max_tokens", developer_role=False, tool_id_max=40),
    errors=ErrorCodes(
        outcomes={
            "model_not_supported": Outcome.NOT_FOUND,
            "unsupported_api_for_model": Outcome.NOT_FOUND,
            "quota_exceeded": Outcome.RATE_LIMITED,
        },
        statuses={402: Outcome.RATE_LIMITED},  # a month's requests are used up
        context_length=("model_max_prompt_tokens_exceeded", "exceeds the limit of"),
    ),
    notes=(
        "The host of the token's `endpoints.api` is called, unless `api_base` names another.",
        (
            "Which of Chat, Responses and Messages a model is asked in follows "
            "`supported_endpoints` of its models list."
        ),
    ),
)
