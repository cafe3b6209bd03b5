"""The rules file as a whole, with scenarios."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from pilotfish.core.rules.schema.base import Name, ProviderName, ScenarioName, Spec
from pilotfish.core.rules.schema.budgets import BudgetSpec
from pilotfish.core.rules.schema.defaults import DefaultsSpec
from pilotfish.core.rules.schema.prices import PriceSpec, VendorPricesSpec
from pilotfish.core.rules.schema.providers import ProviderSpec
from pilotfish.core.rules.schema.rules import RuleSpec, VirtualModelSpec


class FlagsSpec(Spec):
    unified: bool | None = Field(
        default=None, description="the first rule takes every model; absent: not"
    )
    separate: bool | None = Field(default=None, description="one for each model")
    smart: bool | None = Field(default=None, description="smart routing decides")


class ScenarioSpec(Spec):
    flags: FlagsSpec = Field(default_factory=FlagsSpec, description="switches of the scenario")
    extensions: dict[str, Any] = Field(
        default={}, description="kept for other tools and shown in /status"
    )


UNKNOWN_PATHS = "unknown_paths"  # the key of `passthrough` that names no style


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
    passthrough: dict[ScenarioName, ProviderName | bool] = Field(
        default={},
        description=(
            "style or scenario -> provider of requests that are not routed by model (files, "
            "batches, stored responses); absent: the only enabled provider of that style. "
            "`unknown_paths: true`: paths that no table knows are passed on too"
        ),
    )
    prices: dict[Name, PriceSpec] = Field(
        default={},
        description="by provider/model, by provider/* for all its models, or by model for every "
        "provider; list prices of known models need none",
    )
    price_lists: dict[Name, VendorPricesSpec] = Field(
        default={}, description="newer list prices than the package's, by vendor"
    )
    budgets: dict[Name, BudgetSpec] = Field(
        default={},
        description=(
            "what a workload may spend in a day, by namespace/name; `*`: each of the others"
        ),
    )
    allow_empty: bool = Field(
        default=False,
        description="true: files and ConfigMaps that held rules may come to hold none",
    )

    @field_validator("passthrough")
    @classmethod
    def _named(cls, passthrough: dict[str, str | bool]) -> dict[str, str | bool]:
        for name, value in passthrough.items():
            if isinstance(value, bool) is not (name == UNKNOWN_PATHS):
                wanted = "true or false" if name == UNKNOWN_PATHS else "the name of a provider"
                raise ValueError(f"expected {wanted} for {name}, found {value!r}")
        return passthrough
