"""Which labels the rules in force allow: whoever makes up models makes no series."""

from __future__ import annotations

from collections.abc import Iterator

from pilotfish.core.model.service import REQUESTED
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.routing.match import DIRECT
from pilotfish.core.state.ledger import all_services
from pilotfish.telemetry import series as s

Triple = tuple[str, str, str]


def configured(snapshot: Snapshot) -> Iterator[Triple]:
    """(rule, provider, model) of all that may be counted. A service for any model counts under the
    names that its provider allows, else as `other`.
    """
    for service in all_services(snapshot):
        at = (service.rule, service.provider.name)
        yield (*at, service.label or service.model)
        if service.model == REQUESTED:
            for model in service.provider.models or ():
                yield (*at, model)
    for provider in snapshot.providers:
        yield "", provider, s.OTHER_MODEL
        yield DIRECT, provider, s.OTHER_MODEL


def costed(snapshot: Snapshot) -> tuple[set[Triple], set[tuple[str, str]]]:
    """(rule, provider, model) of all that has a price, and (provider, model) of all that has none.
    Where it depends on the model that is asked for, both have it.
    """
    priced: set[Triple] = set()
    unpriced: set[tuple[str, str]] = set()
    for provider in snapshot.providers:
        priced |= {("", provider, s.OTHER_MODEL), (DIRECT, provider, s.OTHER_MODEL)}
        unpriced.add((provider, s.OTHER_MODEL))
    for x in all_services(snapshot):
        provider, names = x.provider.name, [x.label or x.model]
        if x.model == REQUESTED:  # whose price is known when its model is
            names += x.provider.models or ()
        if x.price is None:
            unpriced.update((provider, name) for name in names)
        if x.price is not None or x.model == REQUESTED:
            priced.update((x.rule, provider, name) for name in names)
    return priced, unpriced
