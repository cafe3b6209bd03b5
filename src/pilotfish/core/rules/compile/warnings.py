"""What is allowed in rules and most likely not meant: rules that never match, providers that nobody
uses, variables that are not set, models that nobody knows, addresses without a version.
"""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pilotfish.core.model.patterns import glob_matcher, is_glob, literals
from pilotfish.core.model.price import ListedModel, names_of
from pilotfish.core.model.service import REQUESTED, ModelsOf, Service
from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.core.rules.compile.findings import Findings, Place
from pilotfish.core.rules.compile.merge import Merged
from pilotfish.core.rules.yaml_text import join

# Stands for what a wildcard may take: no model's name has it.
_ANY = "\ufff0"


class Warnings:
    """Looks through rules that compile. `environment`: the variables that are set; None leaves
    them out.
    """

    def __init__(
        self,
        merged: Merged,
        snapshot: Snapshot,
        findings: Findings,
        environment: Container[str] | None = None,
        models_of: ModelsOf | None = None,
    ) -> None:
        self.merged, self.snapshot, self.findings = merged, snapshot, findings
        self.environment, self.models_of = environment, models_of
        self.rules = [
            (document.at("rules", i), rule)
            for (document, i, _, _), rule in zip(merged.rules, snapshot.rules, strict=True)
        ]

    def find(self) -> None:
        self._rules_that_never_match()
        self._blocks_that_never_match()
        self._names_that_a_rule_takes()
        self._rules_without_service()
        self._unused_providers()
        self._addresses()
        if self.environment is not None:
            self._variables(self.environment)
        if self.models_of is not None:
            self._models(self.models_of)

    # ---- rules

    def _rules_that_never_match(self) -> None:
        ranked = sorted(
            ((place, rule) for place, rule in self.rules if rule.active),
            key=lambda one: _rank(one[1]),
        )
        for n, (place, rule) in enumerate(ranked):
            first = self._first_of_unified(rule)
            if first is not None and first[1] is not rule:
                self.findings.add(
                    place,
                    f"never matches: scenario {rule.scenario!r} is unified, and its first rule is "
                    f"{first[1].name!r} at {first[0]}",
                )
                continue
            for at, earlier in ranked[:n]:
                if _takes_all_of(earlier, rule):
                    same = earlier.request_model == rule.request_model
                    words = "the same requests" if same else f"all of {rule.request_model!r}"
                    self.findings.add(
                        place.at("request_model"),
                        f"never matches: rule {earlier.name!r} takes {words}, at {at}",
                    )
                    break

    def _first_of_unified(self, rule: Rule) -> tuple[Place, Rule] | None:
        """The one rule of a unified scenario; None for rules of others."""
        known = self.snapshot.scenarios.get(rule.scenario or "")
        if known is None or not known.flags.get("unified") or known.flags.get("separate"):
            return None
        of_it = (one for one in self.rules if one[1].active and one[1].scenario == rule.scenario)
        return next(of_it, None)

    def _blocks_that_never_match(self) -> None:
        for document, i, _, spec in self.merged.rules:
            seen: list[tuple[int, Any]] = []
            for n, block in enumerate(spec.smart_routing):
                ops = [op.model_dump(exclude={"uuid", "meta"}) for op in block.ops]
                same = next((m for m, others in seen if all(op in ops for op in others)), None)
                if same is not None:
                    self.findings.add(
                        document.at("rules", i, "smart_routing", n),
                        f"never matches: whatever it matches, block {same} matches before it",
                    )
                seen.append((n, ops))

    def _names_that_a_rule_takes(self) -> None:
        """Rules go before virtual models."""
        for name, (place, _) in self.merged.virtual_models.items():
            taken = self._rule_for(name)
            if taken is not None:
                self.findings.add(
                    place, f"never reached by its name: rule {taken.name!r} takes {name!r}"
                )
        if self.merged.default_virtual_model is not None:
            everything = next(
                (
                    r
                    for _, r in self.rules
                    if r.active and not r.scenario and not r.request_model.strip("*")
                ),
                None,
            )
            if everything is not None:
                self.findings.add(
                    self.merged.default_virtual_model[0],
                    f"never used: rule {everything.name!r} takes every model",
                )

    def _rule_for(self, model: str) -> Rule | None:
        """The rule that takes a model in every scenario."""
        for _, rule in self.rules:
            takes = (
                glob_matcher(rule.request_model)(model)
                if is_glob(rule.request_model)
                else rule.request_model == model
            )
            if takes and rule.active and rule.scenario is None:
                return rule
        return None

    def _rules_without_service(self) -> None:
        for place, rule in self.rules:
            if rule.active and not any(s.active and s.provider.enabled for s in _services(rule)):
                self.findings.add(
                    place.at("services"), "all are switched off: its requests are refused"
                )

    # ---- providers

    def _unused_providers(self) -> None:
        rules = [rule for _, rule in self.rules] + [*self.snapshot.virtual_models.values()]
        used = {s.provider.name for rule in rules for s in _services(rule)}
        used.update(self.snapshot.passthrough.values())
        for name, (place, _) in self.merged.providers.items() if rules else ():
            if name not in used:
                self.findings.add(
                    place, f"no rule uses it: only requests for models named {name}/MODEL reach it"
                )

    def _addresses(self) -> None:
        """Paths are appended to these bases as they stand, and most servers want a version."""
        for name, (place, spec) in self.merged.providers.items():
            provider = self.snapshot.providers[name]
            kind = provider.kind
            usual = urlsplit(kind.base_url).path if kind.base_url else "/v1"
            if "chat" not in provider.paths or kind.version:
                continue
            if not kind.base_url and "base_url" not in kind.options:
                continue
            given = provider.base
            if usual.strip("/") and not urlsplit(given).path.strip("/"):
                self.findings.add(
                    place.at("api_base") if spec.api_base else place.at("options", "base_url"),
                    f"has no path: requests go to {given}{provider.paths.get('chat', '')}; most "
                    f"servers want {given}{usual}",
                )

    def _variables(self, environment: Container[str]) -> None:
        seen: set[str] = set()
        for name, (place, spec) in self.merged.providers.items():
            if not spec.enabled:
                continue
            given = place.document.data["providers"][name]
            for path, variable in _named_variables(given, ""):
                if variable not in environment and variable not in seen:
                    seen.add(variable)
                    at = Place(place.document, f"{place.path}.{path}", place.removed)
                    self.findings.add(at, f"environment variable {variable} is not set here")

    def _models(self, models_of: ModelsOf) -> None:
        for document, i, _, spec in self.merged.rules:
            lists = [((), spec.services)] + [
                (("smart_routing", n), block.services) for n, block in enumerate(spec.smart_routing)
            ]
            for way, services in lists:
                for n, service in enumerate(services):
                    self._model(
                        document.at("rules", i, *way, "services", n).at("model"),
                        service.provider,
                        service.model,
                        models_of,
                    )
            for n, address in enumerate(spec.fallbacks):
                provider, _, model = address.partition("/")
                self._model(document.at("rules", i, "fallbacks", n), provider, model, models_of)
        for place, virtual in self.merged.virtual_models.values():
            for n, one in enumerate(virtual.providers):
                self._model(place.at("providers", n, "model"), one.name, one.model, models_of)

    def _model(self, place: Place, name: str, model: str | None, models_of: ModelsOf) -> None:
        provider = self.snapshot.providers[name]
        model = model or provider.default_model or REQUESTED
        if model == REQUESTED or (provider.models is not None and model in provider.models):
            return
        if self.snapshot.prices.of(provider, model) is not None:
            return  # whoever knows its price knows the model
        known = models_of(provider)
        names = names_of(ListedModel("", model))
        if known is None or ":" in model or any(name in known for name in names):
            return  # a name with a colon is a customer's own (`ft:...`)
        near = difflib.get_close_matches(model.lower(), known, n=1, cutoff=0.75)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        self.findings.add(
            place, f"{model!r} is no known model of kind {provider.kind.name!r}{hint}"
        )


