"""The rules file as a whole, with scenarios and prices."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pilotfish.core.rules.schema.base import Name, NotNegative, ProviderName, ScenarioName, Spec
from pilotfish.core.rules.schema.defaults import DefaultsSpec
from pilotfish.core.rules.schema.providers import ProviderSpec
from pilotfish.core.rules.schema.rules import RuleSpec, VirtualModelSpec


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
    cache_write_1h: NotNegative | None = Field(
        default=None,
        description="input tokens written to a cache for an hour; absent: as cache_write",
    )


class RulesFile(Spec):
    """A rules document. Several are merged; a name given twice is a problem."""

    defaults: DefaultsSpec = Field(
        default_factory=DefaultsSpec,
        description="what rules take that do not say otherwise",
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
    allow_empty: bool = Field(
        default=False,
        description="true: files and ConfigMaps that held rules may come to hold none",
    )
