"""Which rule takes a request, by the model's name and the scenario."""

from __future__ import annotations

from typing import NamedTuple

from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.core.rules.compile.services import make_service
from pilotfish.errors import ClientError

# The name of every rule made by `direct_rule`: one label value in metrics, and a name that no rules
# file is likely to use.
DIRECT = "(direct)"


class Match(NamedTuple):
    """The rule, and a sentence that says why. For a model addressed as provider/model `rule` is
    None and `direct` is (provider, model): the caller makes the rule with `direct_rule` and keeps
    it as long as the snapshot is in force.
    """

    rule: Rule | None
    why: str
    direct: tuple[str, str] | None = None


def match(snapshot: Snapshot, *, scenario: str, model: str) -> Match | None:
    """The rule that takes a request; None if no rule does.

    Order: an exact request_model, globs from the most to the least specific, virtual models,
    provider/model, the default virtual model. A rule of the request's scenario wins over one
    without a scenario; rules of other scenarios are not considered. In a unified scenario its first
    rule takes every model.
    """
    unified = is_unified(snapshot, scenario)
    if unified:
        for rule in snapshot.rules:
            if rule.active and rule.scenario == scenario:
                return Match(rule, why_taken(rule, model, scenario, unified=True))
    rules = snapshot.exact.get(model)
    if rules is not None:
        for rule in rules:
            if rule.scenario is None or rule.scenario == scenario:
                return Match(rule, why_taken(rule, model, scenario))
    for rule, matches in snapshot.globs:
        if (rule.scenario is None or rule.scenario == scenario) and matches(model):
            return Match(rule, why_taken(rule, model, scenario))
    virtual = snapshot.virtual_models.get(model)
    if virtual is not None:
        return Match(virtual, why_taken(virtual, model, scenario))
    name, slash, rest = model.partition("/")
    if slash and rest and name in snapshot.providers:
        return Match(None, _why_direct(name), (name, rest))
    default = snapshot.virtual_models.get(snapshot.default_virtual_model)
    if default is not None:
        return Match(default, why_taken(default, model, scenario))
    return None


# What OpenAI takes where a moderation names no model (API reference "Create moderation", 2026-11).
MODERATION_MODEL = "omni-moderation-latest"


def match_moderation(snapshot: Snapshot, *, scenario: str) -> Match | None:
    """Who takes a moderation that names no model and that no rule takes: the rule for the vendor's
    default model, else the only provider in use with such an endpoint, which chooses the model.
    """
    found = match(snapshot, scenario=scenario, model=MODERATION_MODEL)
    if found is not None:
        return found
    able = [p for p in snapshot.providers.values() if p.enabled and "moderations" in p.paths]
    own = [p for p in able if p.kind.base_url and p.base == p.kind.base_url] or able
    if len(own) != 1 or own[0].models is not None:
        return None
    return Match(None, f"no rule matches, and '{own[0].name}' has moderations", (own[0].name, ""))


KNOWN_SHOWN = 20  # models that a 404 names


def known_models(snapshot: Snapshot, *, scenario: str, model: str) -> str:
    """Which models there are in a scenario, in words, for a client whose model no rule takes. Also
    the other scenarios in which its own model is known.
    """
    elsewhere = {rule.scenario for rule in snapshot.exact.get(model, ())}
    elsewhere |= {rule.scenario for rule, matches in snapshot.globs if matches(model)}
    names = {
        rule.request_model
        for rule in snapshot.rules
        if rule.active and rule.scenario in (None, scenario)
    } | set(snapshot.virtual_models)
    shown = sorted(names)[:KNOWN_SHOWN]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    words = f"known: {', '.join(shown) or 'none'}{more}"
    others = ", ".join(sorted(repr(name) for name in elsewhere if name is not None))
    return f"{words} (this model is known in scenario {others})" if others else words


def is_unified(snapshot: Snapshot, scenario: str) -> bool:
    """Whether the scenario's first rule takes every model (its flag `unified`)."""
    known = snapshot.scenarios.get(scenario) if snapshot.scenarios else None
    return (
        known is not None and bool(known.flags.get("unified")) and not known.flags.get("separate")
    )


def routes_smartly(snapshot: Snapshot, scenario: str) -> bool:
    """Whether smart routing applies to the scenario's requests (its flag `smart`)."""
    known = snapshot.scenarios.get(scenario)
    return known is None or known.flags.get("smart", True)


def why_taken(rule: Rule, model: str, scenario: str, *, unified: bool = False) -> str:
    """Why `match` chose this rule for a request with this model and scenario, as a sentence. The
    rule need not be in force any more.
    """
    if rule.name == DIRECT:
        return _why_direct(model.partition("/")[0])
    if unified and rule.scenario == scenario:
        return f"scenario '{scenario}' is unified: its first rule takes every model"
    if rule.virtual:
        return (
            f"'{model}' is a virtual model"
            if model == rule.name
            else f"no rule matches, and '{rule.name}' is the default virtual model"
        )
    if model == rule.request_model:
        return f"request_model '{model}' is equal"
    return f"request_model glob '{rule.request_model}' matches"


def _why_direct(provider: str) -> str:
    return f"no rule matches, and '{provider}' is a provider"


def direct_rule(snapshot: Snapshot, provider: str, model: str) -> Rule:
    """A rule for a request addressed as provider/model, with the numbers of `defaults`. Raises
    `ClientError` if the provider is disabled or does not allow the model.
    """
    found = snapshot.providers[provider]
    if not found.enabled:
        raise ClientError(404, "model_not_found", f"provider {provider!r} is disabled")
    if found.models is not None and model not in found.models:
        raise ClientError(
            404, "model_not_found", f"provider {provider!r} does not allow model {model!r}"
        )
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
        credential_cooldown=defaults.credential_cooldown,
        source="addressed as provider/model",
    )
