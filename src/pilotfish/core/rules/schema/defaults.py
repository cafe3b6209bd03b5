"""`defaults`: what every rule takes that does not say otherwise."""

from __future__ import annotations

from pydantic import Field

from pilotfish.core.rules.schema.base import NotNegative, Reason, Spec
from pilotfish.core.rules.schema.numbers import (
    CooldownSpec,
    CredentialCooldownSpec,
    HealthSpec,
    RetriesSpec,
    TimeoutsSpec,
)
from pilotfish.core.rules.schema.rules import (
    MEANING,
    AffinitySpec,
    HedgeSpec,
    RaceSpec,
    StreamBreak,
    TacticField,
    Unsupported,
)


def _meaning(key: str) -> str:
    return MEANING[key].format("")


class DefaultsSpec(Spec):
    """What rules take that do not say otherwise. Several documents may each give some of it."""

    timeouts: TimeoutsSpec = Field(default_factory=TimeoutsSpec, description="limits in seconds")
    retries: RetriesSpec = Field(
        default_factory=RetriesSpec, description="how often and how fast a service is asked again"
    )
    health: HealthSpec = Field(default_factory=HealthSpec, description="what takes a service out")
    cooldown: CooldownSpec = Field(default_factory=CooldownSpec, description="for how long")
    credential_cooldown: CredentialCooldownSpec = Field(
        default_factory=CredentialCooldownSpec,
        description="the same for credentials that are refused or not paid for",
    )
    race: RaceSpec = Field(
        default_factory=RaceSpec,
        description="numbers of the races that rules and virtual models ask for; starts none",
    )
    on_stream_break: StreamBreak | None = Field(
        default=None, description=_meaning("on_stream_break")
    )
    fallback_on: list[Reason] | None = Field(default=None, description=_meaning("fallback_on"))
    buffer: bool | None = Field(default=None, description=_meaning("buffer"))
    queue_ms: NotNegative | None = Field(default=None, description=_meaning("queue_ms"))
    unsupported: Unsupported | None = Field(default=None, description=_meaning("unsupported"))
    hedge: HedgeSpec | None = Field(
        default=None, description="a late first attempt gets a rival; absent: none"
    )
    affinity: AffinitySpec | None = Field(
        default=None,
        description="requests with the same mark prefer the same service; absent: none",
    )
    lb_tactic: TacticField | None = Field(
        default=None,
        description="how one is chosen: {type, params}, or the name alone (adaptive)",
    )
