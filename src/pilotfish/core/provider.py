"""What a provider file is made of: one frozen record per vendor, found in `providers/`, named nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotfish.core.outcome import Outcome
from pilotfish.core.style import ErrorInfo, Quirks

# Operations: what a client asks for. The first five are chats, one per style, and may be translated into each other; the others
# pass through only to a provider that knows them. Operations with a tail (`images/generations`) are looked up by their first word.
CHAT_STYLES: Mapping[str, str] = {
    "chat": "openai",
    "responses": "openai_responses",
    "messages": "anthropic",
    "generate": "google",
    "converse": "bedrock",
}
OP_OF_STYLE: Mapping[str, str] = {style: op for op, style in CHAT_STYLES.items()}


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a provider's `options` in the rules file."""

    type: type = str
    required: bool = False
    choices: tuple[str, ...] = ()
    secret: bool = False  # takes {env|file|secret} like `token`, and never a literal unless inline secrets are allowed
    help: str = ""


@dataclass(frozen=True, slots=True)
class Auth:
    """A key as a header: `Authorization: Bearer KEY`, `x-api-key: KEY`. Signatures and expiring tokens name their `scheme` instead,
    which the shell's credential sources know (`aws_sigv4`, `entra`, `google`, `copilot`)."""

    header: str = "authorization"
    prefix: str = "Bearer "
    scheme: str = "key"


@dataclass(frozen=True, slots=True)
class LimitHeaders:
    """Which answer headers tell what is left: kind (`requests`, `tokens`, `input_tokens`, `output_tokens`) -> header names."""

    remaining: Mapping[str, str] = field(default_factory=dict)
    limit: Mapping[str, str] = field(default_factory=dict)
    reset: Mapping[str, str] = field(default_factory=dict)


OPENAI_LIMITS = LimitHeaders(
    remaining={"requests": "x-ratelimit-remaining-requests", "tokens": "x-ratelimit-remaining-tokens"},
    limit={"requests": "x-ratelimit-limit-requests", "tokens": "x-ratelimit-limit-tokens"},
    reset={"requests": "x-ratelimit-reset-requests", "tokens": "x-ratelimit-reset-tokens"},
)

OPENAI_PATHS: Mapping[str, str] = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "moderations": "/moderations",
    "images": "/images/{tail}",
    "audio": "/audio/{tail}",
    "rerank": "/rerank",
}


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """A vendor and its habits.

    `paths` maps an operation to the path below the base URL; `{model}` and `{tail}` are filled in. `style` is the one that requests
    of other styles are translated to. `version` is the path prefix that `api_base` may or may not already end with; empty: paths
    are appended to the base as it stands. `classify` may give a vendor's own error another outcome than its status suggests.
    """

    name: str
    style: str
    paths: Mapping[str, str]
    base_url: str = ""
    version: str = ""
    auth: Auth = Auth()
    headers: tuple[tuple[str, str], ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    needs_key: bool = True
    probe: str | None = "/models"
    limits: LimitHeaders = OPENAI_LIMITS
    quirks: Quirks = Quirks()
    classify: Callable[[int, ErrorInfo], Outcome | None] | None = None
    base_from: Callable[[Mapping[str, Any]], str] | None = None     # options -> base URL (azure, vertex, bedrock)
    style_from: Callable[[Mapping[str, Any]], str] | None = None    # options -> preferred style (openai's `api`)
    paths_from: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = None
    query: Callable[[Mapping[str, Any]], str] | None = None         # options -> query string (azure's api-version)
    model_quirks: Callable[[str], Quirks | None] | None = None      # facts of a model family
    extra: str = ""                                                 # the extra that its credentials need, named when missing
