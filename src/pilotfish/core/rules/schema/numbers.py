"""`defaults` and its sections, which rules may override, and rate limits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pilotfish.core.model.snapshot import (
    CREDENTIAL_COOLDOWN,
    CooldownRules,
    HealthRules,
    Retries,
    Timeouts,
)
from pilotfish.core.rules.schema.base import Count, NotNegative, Percent, Positive, Spec

_T, _R, _H, _C = Timeouts(), Retries(), HealthRules(), CooldownRules()


class TimeoutsSpec(Spec):
    connect_s: Positive | None = Field(
        default=None, description=f"seconds to connect, TLS included ({_T.connect_s:g})"
    )
    patience_s: Positive | None = Field(
        default=None,
        description=(
            "seconds without content after which another service is asked beside the silent one; "
            f"doubled for thinking ({_T.patience_s:g})"
        ),
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
    probe: Literal["models", "chat", "none"] | None = Field(
        default=None,
        description=(
            "how a service that is out is probed in the background: by listing models, by one "
            f"token of the model itself, or not ({_H.probe})"
        ),
    )
    probe_enabled: bool | None = Field(default=None, description="false is the same as probe: none")
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


class CredentialCooldownSpec(Spec):
    base_delay_s: Positive | None = Field(
        default=None,
        description=f"first time out in seconds ({CREDENTIAL_COOLDOWN.base_delay_s:g})",
    )
    multiplier: float | None = Field(
        default=None,
        ge=1,
        allow_inf_nan=False,
        description=f"each next one is this much longer ({CREDENTIAL_COOLDOWN.multiplier:g})",
    )
    max_delay_s: Positive | None = Field(
        default=None,
        description=f"longest time out in seconds ({CREDENTIAL_COOLDOWN.max_delay_s:g})",
    )


class LimitsSpec(Spec):
    requests_per_minute: Positive | None = Field(default=None, description="absent: no limit")
    tokens_per_minute: Positive | None = Field(
        default=None, description="input and output tokens; absent: no limit"
    )
    concurrency: Count | None = Field(
        default=None, description="requests in flight; absent: no limit"
    )
