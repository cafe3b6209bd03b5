"""Runs all steps from documents to a `Snapshot`, and builds its indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pilotfish.core.model.patterns import glob_matcher, is_glob, literals
from pilotfish.core.model.provider import ProviderKind
from pilotfish.core.model.service import Price, Provider
from pilotfish.core.model.snapshot import Rule, Scenario, Snapshot
from pilotfish.core.model.tactic import Tactic
from pilotfish.core.rules.compile.findings import Findings, unknown
from pilotfish.core.rules.compile.handling import Defaults
from pilotfish.core.rules.compile.merge import Merged, merge, version_of
from pilotfish.core.rules.compile.notes import notes_of
from pilotfish.core.rules.compile.providers import ProviderCompiler
from pilotfish.core.rules.compile.rules import RuleCompiler
from pilotfish.core.rules.compile.services import ServiceCompiler
from pilotfish.core.rules.compile.validate import check
from pilotfish.core.rules.documents import RulesDocument
from pilotfish.core.rules.schema.document import FlagsSpec
from pilotfish.errors import RuleError


def compile_documents(
    documents: Iterable[RulesDocument],
    *,
    kinds: Mapping[str, ProviderKind],
    tactics: Mapping[str, type[Tactic[Any]]],
    allow_inline_secrets: bool = False,
) -> Snapshot:
    """The snapshot of all documents together. Raises `RuleError` with all problems.

    `kinds` and `tactics`: by name. `allow_inline_secrets`: whether literal keys are accepted.
    """
    documents = list(documents)
    findings = Findings(d.source for d in documents)
    merged = merge([check(document, findings) for document in documents], findings)
    of_kind = ProviderCompiler(kinds, allow_inline_secrets, findings)
    providers = {
        name: of_kind.compile(name, spec, place) for name, (place, spec) in merged.providers.items()
    }
    for name, place, spec in merged.doubles:
        of_kind.compile(name, spec, place)  # for its problems only
    prices = _prices(merged, providers, findings)
    defaults = Defaults(merged, tactics, findings)
    compiler = RuleCompiler(
        ServiceCompiler(providers, merged.names_given, prices, findings),
        tactics,
        defaults,
        findings,
        unified={name for name, (_, spec) in merged.scenarios.items() if _unified(spec.flags)},
    )
    rules = tuple(
        compiler.compile(document, i, name, spec) for document, i, name, spec in merged.rules
    )
    virtual = {
        name: compiler.compile_virtual(name, place, spec)
        for name, (place, spec) in merged.virtual_models.items()
    }
    default = _default_virtual_model(merged, findings)
    if findings:
        raise RuleError(findings.problems())
    return Snapshot(
        version=version_of(merged),
        sources=tuple(dict.fromkeys(d.origin or d.source for d in documents)),
        providers=providers,
        rules=rules,
        exact=_exact(rules),
        globs=_globs(rules),
        virtual_models=virtual,
        default_virtual_model=default,
        scenarios={
            name: Scenario(name, spec.flags.model_dump(exclude_none=True))
            for name, (_, spec) in merged.scenarios.items()
        },
        prices=prices,
        defaults=defaults.rule,
        notes=tuple(note for d in documents for note in notes_of(d)),
        allow_empty=merged.allow_empty,
    )


def _unified(flags: FlagsSpec) -> bool:
    return bool(flags.unified) and not flags.separate


def _prices(
    merged: Merged, providers: Mapping[str, Provider], findings: Findings
) -> dict[str, Price]:
    """Prices by provider/model, or by model for all providers. A price list may name models that no
    rule uses. Only a name whose first part is nearly that of a provider is a problem.
    """
    for name, (place, _) in merged.prices.items():
        head, slash, _rest = name.partition("/")
        if slash and head not in merged.names_given:
            message = unknown("provider", head, merged.names_given)
            if "did you mean" in message:
                findings.add(place, message)
    return {
        name: Price(
            spec.input, spec.output, spec.cached_input, spec.cache_write, spec.cache_write_1h
        )
        for name, (_, spec) in merged.prices.items()
    }


def _default_virtual_model(merged: Merged, findings: Findings) -> str:
    if merged.default_virtual_model is None:
        return ""
    place, name = merged.default_virtual_model
    if name not in merged.virtual_models:
        findings.absent(place, unknown("virtual model", name, merged.virtual_models))
    return name


def _exact(rules: Iterable[Rule]) -> dict[str, tuple[Rule, ...]]:
    """Active rules without a glob by request_model. Those with a scenario come before those
    without, then in file order.
    """
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        if rule.active and not is_glob(rule.request_model):
            found.setdefault(rule.request_model, []).append(rule)
    return {
        model: tuple(sorted(same, key=lambda rule: rule.scenario is None))
        for model, same in found.items()
    }


def _globs(rules: Iterable[Rule]) -> tuple[tuple[Rule, Callable[[str], bool]], ...]:
    """Active glob rules with their matchers: those that fix more characters first, then as in
    `_exact`.
    """
    active = [rule for rule in rules if rule.active and is_glob(rule.request_model)]
    active.sort(key=lambda rule: (-literals(rule.request_model), rule.scenario is None))
    return tuple((rule, glob_matcher(rule.request_model)) for rule in active)
