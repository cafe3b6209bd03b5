"""Compiles `services` of rules and smart-routing blocks to `Service` records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from pilotfish.core.formats.header_text import header_text
from pilotfish.core.model.dot_segments import leaves_path
from pilotfish.core.model.price_list import PriceList
from pilotfish.core.model.request_settings import RequestSettings
from pilotfish.core.model.service import (
    OTHER_MODEL,
    REQUESTED,
    TIME_WINDOW_S,
    Limits,
    Provider,
    Service,
)
from pilotfish.core.rules.compile.findings import Findings, Place, unknown
from pilotfish.core.rules.compile.providers import limits_of
from pilotfish.core.rules.compile.request_settings import merged, request_settings
from pilotfish.core.rules.schema.rules import ServiceSpec


def make_service(
    provider: Provider,
    model: str,
    *,
    rule: str,
    prices: PriceList,
    weight: float = 1.0,
    active: bool = True,
    time_window_s: float = TIME_WINDOW_S,
    tier: int = 0,
    model_capacity: int | None = None,
    priority: int = 0,
    limits: Limits = Limits(),  # noqa: B008 - frozen, so one for all is safe
    fallback: frozenset[str] = frozenset(),
    settings: RequestSettings | None = None,
) -> Service:
    """A service record, with all fields that follow from its provider and model."""
    settings = merged(provider.settings, settings)
    quirks = provider.kind.model_quirks(model) if provider.kind.model_quirks else None
    name = f"{provider.name}/{model}"
    return Service(
        provider=provider,
        model=model,
        rule=rule,
        weight=weight,
        active=active,
        time_window_s=time_window_s,
        tier=tier,
        model_capacity=model_capacity,
        priority=priority,
        limits=limits,
        quirks=quirks if quirks is not None else provider.kind.quirks,
        fallback=fallback,
        id=name,
        id_header=header_text(f"{provider.name}/{model}"),
        model_json=json.dumps(model).encode(),
        price=prices.of(provider, model) if model != REQUESTED else None,
        settings=settings,
        thinks=settings is not None and settings.thinks,
        label=model if model != REQUESTED else OTHER_MODEL,
    )


class ServiceCompiler:
    """Compiles services. `providers` and `prices`: those of all documents. `names_given`: names of
    all providers, those with problems included.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        names_given: set[str],
        prices: PriceList,
        findings: Findings,
    ) -> None:
        self.providers, self.names_given, self.prices, self.findings = (
            providers,
            names_given,
            prices,
            findings,
        )

    def provider(self, name: str, place: Place) -> Provider | None:
        """The provider of this name; None, with a problem, if it is unknown. A provider that has
        problems of its own is not reported again.
        """
        found = self.providers.get(name)
        if found is None and name not in self.names_given:
            self.findings.add(place, unknown("provider", name, self.names_given))
        return found

    def model(
        self, provider: Provider, model: str | None, place: Place, asked: str | None = None
    ) -> str | None:
        """`model`, else the provider's default model, else the one that the request asks for. None,
        with a problem, if the provider does not allow it. `asked`: the model that all requests of
        the rule ask for; None where they may ask for several.
        """
        model = model or provider.default_model or REQUESTED
        if model == REQUESTED:
            if asked is None:
                return model  # which ones the provider allows is looked up for each request
            model = asked
        if leaves_path(provider, model):
            self.findings.add(place, f"model {model!r} would leave the path of the provider's URLs")
            return None
        if provider.models is not None and model not in provider.models:
            allowed = ", ".join(sorted(provider.models)) or "none"
            self.findings.add(
                place,
                f"provider {provider.name!r} does not allow model {model!r}; its models: {allowed}",
            )
            return None
        return model

    def services(
        self,
        specs: Iterable[tuple[Place, ServiceSpec]],
        *,
        rule: str,
        fallback_on: Sequence[str] = (),
        asked: str | None = None,
    ) -> list[Service]:
        """The services of one list in file order, with a problem for each that is given twice.
        `fallback_on`: that of the rule. `asked`: as for `model`.
        """
        out: dict[str, Service] = {}
        places: dict[str, Place] = {}
        for place, spec in specs:
            provider = self.provider(spec.provider, place.at("provider"))
            model = self.model(provider, spec.model, place.at("model"), asked) if provider else None
            for i, reason in enumerate(spec.fallback_on or ()):
                if reason not in fallback_on:
                    self.findings.add(
                        place.at("fallback_on", i), f"{reason!r} is not in the rule's fallback_on"
                    )
            if provider is None or model is None:
                continue
            service = self._service(provider, model, place, spec, rule, fallback_on)
            if service.id in out:
                self.findings.add(
                    place, f"service {service.id!r} is given twice, also at {places[service.id]}"
                )
            else:
                out[service.id], places[service.id] = service, place
        return list(out.values())

    def _service(
        self,
        provider: Provider,
        model: str,
        place: Place,
        spec: ServiceSpec,
        rule: str,
        fallback_on: Sequence[str],
    ) -> Service:
        return make_service(
            provider,
            model,
            rule=rule,
            prices=self.prices,
            weight=spec.weight,
            active=spec.active,
            time_window_s=spec.time_window if spec.time_window > 0 else TIME_WINDOW_S,
            tier=spec.tier,
            model_capacity=spec.model_capacity,
            limits=limits_of(spec.limits),
            fallback=frozenset(fallback_on if spec.fallback_on is None else spec.fallback_on),
            settings=request_settings(spec.request, place.at("request"), self.findings),
        )

    def addressed(
        self, address: str, place: Place, asked: str | None = None
    ) -> tuple[Provider, str] | None:
        """The provider and model of an entry of `fallbacks` (`provider/model`); None, with a
        problem, if it names none.
        """
        name, slash, model = address.partition("/")
        if not slash or not name or not model:
            self.findings.add(place, f"expected provider/model, found {address[:100]!r}")
            return None
        provider = self.provider(name, place)
        found = self.model(provider, model, place, asked) if provider else None
        return (provider, found) if provider and found else None
