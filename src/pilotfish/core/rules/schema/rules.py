"""`rules` and `virtual_models`: services, tactics, smart routing, affinity, races and hedges."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from pilotfish.core.model.service import TIME_WINDOW_S
from pilotfish.core.model.snapshot import Affinity, Hedge, Race, Rule
from pilotfish.core.rules.schema.base import (
    Count,
    Name,
    NotNegative,
    Percent,
    Positive,
    Reason,
    ScenarioName,
    Spec,
    StateFileName,
    union_tag,
)
from pilotfish.core.rules.schema.budgets import BudgetSpec
from pilotfish.core.rules.schema.numbers import (
    CooldownSpec,
    CredentialCooldownSpec,
    HealthSpec,
    LimitsSpec,
    RetriesSpec,
    TimeoutsSpec,
)
from pilotfish.core.rules.schema.request import RequestSpec

_RACE, _HEDGE, _AFFINITY = Race(), Hedge(), Affinity(by="header")


class ServiceSpec(Spec):
    """One provider + one model."""

    provider: str = Field(description="name of a provider")
    model: Name | None = Field(
        default=None,
        description=(
            "the provider's name for it; absent: its default_model; "
            '"@requested", and where neither names one: the model that the request asks for'
        ),
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
    request: RequestSpec | None = Field(
        default=None,
        description="what its requests are given; key by key instead of the provider's `request`",
    )
    fallback_on: list[Reason] | None = Field(
        default=None,
        description="for which of the rule's fallback_on reasons it may take over; "
        "absent: all of them",
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
    Annotated[TacticSpec, Tag("object")] | Annotated[str, Tag("text")], Discriminator(union_tag)
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


Strategy = Literal["first_wins", "weighted", "quality"]
_STRATEGY = f"who wins; absent: the defaults' ({_RACE.strategy})"
_TIMEOUT = f"ms to a winner; absent: the defaults' ({_RACE.timeout_s * 1000:g})"
_GRACE = (
    f"ms that `weighted` waits for better ones; absent: the defaults' ({_RACE.grace_s * 1000:g})"
)


_PERFORMANCE = (
    "name of the file below STATE_DIR/races in which wins and losses are kept; absent: with the "
    "other statistics in STATE_DIR"
)


class RaceSpec(Spec):
    strategy: Strategy | None = Field(default=None, description=_STRATEGY)
    timeout_ms: Positive | None = Field(default=None, description=_TIMEOUT)
    grace_period_ms: NotNegative | None = Field(default=None, description=_GRACE)
    max_parallel: int | None = Field(
        default=None,
        ge=2,
        description=f"attempts at once; absent: the defaults' ({_RACE.max_parallel})",
    )
    performance_file: StateFileName | None = Field(default=None, description=_PERFORMANCE)


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


# Keys that may stand in `defaults` too.
StreamBreak = Literal["error", "continue", "restart"]
Unsupported = Literal["safe", "drop", "reject"]
_RULE = Rule(name="")
MEANING = {
    "on_stream_break": (
        f"what happens when a stream breaks after its first content{{}} ({_RULE.on_stream_break})"
    ),
    "fallback_on": (
        "refusals after which another service is asked too{} "
        f"([{', '.join(sorted(_RULE.fallback_on))}])"
    ),
    "buffer": "hold the answer back until it is complete{} (false)",
    "queue_ms": (
        f"ms to wait for a free place when all services are at their limits{{}} "
        f"({_RULE.queue_s * 1000:g})"
    ),
    "unsupported": (
        "what a service's style cannot carry. safe: content and state leave the service out "
        "(400 if none is left), all else is dropped and named; drop: everything is dropped "
        f"and named; reject: any loss leaves the service out{{}} ({_RULE.unsupported})"
    ),
}


def _of_rule(key: str) -> str:
    return MEANING[key].format("; absent: the defaults'")


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
        description="provider/model, used as services of the tiers after the last one, "
        "in this order",
    )
    fallback_on: list[Reason] | None = Field(default=None, description=_of_rule("fallback_on"))
    on_stream_break: StreamBreak | None = Field(
        default=None, description=_of_rule("on_stream_break")
    )
    buffer: bool | None = Field(default=None, description=_of_rule("buffer"))
    queue_ms: NotNegative | None = Field(default=None, description=_of_rule("queue_ms"))
    unsupported: Unsupported | None = Field(default=None, description=_of_rule("unsupported"))
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
    credential_cooldown: CredentialCooldownSpec = Field(
        default_factory=CredentialCooldownSpec, description="instead of the defaults'"
    )
    budgets: BudgetSpec | None = Field(
        default=None, description="what its requests may take in a day; absent: no limit"
    )


class ParticipantSpec(Spec):
    name: str = Field(description="name of a provider")
    model: Name | None = Field(default=None, description="absent: the provider's default_model")
    priority: int = Field(default=0, description="larger wins ties")


class VirtualModelSpec(Spec):
    """A model name that races several services."""

    display_name: str = Field(default="", description="shown in the list of models")
    description: str = Field(default="", description="shown in the list of models")
    strategy: Strategy | None = Field(default=None, description=_STRATEGY)
    timeout_ms: Positive | None = Field(default=None, description=_TIMEOUT)
    grace_period_ms: NotNegative | None = Field(default=None, description=_GRACE)
    providers: list[ParticipantSpec] = Field(min_length=1, description="who races")
    performance_file: StateFileName | None = Field(default=None, description=_PERFORMANCE)
