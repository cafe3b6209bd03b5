"""The record that each file of `providers/` fills in: one vendor's facts as frozen data. The core
never names a vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.formats.style import EventDecoder, Quirks
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.price import ListedModel

# Operation -> style, for the five chat operations, which can be translated into each other. Every
# other operation (`embeddings`, `images`, ...) is only sent to providers whose `paths` have it.
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
    """One key of a provider's `options` in the rules file. `secret`: it takes {env|file|secret}
    like `token`, and a literal only where inline secrets are allowed.
    """

    type: type = str
    required: bool = False
    choices: tuple[str, ...] = ()
    secret: bool = False
    help: str = ""


@dataclass(frozen=True, slots=True)
class Auth:
    """How requests are authenticated. With `scheme="key"`: one header, such as `Authorization:
    Bearer KEY` or `x-api-key: KEY`. Signatures and expiring tokens have a scheme of their own
    (`aws_sigv4`, `entra`, `google`, `copilot`), which `credentials/` implements. `service`: what a
    signature of AWS's is for.
    """

    header: str = "authorization"
    prefix: str = "Bearer "
    scheme: str = "key"
    service: str = "bedrock"


@dataclass(frozen=True, slots=True)
class LimitHeaders:
    """The response headers that report a vendor's rate limits: kind (`requests`, `tokens`,
    `input_tokens`, `output_tokens`) -> header name, lower case.

    `index` is the inverse, for one pass over a response's headers: header name ->
    (`remaining` | `limit` | `reset`, kind).
    """

    remaining: Mapping[str, str] = field(default_factory=dict)
    limit: Mapping[str, str] = field(default_factory=dict)
    reset: Mapping[str, str] = field(default_factory=dict)
    index: Mapping[bytes, tuple[str, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tables = {"remaining": self.remaining, "limit": self.limit, "reset": self.reset}
        index = {
            header.encode(): (table, kind)
            for table, kinds in tables.items()
            for kind, header in kinds.items()
        }
        object.__setattr__(self, "index", index)


@dataclass(frozen=True, slots=True)
class ErrorCodes:
    """How a vendor words its errors, beyond what `core.state.classify` derives from the HTTP status
    and from the codes that all vendors share.

    `outcomes`: the vendor's error code or type, lower case -> outcome. `phrases`: part of the
    message, lower case -> outcome. `statuses`: HTTP status -> outcome. `context_length` and
    `content_policy`: codes, types or parts of the message, lower case, that give a refusal this
    reason.
    """

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    phrases: Mapping[str, Outcome] = field(default_factory=dict)
    statuses: Mapping[int, Outcome] = field(default_factory=dict)
    context_length: tuple[str, ...] = ()
    content_policy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flags:
    """A request header of comma-separated flags that a platform takes as a list in the body.

    The platform refuses a request for a flag that it does not know. So only the flags in `known`,
    and those that the rules file gives in the provider's option `option`, are sent; the others are
    left out and reported as dropped.
    """

    header: str
    field: str
    known: frozenset[str]
    option: str


@dataclass(frozen=True, slots=True)
class BodyEdit:
    """How a platform's request body differs from the style it is written in, by top-level fields.

    `remove`: left out without a word, since the platform has another place for them. `refuses`:
    left out and reported as dropped. `put`: (name, value) to set.
    """

    remove: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    put: tuple[tuple[str, str], ...] = ()
    flags: Flags | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """How a platform wraps another vendor's style (Claude on Bedrock).

    `event_decoder`: makes a decoder from the platform's stream frames to the style's own events.
    `errors`: the style in which the platform words its errors. `drops_headers`: request headers of
    the client that the platform does not take, lower case.
    """

    event_decoder: Callable[[], EventDecoder]
    errors: str
    drops_headers: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class OAuthEndpoint:
    """Where a vendor renews access tokens (RFC 6749 section 6). `as_json`: it takes JSON where the
    RFC has a form.
    """

    url: str
    as_json: bool = False


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
    """A kind of provider: one vendor, and all that sets it apart from others of its style.

    `name`: the `kind` of the rules file. `title`: the vendor's name for people. `docs`: the page
    that most facts come from. `notes`: what docs/providers.md says besides.
    `style`: the style that requests of other styles are translated to.
    `paths`: operation -> path below the base URL, in which `{model}` and `{subpath}` are filled in;
    `OP:stream` is the path of a streamed answer where it differs. Operations with a subpath
    (`images/generations`) are keyed by their first segment.
    `version`: path prefix that `api_base` may end with or not; empty: paths are appended to the
    base as it stands.
    `headers`: sent with every request. `client_overrides`: those of them that a client of the same
    style may set itself. `oauth_headers`: sent beside an OAuth access token.
    `oauth_endpoints`: where such tokens are renewed, by the `provider_type` that other tools' files
    have for it.
    `probe`: path below the base, or a whole URL, of the call that tests a connection; None: there
    is none free of charge. `tested`: what a good answer to it proves, in words.
    `otel_name`: what OpenTelemetry's conventions call the vendor; empty: `name`. `litellm_names`:
    what LiteLLM's model names begin with for it. `key_variable`: the environment variable in which
    LiteLLM looks for a key that its file does not name.
    `extra`: the optional dependency group that the credentials need, named when it is missing.
    `classify`: (status, error) -> outcome, where neither the status nor `errors` suffices; None
    leaves it to them.
    `body_edits` and `envelopes`: by operation.

    Functions of the provider's `options` in the rules file, for kinds where a value depends on
    them: `base_from` (base URL, empty where it must be given), `style_from`, `paths_from`, `query`
    (query string), `headers_from` (beside `headers`), `auth_from`, `probe_from` (also takes the
    base URL). Functions of a model name: `model_quirks` (None: `quirks` hold) and `styles_of_model`
    (the chat styles it is served in, the preferred one first). `listed`: (model, options) -> where
    the price list has that model; None: it has no prices of this kind. `clean_base` removes from a
    base URL what `paths` hold already. `passes`: (root and rest of a path that is passed on,
    options) -> the path below the base URL without its version, None where the vendor has no such
    root. Absent: the vendor's paths are OpenAI's or Anthropic's, below the base URL as it stands.
    """

    name: str
    style: str
    paths: Mapping[str, str]
    base_url: str = ""
    version: str = ""
    auth: Auth = Auth()
    headers: tuple[tuple[str, str], ...] = ()
    headers_from: Callable[[Mapping[str, Any]], tuple[tuple[str, str], ...]] | None = None
    client_overrides: frozenset[str] = frozenset()
    options: Mapping[str, Option] = field(default_factory=dict)
    needs_key: bool = True
    probe: str | None = "/models"
    tested: str = "it lists models"
    limits: LimitHeaders = OPENAI_LIMITS
    quirks: Quirks = NO_QUIRKS
    classify: Callable[[int, ErrorInfo], Outcome | None] | None = None
    base_from: Callable[[Mapping[str, Any]], str] | None = None
    style_from: Callable[[Mapping[str, Any]], str] | None = None
    paths_from: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = None
    query: Callable[[Mapping[str, Any]], str] | None = None
    model_quirks: Callable[[str], Quirks | None] | None = None
    otel_name: str = ""
    litellm_names: tuple[str, ...] = ()
    key_variable: str = ""
    extra: str = ""
    title: str = ""
    docs: str = ""
    notes: tuple[str, ...] = ()
    errors: ErrorCodes = ErrorCodes()
    auth_from: Callable[[Mapping[str, Any]], Auth] | None = None
    styles_of_model: Callable[[str], tuple[str, ...]] | None = None
    body_edits: Mapping[str, BodyEdit] = field(default_factory=dict)
    probe_from: Callable[[str, Mapping[str, Any]], str] | None = None
    clean_base: Callable[[str], str] | None = None
    oauth_headers: tuple[tuple[str, str], ...] = ()
    oauth_endpoints: Mapping[str, OAuthEndpoint] = field(default_factory=dict)
    envelopes: Mapping[str, Envelope] = field(default_factory=dict)
    listed: Callable[[str, Mapping[str, Any]], ListedModel | None] | None = None
    passes: Callable[[str, str, Mapping[str, Any]], str | None] | None = None