def _rank(rule: Rule) -> tuple[int, int, bool]:
    """As `match` looks at rules: exact names first, then the most specific globs."""
    glob = is_glob(rule.request_model)
    return (glob, -literals(rule.request_model) if glob else 0, rule.scenario is None)


def _takes_all_of(rule: Rule, other: Rule) -> bool:
    """Whether `rule`, which is looked at before `other`, takes all that the other would. A rule for
    any scenario is looked at after those of a scenario, so it takes nothing of theirs.
    """
    if rule.scenario not in (None, other.scenario):
        return False
    if rule.request_model == other.request_model:
        return True
    if not is_glob(rule.request_model) or not is_glob(other.request_model):
        return False
    matches = glob_matcher(rule.request_model)
    text = other.request_model.replace("?", _ANY)
    return all(matches(text.replace("*", _ANY * n)) for n in range(3))


def _services(rule: Rule) -> Iterator[Service]:
    yield from rule.services
    for block in rule.smart:
        yield from block.services


def _named_variables(value: object, path: str) -> Iterator[tuple[str, str]]:
    """(path, variable) of every `{env: NAME}`."""
    if isinstance(value, Mapping):
        variable = value.get("env")
        if len(value) == 1 and isinstance(variable, str):
            yield path, variable
            return
        for key, inner in value.items():
            yield from _named_variables(inner, join(path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _named_variables(inner, join(path, i))
