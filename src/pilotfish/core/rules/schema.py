"""What a rules file may say, as pydantic models: paths in problems, the JSON Schema and
docs/rules.md come from here.

A field that is absent is None; the numbers it then has are the defaults of `core.model.snapshot`,
so they stand in one place only. What takes more than one field to judge is judged by
`core.rules.compile`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from pilotfish.core.model.service import TIME_WINDOW_S
from pilotfish.core.model.snapshot import (
    Affinity,
    CooldownRules,
    HealthRules,
    Hedge,
    Race,
    Retries,
    Timeouts,
)

_T, _R, _H, _C, _RACE, _HEDGE, _AFFINITY = (
    Timeouts(),
    Retries(),
    HealthRules(),
    CooldownRules(),
    Race(),
    Hedge(),
    Affinity(by="header"),
)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=1)]
# Names stand in headers (`x-pilotfish-rule`), metrics and addresses (`provider/model`), so they are
# printable ASCII.
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]([ -~]*[!-~])?$")]
ProviderName = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[!-.0-~]([ -.0-~]*[!-.0-~])?$")
]
ScenarioName = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")
]
Reason = Literal["context_length", "content_policy"]


class Spec(BaseModel):
    """Base of all: unknown keys are problems, and text is no number."""

    # A model's own validator is built when somebody asks this model: the file's holds those of all
    # others already.
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, defer_build=True
    )

    @model_validator(mode="before")
    @classmethod
    def _absent(cls, data: Any) -> Any:
        """A key with nothing after it (`rules:`) is as good as absent."""
        if not isinstance(data, dict):
            return data
        return {k: v for k, v in data.items() if v is not None or k not in cls.model_fields}


def _form(value: object) -> str:
    return "text" if isinstance(value, str) else "object"


class MountedSecret(Spec):
    name: str = Field(
        min_length=1, description="name of the Secret, mounted below `PILOTFISH_SECRETS_DIR`"
    )
    key: str = Field(min_length=1, description="key inside the Secret")


class SecretSource(Spec):
    """Where a secret is; exactly one of the three."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    env: str | None = Field(
        default=None, min_length=1, description="name of an environment variable"
    )
    file: str | None = Field(
        default=None, min_length=1, description="path of a file, read again when it changes"
    )
    secret: MountedSecret | None = Field(
        default=None, description="a mounted Kubernetes Secret, read again when it changes"
    )


# The literal form is refused unless inline secrets are allowed.
Secret = Annotated[
    Annotated[SecretSource, Tag("object")] | Annotated[str, Tag("text"), Field(min_length=1)],
    Discriminator(_form),
]


class TimeoutsSpec(Spec):
    connect_s: Positive | None = Field(
        default=None, description=f"seconds to connect, TLS included ({_T.connect_s:g})"
    )
    first_token_s: Positive | None = Field(
        default=None,
        description=(
            "seconds to the first content; doubled for requests that ask for thinking "
            f"({_T.first_token_s:g})"
        ),
    )
    idle_s: Positive | None = Field(
        default=None,
        description=(
            "seconds between content events, pings not counted; doubled for thinking "
            f"({_T.idle_s:g})"
        ),
    )
    total_s: Positive | None = Field(
        default=None,
        description=f"seconds for the whole request, all attempts together ({_T.total_s:g})",
    )


class RetriesSpec(Spec):
    max_retries: int | None = Field(
        default=None,
        ge=0,
        description=f"retries of the same service; 0 means none ({_R.max_retries})",
    )
    base_ms: NotNegative | None = Field(
        default=None, description=f"first backoff in ms, doubled each time ({_R.base_s * 1000:g})"
    )
    max_ms: NotNegative | None = Field(
        default=None,
        description=(
            "longest backoff, and the longest wait hint that is waited out, in ms "
            f"({_R.max_s * 1000:g})"
        ),
    )
    jitter: float | None = Field(
        default=None, ge=0, le=1, description=f"share of the backoff that is random ({_R.jitter:g})"
    )
    max_attempts: Count | None = Field(
        default=None, description=f"attempts of one request over all services ({_R.max_attempts})"
    )
    budget_percent: Percent | None = Field(
        default=None,
        description=f"retries per 100 requests of the rule over 10 s ({_R.budget_percent:g})",
    )


