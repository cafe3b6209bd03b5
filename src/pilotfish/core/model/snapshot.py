"""The rules in force, compiled: frozen records with everything the hot path needs precomputed. A
change of rules makes a new `Snapshot`; one is never changed.

Times are seconds, whatever unit the rules file uses. docs/rules.md explains every field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotfish.core.model.budget import DayBudget
from pilotfish.core.model.outcome import CONTEXT_LENGTH
from pilotfish.core.model.price_list import PriceList
from pilotfish.core.model.service import Provider, Service
from pilotfish.core.model.smart_rules import Block
from pilotfish.core.model.tactic import Tactic


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one attempt in seconds, but for `total_s`, which all attempts of a request share.
    After `patience_s` without content another service is asked beside the silent one. All but
    `connect_s` and `total_s` are doubled for requests that ask for thinking.
    """

    connect_s: float = 5.0
    patience_s: float = 10.0
    first_token_s: float = 30.0
    idle_s: float = 60.0
    total_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Retries:
    """Retries of the same service (`max_retries`, after a backoff of `base_s`, doubled each time up
    to `max_s`, with `jitter` as the random share of it), attempts over all services
    (`max_attempts`), and retries per 100 requests of the rule (`budget_percent`).
    """

    max_retries: int = 2
    base_s: float = 0.5
    max_s: float = 10.0
    jitter: float = 0.25
    max_attempts: int = 6
    budget_percent: float = 20.0


@dataclass(frozen=True, slots=True)
class HealthRules:
    """What takes a service out: errors in a row, or a share of errors (0..1) in the last 30 s.
    `recovery_timeout_s`: a fixed cooldown instead of `CooldownRules`.
    """

    consecutive_error_threshold: int = 3
    error_ratio: float = 0.5
    probe: str = "models"  # models | chat | none
    recovery_timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class CooldownRules:
    """How long a service is out: `base_delay_s`, times `multiplier` for each trial that has failed
    since, at most `max_delay_s`.
    """

    base_delay_s: float = 5.0
    multiplier: float = 2.0
    max_delay_s: float = 60.0


# Of credentials that are refused or not paid for: nothing mends them but a person.
CREDENTIAL_COOLDOWN = CooldownRules(base_delay_s=60.0, multiplier=5.0, max_delay_s=3600.0)


@dataclass(frozen=True, slots=True)
class Affinity:
    """What marks the requests of one session (`by`: `header`, `prefix`, `user` or `client_ip`), and
    how many seconds after its last request a session is forgotten.
    """

    by: str
    header: str = ""
    ttl_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Race:
    """Several attempts at once. `strategy`: `first_wins`, `weighted` or `quality`. `timeout_s`: to
    a winner. `grace_s`: how long `weighted` waits for better ones after the first.
    `performance_file`: the name of a file for its wins and losses alone; empty: they are with the
    other statistics.
    """

    strategy: str = "first_wins"
    timeout_s: float = 5.0
    grace_s: float = 1.0
    max_parallel: int = 2
    performance_file: str = ""


@dataclass(frozen=True, slots=True)
class Hedge:
    """A second attempt when the first is late: after `after_s`, or if that is None after the
    `percentile` of the service's own times to first token; never before `min_s`, and at most
    `budget_percent` per 100 requests of the rule.
    """

    after_s: float | None = None
    percentile: float = 0.95
    min_s: float = 0.5
    budget_percent: float = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule with every default resolved.

    `services`: in file order, tiers mixed, those of `fallbacks` included. `smart`: the blocks of
    smart routing. `scenario`: None for any. `response_model`: the model's name in answers, None for
    the upstream's own, "@requested" for the one that the client asked for. `virtual`: made from a
    virtual model. `source`: where it is written, such as "file:rules.yaml: rules[0]".
    """

    name: str
    request_model: str = "*"
    scenario: str | None = None
    response_model: str | None = None
    description: str = ""
    active: bool = True
    services: tuple[Service, ...] = ()
    tactic: Tactic[Any] | None = None
    smart: tuple[Block, ...] = ()
    affinity: Affinity | None = None
    race: Race | None = None
    hedge: Hedge | None = None
    fallback_on: frozenset[str] = frozenset({CONTEXT_LENGTH})
    on_stream_break: str = "continue"
    buffer: bool = False
    queue_s: float = 0.0
    unsupported: str = "safe"
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    health: HealthRules = HealthRules()
    cooldown: CooldownRules = CooldownRules()
    credential_cooldown: CooldownRules = CREDENTIAL_COOLDOWN
    virtual: bool = False
    display_name: str = ""
    source: str = ""
    budgets: DayBudget | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of client. `flags`: those of `unified`, `separate` and `smart` that the rules set.
    `extensions`: what other tools keep there, shown in `/status`.
    """

    name: str
    flags: Mapping[str, bool] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All rules in force.

    `version`: hash over the documents' meaning. `sources`: the documents' names. `rules`: inactive
    ones too, without virtual models. `exact` and `globs` are the indexes for `core.routing.match`,
    without inactive rules: rules by request_model, and glob rules with their matchers, the most
    specific first. `defaults`: the numbers of `defaults`, for requests addressed as provider/model.
    `notes`: keys that are accepted and not obeyed yet. `allow_empty`: the next change may leave no
    rules. `passthrough`: style or scenario -> name of the provider of requests that are not routed
    by model. `budgets`: by workload, "*" for all that have none of their own. `unknown_paths`:
    paths that no table knows are passed on too.
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
    prices: PriceList = PriceList()
    budgets: Mapping[str, DayBudget] = field(default_factory=dict)
    defaults: Rule = Rule(name="")
    notes: tuple[str, ...] = ()
    allow_empty: bool = False
    passthrough: Mapping[str, str] = field(default_factory=dict)
    unknown_paths: bool = False
