"""Services whose model is `@requested`: what a rule with such services is for one model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pilotfish.core.model.price_list import PriceList
from pilotfish.core.model.service import OTHER_MODEL, REQUESTED, Service
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.rules.compile.services import make_service


def names_requested(rule: Rule) -> bool:
    """Whether some service of the rule, or of one of its blocks, has the model `REQUESTED`."""
    return any(s.model == REQUESTED for s in rule.services) or any(
        s.model == REQUESTED for block in rule.smart for s in block.services
    )


def rule_for(rule: Rule, model: str, prices: PriceList) -> Rule:
    """The rule as it is for requests that ask for `model`. It keeps its name."""
    return replace(
        rule,
        services=_for_model(rule.services, model, prices),
        smart=tuple(
            replace(block, services=_for_model(block.services, model, prices))
            for block in rule.smart
        ),
    )


def _for_model(services: Iterable[Service], model: str, prices: PriceList) -> tuple[Service, ...]:
    """Each provider and model once: where a service names this very model, that one stands."""
    services = list(services)
    named = {s.id for s in services if s.model != REQUESTED}
    made = (s if s.model != REQUESTED else _service(s, model, prices) for s in services)
    return tuple(
        s
        for given, s in zip(services, made, strict=True)
        if given.model != REQUESTED or s.id not in named
    )


def _service(service: Service, model: str, prices: PriceList) -> Service:
    provider = service.provider
    made = make_service(provider, model, rule=service.rule, prices=prices)
    allowed = provider.models is not None and model in provider.models
    return replace(
        service,
        model=model,
        quirks=made.quirks,
        id=made.id,
        id_header=made.id_header,
        model_json=made.model_json,
        price=made.price,
        label=model if allowed else OTHER_MODEL,
    )
