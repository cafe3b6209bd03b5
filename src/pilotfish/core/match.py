"""Which rule takes a request: by its model's name and its scenario."""

from __future__ import annotations

from typing import NamedTuple

from pilotfish.core.compile.services import make_service
from pilotfish.core.snapshot import Rule, Snapshot
from pilotfish.errors import ClientError

# The name of every rule made by `direct_rule`: in metrics one name for all of them, and none that stands in a rules file by chance.
DIRECT = "(direct)"


class Match(NamedTuple):
    """`rule` and why, as a sentence. `rule` is None where the model is addressed as provider/model: `direct_rule` makes one of `direct`,
    which the caller keeps, for as long as the snapshot is in force."""

    rule: Rule | None
    why: str
    direct: tuple[str, str] | None = None


def match(snapshot: Snapshot, *, scenario: str, model: str) -> Match | None:
    """Rules by exact name, then by glob from the most to the least specific, then virtual models, then provider/model, then the default
    virtual model. Among equals a rule of this scenario wins over one of any; a rule of another scenario takes nothing."""
    flags = snapshot.scenarios.get(scenario) if snapshot.scenarios else None
    if flags is not None and flags.flags.get("unified") and not flags.flags.get("separate"):
        for rule in snapshot.rules:
            if rule.active and rule.scenario == scenario:
                return Match(rule, f"scenario '{scenario}' is unified: its first rule takes every model")
    rules = snapshot.exact.get(model)
    if rules is not None:
        for rule in rules:
            if rule.scenario is None or rule.scenario == scenario:
                return Match(rule, f"request_model '{model}' is equal")
    for rule, matches in snapshot.globs:
        if (rule.scenario is None or rule.scenario == scenario) and matches(model):
            return Match(rule, f"request_model glob '{rule.request_model}' matches")
    virtual = snapshot.virtual_models.get(model)
    if virtual is not None:
        return Match(virtual, f"'{model}' is a virtual model")
    name, slash, rest = model.partition("/")
    if slash and rest and name in snapshot.providers:
        return Match(None, f"no rule matches, and '{name}' is a provider", (name, rest))
    default = snapshot.virtual_models.get(snapshot.default_virtual_model)
    if default is not None:
        return Match(default, f"no rule matches, and '{default.name}' is the default virtual model")
    return None


def direct_rule(snapshot: Snapshot, provider: str, model: str) -> Rule:
    """A rule for a request addressed as provider/model, with the numbers of `defaults`. Raises `ClientError` where the provider is
    disabled or does not allow the model."""
    found = snapshot.providers[provider]
    if not found.enabled:
        raise ClientError(404, "model_not_found", f"provider {provider!r} is disabled")
    if found.models is not None and model not in found.models:
        raise ClientError(404, "model_not_found", f"provider {provider!r} does not allow model {model!r}")
    defaults = snapshot.defaults
    service = make_service(found, model, rule=DIRECT, prices=snapshot.prices)
    return Rule(
        name=DIRECT,
        request_model=service.id,
        services=(service,),
        tactic=defaults.tactic,
        timeouts=defaults.timeouts,
        retries=defaults.retries,
        health=defaults.health,
        cooldown=defaults.cooldown,
        source="addressed as provider/model",
    )