class HealthSpec(Spec):
    consecutive_error_threshold: Count | None = Field(
        default=None,
        description=f"errors in a row that take a service out ({_H.consecutive_error_threshold})",
    )
    error_ratio: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description=(
            f"share of errors in 30 s (20 attempts at least) that takes it out ({_H.error_ratio:g})"
        ),
    )
    probe_enabled: bool | None = Field(
        default=None, description=f"probe before it serves again ({str(_H.probe_enabled).lower()})"
    )
    recovery_timeout_seconds: Positive | None = Field(
        default=None, description="a fixed time out instead of the cooldown's"
    )


class CooldownSpec(Spec):
    base_delay_s: Positive | None = Field(
        default=None, description=f"first time out in seconds ({_C.base_delay_s:g})"
    )
    multiplier: float | None = Field(
        default=None,
        ge=1,
        allow_inf_nan=False,
        description=f"each next one is this much longer ({_C.multiplier:g})",
    )
    max_delay_s: Positive | None = Field(
        default=None, description=f"longest time out in seconds ({_C.max_delay_s:g})"
    )


class DefaultsSpec(Spec):
    """Numbers of all rules; each may be overridden in a rule. Several documents may each give some
    of them.
    """

    timeouts: TimeoutsSpec = Field(
        default_factory=TimeoutsSpec, description="four limits in seconds"
    )
    retries: RetriesSpec = Field(
        default_factory=RetriesSpec, description="how often and how fast a service is asked again"
    )
    health: HealthSpec = Field(default_factory=HealthSpec, description="what takes a service out")
    cooldown: CooldownSpec = Field(default_factory=CooldownSpec, description="for how long")


class LimitsSpec(Spec):
    requests_per_minute: Positive | None = Field(default=None, description="absent: no limit")
    tokens_per_minute: Positive | None = Field(
        default=None, description="input and output tokens; absent: no limit"
    )
    concurrency: Count | None = Field(
        default=None, description="requests in flight; absent: no limit"
    )


