"""Compiles `rules` and `virtual_models` to `Rule` records with every default resolved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from pilotfish.core.model.conditions import POSITIONS, compile_op, has_tag
from pilotfish.core.model.patterns import glob_matcher, is_glob
from pilotfish.core.model.service import REQUESTED, Service
from pilotfish.core.model.smart_rules import Block, Op
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.model.tactic import Tactic
from pilotfish.core.rules.compile.findings import Findings, Place, unknown
from pilotfish.core.rules.compile.handling import (
    HANDLING,
    NUMBERS,
    Defaults,
    affinity_of,
    check_break,
    given,
    handled,
    hedge_of,
    overridden,
    race_of,
    virtual_race_of,
)
from pilotfish.core.rules.compile.services import ServiceCompiler, make_service
from pilotfish.core.rules.compile.tactics import compile_tactic
from pilotfish.core.rules.compile.validate import Checked
from pilotfish.core.rules.schema.rules import BlockSpec, OpSpec, RuleSpec, VirtualModelSpec


class RuleCompiler:
    """Compiles one rule after the other, each starting from the defaults."""

    def __init__(
        self,
        services: ServiceCompiler,
        tactics: Mapping[str, type[Tactic[Any]]],
        defaults: Defaults,
        findings: Findings,
        unified: Collection[str] = (),
    ) -> None:
        """`unified`: the scenarios in which one rule takes every model."""
        self.of, self.tactics, self.findings = services, tactics, findings
        self.defaults, self.default_race = defaults.rule, defaults.race
        self.unified = unified

    def compile(self, document: Checked, index: int, name: str, spec: RuleSpec) -> Rule:
        """The record of one rule. `index`: its number in the checked document."""
        place = document.at("rules", index)
        how = handled(self.defaults, given(spec, HANDLING))
        fallback_on = tuple(sorted(how["fallback_on"]))
        services = self._services(document, index, name, spec, fallback_on)
        if not services and not spec.services and not spec.fallbacks:
            for key in ("services", "fallbacks"):
                if any(r.startswith(place.at(key).path) for r in place.removed):
                    break
            else:
                self.findings.absent(
                    place.at("services"), f"missing; rule {name!r} has nobody to send requests to"
                )
        self._request_model(spec, place)
        if spec.on_stream_break is not None or spec.buffer is not None:
            key = "buffer" if spec.on_stream_break is None else "on_stream_break"
            check_break(how, place.at(key), self.findings)
        # Blocks are compiled even if `smart_enabled` is false, so that switching it on later brings
        # no problems.
        blocks = tuple(
            self._block(document, index, i, name, block, spec, fallback_on)
            for i, block in enumerate(spec.smart_routing)
        )
        numbers = {
            s: overridden(getattr(self.defaults, s), given(getattr(spec, s))) for s in NUMBERS
        }
        tactic = compile_tactic(spec, place, self.tactics, self.findings, self.defaults.tactic)
        affinity, hedge = self.defaults.affinity, self.defaults.hedge
        if spec.affinity is not None:
            affinity = affinity_of(spec.affinity, place.at("affinity"), self.findings)
        if spec.hedge is not None:
            hedge = hedge_of(spec.hedge)
        return Rule(
            name=name,
            request_model=spec.request_model,
            scenario=spec.scenario,
            response_model=spec.response_model,
            description=spec.description,
            active=spec.active,
            services=tuple(services),
            tactic=tactic,
            smart=() if spec.smart_enabled is False else blocks,
            affinity=affinity,
            race=race_of(spec.race, self.default_race) if spec.race else None,
            # A race starts all its attempts at once, so a hedge has no effect beside it.
            hedge=None if spec.race else hedge,
            source=f"{place.document.source}: {place.path}",
            budgets=spec.budgets.budget() if spec.budgets is not None else None,
            **numbers,
            **how,
        )

    def _asked(self, spec: RuleSpec) -> str | None:
        """The only model that requests of this rule ask for; None if there may be several."""
        several = is_glob(spec.request_model) or spec.scenario in self.unified
        return None if several else spec.request_model

    def _services(
        self, document: Checked, index: int, rule: str, spec: RuleSpec, fallback_on: tuple[str, ...]
    ) -> list[Service]:
        """The rule's services, then its fallbacks, each in a further tier of its own. A fallback
        that is among the services already keeps its tier.
        """
        entries = [
            (document.at("rules", index, "services", i), s) for i, s in enumerate(spec.services)
        ]
        asked = self._asked(spec)
        services = self.of.services(entries, rule=rule, fallback_on=fallback_on, asked=asked)
        known = {s.id for s in services}
        tier = max((s.tier for s in services), default=-1)
        for i, address in enumerate(spec.fallbacks):
            found = self.of.addressed(address, document.at("rules", index, "fallbacks", i), asked)
            if found is None or "/".join((found[0].name, found[1])) in known:
                continue
            known.add("/".join((found[0].name, found[1])))
            tier += 1
            services.append(
                make_service(
                    *found,
                    rule=rule,
                    prices=self.of.prices,
                    tier=tier,
                    fallback=frozenset(fallback_on),
                )
            )
        return services

    def _request_model(self, spec: RuleSpec, place: Place) -> None:
        if is_glob(spec.request_model):
            try:
                glob_matcher(spec.request_model)
            except ValueError as error:
                self.findings.add(
                    place.at("request_model"), f"bad glob {spec.request_model[:100]!r}: {error}"
                )

    def _block(
        self,
        document: Checked,
        rule: int,
        index: int,
        name: str,
        spec: BlockSpec,
        rule_spec: RuleSpec,
        fallback_on: tuple[str, ...],
    ) -> Block:
        place = document.at("rules", rule, "smart_routing", index)
        entries = [
            (document.at("rules", rule, "smart_routing", index, "services", i), s)
            for i, s in enumerate(spec.services)
        ]
        services = tuple(
            self.of.services(
                entries,
                rule=name,
                fallback_on=fallback_on,
                asked=self._asked(rule_spec),
            )
        )
        for i, op in enumerate(spec.ops):
            if op.position == "tag" and services:
                tags = dict.fromkeys(t for s in services for t in s.provider.tags)
                services = tuple(
                    s for s in services if has_tag(s, op.operation, op.value) is not op.negate
                )
                if not services:
                    self.findings.add(
                        place.at("ops", i, "value"),
                        f"{'not ' if op.negate else ''}tag {op.value!r} leaves no service of this "
                        f"block; tags of its providers: {', '.join(tags) or 'none'}",
                    )
        ops = []
        for i, op in enumerate(spec.ops):
            compiled = self._op(
                op, document.at("rules", rule, "smart_routing", index, "ops", i), services
            )
            if compiled is not None:
                ops.append(compiled)
        return Block(
            int(place.path.rpartition("[")[2][:-1]), tuple(ops), services, spec.description
        )

    def _op(self, spec: OpSpec, place: Place, services: tuple[Service, ...]) -> Op | None:
        operations = POSITIONS.get(spec.position)
        if operations is None:
            self.findings.add(place.at("position"), unknown("position", spec.position, POSITIONS))
            return None
        if spec.operation not in operations:
            self.findings.add(
                place.at("operation"),
                unknown("operation", spec.operation, operations, f"of position {spec.position!r}"),
            )
            return None
        try:
            return compile_op(spec.position, spec.operation, spec.value, spec.negate, services)
        except ValueError as error:
            self.findings.absent(place.at("value"), f"{spec.position} {spec.operation}: {error}")
            return None

    def compile_virtual(self, name: str, place: Place, spec: VirtualModelSpec) -> Rule:
        """The record of a virtual model: a rule that races all its services."""
        services: dict[str, Service] = {}
        for i, participant in enumerate(spec.providers):
            at = place.at("providers", i)
            provider = self.of.provider(participant.name, at.at("name"))
            model = self.of.model(provider, participant.model, at.at("model")) if provider else None
            if provider is None or model is None:
                continue
            if model == REQUESTED:
                self.findings.absent(
                    at.at("model"),
                    (
                        f"missing; provider {provider.name!r} has no default_model, and the model "
                        "that clients ask for is the virtual one"
                    ),
                )
                continue
            service = make_service(
                provider, model, rule=name, prices=self.of.prices, priority=participant.priority
            )
            if service.id in services:
                self.findings.add(at, f"service {service.id!r} is given twice")
            services[service.id] = service
        return replace(
            self.defaults,
            name=name,
            request_model=name,
            description=spec.description,
            display_name=spec.display_name,
            services=tuple(services.values()),
            race=virtual_race_of(spec, self.default_race),
            hedge=None,
            virtual=True,
            source=f"{place.document.source}: {place.path}",
        )
