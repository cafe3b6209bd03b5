"""What a provider file is made of: one frozen record per vendor, found in `providers/`, named
nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.style import EventDecoder, Quirks
from pilotfish.core.model.outcome import Outcome

# Operations: what a client asks for. The first five are chats, one per style, and may be translated
# into each other; the others pass through only to a provider that knows them. Operations with a
# subpath (`images/generations`) are looked up by their first word.
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
    # takes {env|file|secret} like `token`, and never a literal unless inline secrets are allowed
    secret: bool = False
    help: str = ""


@dataclass(frozen=True, slots=True)
class Auth:
    """A key as a header: `Authorization: Bearer KEY`, `x-api-key: KEY`. Signatures and expiring
    tokens name their `scheme` instead, which the shell's credential sources know (`aws_sigv4`,
    `entra`, `google`, `copilot`)."""

    header: str = "authorization"
    prefix: str = "Bearer "
    scheme: str = "key"


@dataclass(frozen=True, slots=True)
class LimitHeaders:
    """Which answer headers tell what is left: kind (`requests`, `tokens`, `input_tokens`,
    `output_tokens`) -> header names.

    `index` turns these around for the one pass over an answer's headers: header name -> (what it
    tells, kind).
    """

    remaining: Mapping[str, str] = field(default_factory=dict)
    limit: Mapping[str, str] = field(default_factory=dict)
    reset: Mapping[str, str] = field(default_factory=dict)
    index: Mapping[bytes, tuple[str, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        told = {"remaining": self.remaining, "limit": self.limit, "reset": self.reset}
        index = {
            header.encode(): (what, kind)
            for what, kinds in told.items()
            for kind, header in kinds.items()
        }
        object.__setattr__(self, "index", index)


@dataclass(frozen=True, slots=True)
class ErrorCodes:
    """How a vendor words its errors, where status and common wording (`core.state.classify`) do not
    say it already.

    `outcomes`: the vendor's code or type, lower case -> outcome. `phrases`: part of the message,
    lower case -> outcome. `statuses`: HTTP status -> outcome. `context_length`, `content_policy`:
    codes, types or parts of the message that give a refusal this reason.
    """

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    phrases: Mapping[str, Outcome] = field(default_factory=dict)
    statuses: Mapping[int, Outcome] = field(default_factory=dict)
    context_length: tuple[str, ...] = ()
    content_policy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flags:
    """A header of comma-separated flags that a platform wants as a list in the body. It refuses the
    whole request for one that it does not know, so others than `known` and those of the provider's
    `option` are left out and named."""

    header: str
    field: str
    known: frozenset[str]
    option: str


@dataclass(frozen=True, slots=True)
class BodyEdit:
    """What a platform wants otherwise in the body of a request that is else in its style: top-level
    fields to leave out, since it has another place for them, and to set; and those that it refuses,
    which are left out and named."""

    remove: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    put: tuple[tuple[str, str], ...] = ()
    flags: Flags | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """How a platform hands on another vendor's form: `event_decoder` gives the style's own events
    of a stream that has them in frames of the platform's, `errors` is the style in which it words
    its refusals, and `withholds` are the client's headers that it has no use for."""

    event_decoder: Callable[[], EventDecoder]
    errors: str
    withholds: frozenset[bytes] = frozenset()


OPENAI_LIMITS = LimitHeaders(
    remaining={
        "requests": "x-ratelimit-remaining-requests",
        "tokens": "x-ratelimit-remaining-tokens",
    },
    limit={"requests": "x-ratelimit-limit-requests", "tokens": "x-ratelimit-limit-tokens"},
    reset={"requests": "x-ratelimit-reset-requests", "tokens": "x-ratelimit-reset-tokens"},
)

OPENAI_PATHS: Mapping[str, str] = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "moderations": "/moderations",
    "images": "/images/{subpath}",
    "audio": "/audio/{subpath}",
    "rerank": "/rerank",
}

NO_QUIRKS = Quirks()


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """A vendor and its habits.

    `paths` maps an operation to the path below the base URL; `{model}` and `{subpath}` are filled
    in; `OP:stream` is the path of a streamed answer where that differs. `style` is the one that
    requests of other styles are translated to, unless `styles_of_model` says in which styles a
    model is served (Claude on Vertex), the preferred one first. `version` is the path prefix that
    `api_base` may or may not already end with; empty: paths are appended to the base as it stands.
    `classify` may give a vendor's own error another outcome than its status and `errors` suggest.
    `probe` is a path below the base, or a whole URL.
    """

    name: str
    style: str
    paths: Mapping[str, str]
    base_url: str = ""
    version: str = ""
    auth: Auth = Auth()
    headers: tuple[tuple[str, str], ...] = ()
    yields: frozenset[str] = (
        frozenset()
    )  # of `headers`: those that a client of the same style may set itself
    options: Mapping[str, Option] = field(default_factory=dict)
    needs_key: bool = True
    probe: str | None = "/models"
    limits: LimitHeaders = OPENAI_LIMITS
    quirks: Quirks = NO_QUIRKS
    classify: Callable[[int, ErrorInfo], Outcome | None] | None = None
    base_from: Callable[[Mapping[str, Any]], str] | None = (
        None  # options -> base URL (azure, vertex, bedrock)
    )
    style_from: Callable[[Mapping[str, Any]], str] | None = (
        None  # options -> preferred style (openai's `api`)
    )
    paths_from: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = None
    query: Callable[[Mapping[str, Any]], str] | None = (
        None  # options -> query string (azure's api-version)
    )
    model_quirks: Callable[[str], Quirks | None] | None = None  # facts of a model family
    # what OpenTelemetry's conventions call the vendor (gen_ai.provider.name); empty: `name`
    otel_name: str = ""
    # what LiteLLM's model names begin with for this vendor, and the environment variable in which
    # it looks for a key that its file does not name
    litellm_names: tuple[str, ...] = ()
    key_variable: str = ""
    extra: str = ""  # the extra that its credentials need, named when missing
    title: str = ""  # the vendor's name for people
    docs: str = ""  # the documentation page that most of the facts come from
    notes: tuple[str, ...] = ()  # habits worth telling people, for docs/providers.md
    errors: ErrorCodes = ErrorCodes()
    auth_from: Callable[[Mapping[str, Any]], Auth] | None = (
        None  # options -> how to authenticate (azure's auth_mode)
    )
    styles_of_model: Callable[[str], tuple[str, ...]] | None = (
        None  # model -> chat styles it is served in, preferred first
    )
    body_edits: Mapping[str, BodyEdit] = field(
        default_factory=dict
    )  # operation -> edit of the body
    probe_from: Callable[[str, Mapping[str, Any]], str] | None = (
        None  # base, options -> probe, where it is not one fixed path
    )
    clean_base: Callable[[str], str] | None = (
        None  # base URL -> without what `paths` hold themselves
    )
    oauth_headers: tuple[tuple[str, str], ...] = ()  # sent beside an OAuth access token
    envelopes: Mapping[str, Envelope] = field(
        default_factory=dict
    )  # operation -> what its style's answers come in (Claude on Bedrock)
