"""Runs all steps from documents to a `Snapshot`, and builds its indexes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from pilotfish.core.model.patterns import glob_matcher, is_glob, literals
from pilotfish.core.model.price_list import Catalogue
from pilotfish.core.model.provider import CHAT_STYLES, ProviderKind
from pilotfish.core.model.service import ModelsOf, Provider
from pilotfish.core.model.snapshot import Rule, Scenario, Snapshot
from pilotfish.core.model.tactic import Tactic
from pilotfish.core.rules.compile.findings import Findings, unknown
from pilotfish.core.rules.compile.handling import Defaults
from pilotfish.core.rules.compile.merge import Merged, merge, version_of
from pilotfish.core.rules.compile.notes import notes_of
from pilotfish.core.rules.compile.prices import price_list
from pilotfish.core.rules.compile.providers import ProviderCompiler
from pilotfish.core.rules.compile.rules import RuleCompiler
from pilotfish.core.rules.compile.services import ServiceCompiler
from pilotfish.core.rules.compile.validate import check
from pilotfish.core.rules.documents import RulesDocument
from pilotfish.core.rules.schema.document import FlagsSpec
from pilotfish.errors import Problem, RuleError


def compile_documents(
    documents: Iterable[RulesDocument],
    *,
    kinds: Mapping[str, ProviderKind],
    tactics: Mapping[str, type[Tactic[Any]]],
    allow_inline_secrets: bool = False,
    catalogue: Catalogue | None = None,
) -> Snapshot:
    """The snapshot of all documents together. Raises `RuleError` with all problems.

    `kinds` and `tactics`: by name. `allow_inline_secrets`: whether literal keys are accepted.
    `catalogue`: list prices of known models; None: only prices of the documents.
    """
    return _compiled(list(documents), kinds, tactics, allow_inline_secrets, catalogue)[0]


def checked_documents(
    documents: Iterable[RulesDocument],
    *,
    kinds: Mapping[str, ProviderKind],
    tactics: Mapping[str, type[Tactic[Any]]],
    allow_inline_secrets: bool = False,
    environment: Container[str] | None = None,
    models_of: ModelsOf | None = None,
    catalogue: Catalogue | None = None,
) -> tuple[Snapshot, list[Problem]]:
    """As `compile_documents`, with what is most likely not meant. `environment`: the variables that
    are set; `models_of`: those that a provider's vendor has. None leaves them out.
    """
    from pilotfish.core.rules.compile.warnings import Warnings

    documents = list(documents)
    snapshot, merged = _compiled(documents, kinds, tactics, allow_inline_secrets, catalogue)
    findings = Findings(d.source for d in documents)
    Warnings(merged, snapshot, findings, environment, models_of).find()
    return snapshot, findings.problems()


def _compiled(
    documents: list[RulesDocument],
    kinds: Mapping[str, ProviderKind],
    tactics: Mapping[str, type[Tactic[Any]]],
    allow_inline_secrets: bool,
    catalogue: Catalogue | None,
) -> tuple[Snapshot, Merged]:
    findings = Findings(d.source for d in documents)
    merged = merge([check(document, findings) for document in documents], findings)
    providers = _providers(merged, ProviderCompiler(kinds, allow_inline_secrets, findings))
    prices = price_list(merged, providers, catalogue, findings)
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
    passthrough = _passthrough(merged, findings)
    if findings:
        raise RuleError(findings.problems())
    snapshot = Snapshot(
        version=version_of(merged),
        sources=tuple(dict.fromkeys(d.origin or d.source for d in documents)),
        providers=providers,
        rules=rules,
        exact=exact_rules(rules),
        globs=glob_rules(rules),
        virtual_models=virtual,
        default_virtual_model=default,
        scenarios={
            name: Scenario(name, spec.flags.model_dump(exclude_none=True), spec.extensions)
            for name, (_, spec) in merged.scenarios.items()
        },
        prices=prices,
        budgets={name: spec.budget() for name, (_, spec) in merged.budgets.items()},
        defaults=defaults.rule,
        notes=tuple(note for d in documents for note in notes_of(d)),
        allow_empty=merged.allow_empty,
        passthrough=passthrough,
        unknown_paths=merged.unknown_paths,
    )
    return snapshot, merged


def _providers(merged: Merged, of_kind: ProviderCompiler) -> dict[str, Provider]:
    made = {
        name: of_kind.compile(name, spec, place) for name, (place, spec) in merged.providers.items()
    }
    for name, place, spec in merged.doubles:
        of_kind.compile(name, spec, place)  # for its problems only
    if (
        len({frozenset(CHAT_STYLES.keys() & provider.paths.keys()) for provider in made.values()})
        > 1
    ):
        return {
            name: dataclasses.replace(provider, among_others=True)
            for name, provider in made.items()
        }
    return made


def _unified(flags: FlagsSpec) -> bool:
    return bool(flags.unified) and not flags.separate


def _passthrough(merged: Merged, findings: Findings) -> dict[str, str]:
    """Style or scenario -> provider of what is not routed by model."""
    for place, name in merged.passthrough.values():
        if name not in merged.names_given:
            findings.absent(place, unknown("provider", name, merged.names_given))
    return {style: name for style, (_, name) in merged.passthrough.items()}


def _default_virtual_model(merged: Merged, findings: Findings) -> str:
    if merged.default_virtual_model is None:
        return ""
    place, name = merged.default_virtual_model
    if name not in merged.virtual_models:
        findings.absent(place, unknown("virtual model", name, merged.virtual_models))
    return name


def exact_rules(rules: Iterable[Rule]) -> dict[str, tuple[Rule, ...]]:
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


def glob_rules(rules: Iterable[Rule]) -> tuple[tuple[Rule, Callable[[str], bool]], ...]:
    """Active glob rules with their matchers: those that fix more characters first, then as in
    `exact_rules`.
    """
    active = [rule for rule in rules if rule.active and is_glob(rule.request_model)]
    active.sort(key=lambda rule: (-literals(rule.request_model), rule.scenario is None))
    return tuple((rule, glob_matcher(rule.request_model)) for rule in active)
