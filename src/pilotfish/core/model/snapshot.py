"""The rules in force, compiled: frozen, everything precomputed for the hot path, replaced whole and
never changed.

Times are seconds whatever the rules file's unit was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotfish.core.model.service import Price, Provider, Service
from pilotfish.core.model.smart_rules import Block
from pilotfish.core.model.tactic import Tactic


@dataclass(frozen=True, slots=True)
class Timeouts:
    connect_s: float = 5.0
    first_token_s: float = 30.0
    idle_s: float = 60.0
    total_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Retries:
    max_retries: int = 2
    base_s: float = 0.5
    max_s: float = 10.0
    jitter: float = 0.25
    max_attempts: int = 6
    budget_percent: float = 20.0


@dataclass(frozen=True, slots=True)
class HealthRules:
    consecutive_error_threshold: int = 3
    error_ratio: float = 0.5
    probe_enabled: bool = True
    recovery_timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class CooldownRules:
    base_delay_s: float = 60.0
    multiplier: float = 5.0
    max_delay_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Affinity:
    by: str  # header | prefix | user | client_ip
    header: str = ""
    ttl_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Race:
    strategy: str = "first_wins"  # first_wins | weighted | quality
    timeout_s: float = 5.0
    grace_s: float = 1.0
    max_parallel: int = 2
    performance_file: str = ""  # empty: below STATE_DIR


@dataclass(frozen=True, slots=True)
class Hedge:
    after_s: float | None = None  # None: p95 of the service's own time to first token
    percentile: float = 0.95
    min_s: float = 0.5
    budget_percent: float = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule with every default resolved. `services` are in file order, tiers mixed; `fallbacks`
    already among them.
    """

    name: str
    request_model: str = "*"
    scenario: str | None = None
    response_model: str | None = None  # "@requested": what the client asked for
    description: str = ""
    active: bool = True
    services: tuple[Service, ...] = ()
    tactic: Tactic[Any] | None = None
    smart: tuple[Block, ...] = ()
    affinity: Affinity | None = None
    race: Race | None = None
    hedge: Hedge | None = None
    fallback_on: frozenset[str] = frozenset()
    on_stream_break: str = "error"
    buffer: bool = False
    queue_s: float = 0.0
    unsupported: str = "drop"
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    health: HealthRules = HealthRules()
    cooldown: CooldownRules = CooldownRules()
    virtual: bool = False
    display_name: str = ""
    source: str = ""  # where it was written: "file:rules.yaml: rules[0]"


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    flags: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All rules in force. `version` is a hash over the documents' meaning; `sources` name them.

    `exact` and `globs` are what `match` looks into, inactive rules left out: rules by
    request_model, and glob rules with their matchers from the most to the least specific. `rules`
    holds the inactive ones too, and no virtual models.
    """

    version: str = ""
    sources: tuple[str, ...] = ()
    providers: Mapping[str, Provider] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    exact: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    globs: tuple[tuple[Rule, Callable[[str], bool]], ...] = ()
    virtual_models: Mapping[str, Rule] = field(default_factory=dict)
    default_virtual_model: str = ""
    scenarios: Mapping[str, Scenario] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    defaults: Rule = Rule(
        name=""
    )  # the numbers of `defaults`, for requests addressed as provider/model
    notes: tuple[str, ...] = ()  # accepted keys that nothing obeys yet