class OAuthSpec(Spec):
    access_token: Secret | None = Field(default=None, repr=False, description="the token in use")
    refresh_token: Secret | None = Field(
        default=None, repr=False, description="what fetches the next one"
    )
    provider_type: str = Field(default="", description="whose OAuth it is")
    user_id: str = Field(default="", description="kept for files of other tools, means nothing")
    expires_at: str = Field(default="", description="RFC 3339; absent: not known to expire")
    extra_fields: dict[str, Any] = Field(
        default={},
        repr=False,
        description="what the token endpoint wants besides, such as `token_url`",
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
    tags: list[str] = Field(default=[], description="free words for people")
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
    options: dict[str, Any] = Field(
        default={}, repr=False, description="keys of this kind, see providers.md"
    )
    ca_file: str | None = Field(
        default=None,
        min_length=1,
        description="PEM bundle of authorities to trust instead of the system's",
    )


class ServiceSpec(Spec):
    """One provider + one model."""

    provider: str = Field(description="name of a provider")
    model: Name | None = Field(
        default=None, description="the provider's name for it; absent: its default_model"
    )
    weight: NotNegative = Field(default=1.0, description="share among the services of its tier")
    active: bool = Field(default=True, description="false: not used")
    time_window: float = Field(
        default=TIME_WINDOW_S,
        allow_inf_nan=False,
        description=f"seconds of the statistics' window; 0 or less means {TIME_WINDOW_S:g}",
    )
    tier: int = Field(
        default=0, ge=0, description="tier 1 is used when no service of tier 0 is usable, and so on"
    )
    model_capacity: Count | None = Field(
        default=None,
        description="seats, for capacity_based; absent: the provider's default_model_capacity",
    )
    limits: LimitsSpec = Field(
        default_factory=LimitsSpec, description="our own limits for this service"
    )
    fallback_on: list[Reason] | None = Field(
        default=None,
        description="for which of the rule's fallback_on reasons it may take over; absent: all of them",
    )


class OpSpec(Spec):
    """One condition. The values of each position and operation are in the table below."""

    position: str = Field(description="what is looked at")
    operation: str = Field(description="how it is compared")
    value: str = Field(default="", description="with what; always text")
    negate: bool = Field(default=False, description="turns the answer round")
    uuid: str | None = Field(
        default=None, description="kept for files of other tools, means nothing"
    )
    meta: dict[str, Any] | None = Field(
        default=None, description="kept for files of other tools, means nothing"
    )


class BlockSpec(Spec):
    """Requests that satisfy all `ops` go to these services first."""

    description: str = Field(default="", description="shown by explain")
    ops: list[OpSpec] = Field(min_length=1, description="all must hold")
    services: list[ServiceSpec] = Field(
        min_length=1,
        description="chosen among by the rule's tactic; if none is usable the rule's own follow",
    )


class TacticSpec(Spec):
    type: str = Field(description="name of a tactic")
    params: dict[str, Any] = Field(default={}, description="its parameters")


TacticField = Annotated[
    Annotated[TacticSpec, Tag("object")] | Annotated[str, Tag("text")], Discriminator(_form)
]


class AffinitySpec(Spec):
    """Requests with the same mark prefer the same service."""

    by: Literal["header", "prefix", "user", "client_ip"] = Field(
        description="the mark; prefix: system prompt, tools and first turn"
    )
    header: str | None = Field(default=None, description="which header, with by: header")
    ttl_s: Positive = Field(
        default=_AFFINITY.ttl_s,
        description=f"seconds without a request after which it is forgotten ({_AFFINITY.ttl_s:g})",
    )


class RaceSpec(Spec):
    strategy: Literal["first_wins", "weighted", "quality"] = Field(
        default="first_wins", description="who wins"
    )
    timeout_ms: Positive = Field(
        default=_RACE.timeout_s * 1000, description=f"ms to a winner ({_RACE.timeout_s * 1000:g})"
    )
    grace_period_ms: NotNegative = Field(
        default=_RACE.grace_s * 1000,
        description=f"ms that `weighted` waits for better ones ({_RACE.grace_s * 1000:g})",
    )
    max_parallel: int = Field(
        default=_RACE.max_parallel, ge=2, description=f"attempts at once ({_RACE.max_parallel})"
    )
    performance_file: str | None = Field(
        default=None,
        min_length=1,
        description="where wins and losses are kept; absent: below STATE_DIR",
    )


class HedgeSpec(Spec):
    """A second attempt, only when the first is late."""

    after: Literal["p90", "p95", "p99"] | Positive = Field(
        default="p95",
        description="when it is late: a percentile of its own time to first token, or ms",
    )
    min_ms: NotNegative = Field(
        default=_HEDGE.min_s * 1000, description=f"never before ({_HEDGE.min_s * 1000:g})"
    )
    budget_percent: Percent = Field(
        default=_HEDGE.budget_percent,
        description=f"hedges per 100 requests of the rule ({_HEDGE.budget_percent:g})",
    )


class RuleSpec(Spec):
    """Which requests go to which services, by which tactic."""

    name: Name | None = Field(
        default=None, description="shown in headers, logs and metrics; absent: uuid, else rule-N"
    )
    uuid: Name | None = Field(default=None, description="a name given by other tools")
    scenario: ScenarioName | None = Field(default=None, description="absent: any scenario")
    request_model: str = Field(
        default="*",
        min_length=1,
        max_length=500,
        description="exact, or a glob such as gpt-4*; absent: any model",
    )
    response_model: Name | None = Field(
        default=None,
        description=(
            'what the client sees as `model`; absent: the upstream\'s own; "@requested": what it '
            "asked for"
        ),
    )
    description: str = Field(default="", description="for people")
    active: bool = Field(default=True, description="false: as if it were not there")
    services: list[ServiceSpec] = Field(default=[], description="who may serve")
    lb_tactic: TacticField | None = Field(
        default=None,
        description="how one is chosen: {type, params}, or the name alone; absent: adaptive",
    )
    tactic: TacticField | None = Field(default=None, description="another word for lb_tactic")
    smart_enabled: bool | None = Field(
        default=None,
        description="false: smart_routing is left aside; absent: true where there are blocks",
    )
    smart_routing: list[BlockSpec] = Field(
        default=[], description="the first block that matches decides"
    )
    affinity: AffinitySpec | None = Field(default=None, description="absent: none")
    race: RaceSpec | None = Field(
        default=None, description="several attempts at once; absent: one at a time"
    )
    hedge: HedgeSpec | None = Field(
        default=None, description="a late first attempt gets a rival; absent: none"
    )
    fallbacks: list[str] = Field(
        default=[],
        description="provider/model, used as services of the tiers after the last one, in this order",
    )
    fallback_on: list[Reason] = Field(
        default=[], description="refusals after which another service is asked too"
    )
    on_stream_break: Literal["error", "continue", "restart"] = Field(
        default="error", description="what happens when a stream breaks after its first content"
    )
    buffer: bool = Field(default=False, description="hold the answer back until it is complete")
    queue_ms: NotNegative = Field(
        default=0, description="ms to wait for a free place when all services are at their limits"
    )
    unsupported: Literal["drop", "reject"] = Field(
        default="drop",
        description="fields the service's style cannot carry: drop and say so, or answer 400",
    )
    timeouts: TimeoutsSpec = Field(
        default_factory=TimeoutsSpec, description="instead of the defaults'"
    )
    retries: RetriesSpec = Field(
        default_factory=RetriesSpec, description="instead of the defaults'"
    )
    health: HealthSpec = Field(default_factory=HealthSpec, description="instead of the defaults'")
    cooldown: CooldownSpec = Field(
        default_factory=CooldownSpec, description="instead of the defaults'"
    )


class ParticipantSpec(Spec):
    name: str = Field(description="name of a provider")
    model: Name | None = Field(default=None, description="absent: the provider's default_model")
    priority: int = Field(default=0, description="larger wins ties")


class VirtualModelSpec(Spec):
    """A model name that races several services."""

    display_name: str = Field(default="", description="shown in the list of models")
    description: str = Field(default="", description="shown in the list of models")
    strategy: Literal["first_wins", "weighted", "quality"] = Field(
        default="first_wins", description="who wins"
    )
    timeout_ms: Positive = Field(
        default=_RACE.timeout_s * 1000, description=f"ms to a winner ({_RACE.timeout_s * 1000:g})"
    )
    grace_period_ms: NotNegative = Field(
        default=_RACE.grace_s * 1000,
        description=f"ms that `weighted` waits for better ones ({_RACE.grace_s * 1000:g})",
    )
    providers: list[ParticipantSpec] = Field(min_length=1, description="who races")
    performance_file: str | None = Field(
        default=None,
        min_length=1,
        description="where wins and losses are kept; absent: below STATE_DIR",
    )


class FlagsSpec(Spec):
    unified: bool | None = Field(default=None, description="one configuration for all models")
    separate: bool | None = Field(default=None, description="one for each model")
    smart: bool | None = Field(default=None, description="smart routing decides")


class ScenarioSpec(Spec):
    flags: FlagsSpec = Field(default_factory=FlagsSpec, description="switches of the scenario")
    extensions: dict[str, Any] = Field(
        default={}, description="kept for files of other tools, means nothing"
    )


class PriceSpec(Spec):
    """US dollars per million tokens."""

    input: NotNegative = Field(default=0, description="input tokens")
    output: NotNegative = Field(default=0, description="output tokens, reasoning included")
    cached_input: NotNegative | None = Field(
        default=None, description="input tokens read from a cache; absent: as input"
    )
    cache_write: NotNegative | None = Field(
        default=None, description="input tokens written to a cache; absent: as input"
    )


class RulesFile(Spec):
    """A rules document. Several are merged; a name given twice is a problem."""

    defaults: DefaultsSpec = Field(
        default_factory=DefaultsSpec,
        description="numbers of all rules; each may be overridden in a rule",
    )
    providers: dict[ProviderName, ProviderSpec] = Field(default={}, description="accounts by name")
    scenarios: dict[ScenarioName, ScenarioSpec] = Field(
        default={}, description="kinds of client by name"
    )
    rules: list[RuleSpec] = Field(default=[], description="which requests go where")
    virtual_models: dict[Name, VirtualModelSpec] = Field(
        default={}, description="races by model name"
    )
    default_virtual_model: str | None = Field(
        default=None, description="serves requests whose model no rule knows; absent: they get 404"
    )
    prices: dict[Name, PriceSpec] = Field(
        default={}, description="by provider/model, or by model for every provider"
    )
