"""Merges documents into one: every name once, every key of `defaults` with one value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from pilotfish.core.model.patterns import is_glob, literals
from pilotfish.core.rules.compile.findings import Findings, Place
from pilotfish.core.rules.compile.validate import Checked
from pilotfish.core.rules.schema.budgets import BudgetSpec
from pilotfish.core.rules.schema.document import UNKNOWN_PATHS, ScenarioSpec
from pilotfish.core.rules.schema.prices import PriceSpec, VendorPricesSpec
from pilotfish.core.rules.schema.providers import ProviderSpec
from pilotfish.core.rules.schema.rules import RuleSpec, VirtualModelSpec

T = TypeVar("T")
Named = dict[str, tuple[Place, T]]
# The keys of `defaults` whose own keys are merged one by one.
SECTIONS = ("timeouts", "retries", "health", "cooldown", "credential_cooldown", "race")


@dataclass(slots=True)
class Merged:
    """All documents together; every entry has its place.

    `defaults`: only the numbers that were given, as section -> key -> number; `for_all`: the other
    keys of `defaults`, each with its place. `rules`: (document,
    number in it, name, spec). `doubles`: providers given a second time, which are checked and not
    used. `names_given`: names of all providers, those with problems included.
    """

    defaults: dict[str, dict[str, Any]] = field(default_factory=dict)
    for_all: Named[Any] = field(default_factory=dict)
    providers: Named[ProviderSpec] = field(default_factory=dict)
    scenarios: Named[ScenarioSpec] = field(default_factory=dict)
    rules: list[tuple[Checked, int, str, RuleSpec]] = field(default_factory=list)
    virtual_models: Named[VirtualModelSpec] = field(default_factory=dict)
    default_virtual_model: tuple[Place, str] | None = None
    prices: Named[PriceSpec] = field(default_factory=dict)
    price_lists: Named[VendorPricesSpec] = field(default_factory=dict)
    budgets: Named[BudgetSpec] = field(default_factory=dict)
    passthrough: dict[str, tuple[Place, str]] = field(default_factory=dict)
    unknown_paths: bool = False
    doubles: list[tuple[str, Place, ProviderSpec]] = field(default_factory=list)
    names_given: set[str] = field(default_factory=set)
    allow_empty: bool = False


def merge(documents: Iterable[Checked], findings: Findings) -> Merged:
    """All documents as one, with a problem for each name or number that is given twice."""
    merged = Merged()
    defaults_at: dict[tuple[str, str], Place] = {}
    rules: list[tuple[Checked, int, RuleSpec]] = []
    for document in documents:
        spec = document.spec
        _defaults(merged, document, defaults_at, findings)
        _once(merged.providers, "providers", spec.providers, document, findings)
        _once(merged.scenarios, "scenarios", spec.scenarios, document, findings)
        _once(merged.virtual_models, "virtual_models", spec.virtual_models, document, findings)
        _once(merged.prices, "prices", spec.prices, document, findings)
        _once(merged.price_lists, "price_lists", spec.price_lists, document, findings)
        _once(merged.budgets, "budgets", spec.budgets, document, findings)
        named = {k: str(v) for k, v in spec.passthrough.items() if k != UNKNOWN_PATHS}
        _once(merged.passthrough, "passthrough", named, document, findings)
        merged.unknown_paths |= spec.passthrough.get(UNKNOWN_PATHS) is True
        merged.doubles += [
            (n, document.at("providers", n), p)
            for n, p in spec.providers.items()
            if merged.providers[n][1] is not p
        ]
        given = document.place.document.data.get("providers")
        merged.names_given.update(given if isinstance(given, dict) else ())
        rules += [(document, i, rule) for i, rule in enumerate(spec.rules)]
        _default_virtual_model(merged, document, findings)
        merged.allow_empty = merged.allow_empty or spec.allow_empty
    merged.rules = _named(rules, merged.virtual_models, findings)
    return merged


def _once(
    into: Named[T], section: str, entries: dict[str, T], document: Checked, findings: Findings
) -> None:
    for name, entry in entries.items():
        place = document.at(section, name)
        if name in into:
            findings.add(
                place,
                (
                    f"{section.removesuffix('s').replace('_', ' ')} {name!r} is given twice, also "
                    f"at {into[name][0]}"
                ),
            )
        else:
            into[name] = (place, entry)


def _defaults(
    into: Merged,
    document: Checked,
    seen: dict[tuple[str, str], Place],
    findings: Findings,
) -> None:
    given = document.spec.defaults
    for section in SECTIONS:
        for key, number in getattr(given, section).model_dump(exclude_none=True).items():
            place = document.at("defaults", section, key)
            known = into.defaults.setdefault(section, {}).setdefault(key, number)
            first = seen.setdefault((section, key), place)
            if known != number:
                findings.add(place, f"{number!r} contradicts {known!r} at {first}")
    for key in type(given).model_fields:
        value = getattr(given, key)
        if key in SECTIONS or value is None:
            continue
        place = document.at("defaults", key)
        before, known = into.for_all.setdefault(key, (place, value))
        if known != value:
            findings.add(place, f"contradicts what is said at {before}")


def _default_virtual_model(merged: Merged, document: Checked, findings: Findings) -> None:
    name = document.spec.default_virtual_model
    if name is None:
        return
    place = document.at("default_virtual_model")
    if merged.default_virtual_model is None:
        merged.default_virtual_model = (place, name)
    elif merged.default_virtual_model[1] != name:
        findings.add(
            place,
            (
                f"{name!r} contradicts {merged.default_virtual_model[1]!r} at "
                f"{merged.default_virtual_model[0]}"
            ),
        )


def _named(
    rules: list[tuple[Checked, int, RuleSpec]], virtual: Named[VirtualModelSpec], findings: Findings
) -> list[tuple[Checked, int, str, RuleSpec]]:
    """The rules with their names: `name`, else `uuid`, else `rule-N` with N the rule's number among
    all.
    """
    places: dict[str, Place] = {name: place for name, (place, _) in virtual.items()}
    given = {rule.name or rule.uuid for _, _, rule in rules}
    out = []
    for number, (document, i, rule) in enumerate(rules, 1):
        name = rule.name or rule.uuid
        place = (
            document.at("rules", i).at("name" if rule.name else "uuid")
            if name
            else document.at("rules", i)
        )
        if name is None:
            name = f"rule-{number}"
            while name in given:
                name += "x"
        if name in places:
            findings.add(
                place,
                (
                    f"{'name' if name in virtual else 'rule'} {name!r} is given twice, also at "
                    f"{places[name]}"
                ),
            )
        places.setdefault(name, place)
        out.append((document, i, name, rule))
    return out


def version_of(merged: Merged) -> str:
    """A hash over the meaning of the documents: 12 hex digits. It does not depend on the number,
    order and formatting of the documents, nor on the order of rules that cannot take the same
    request.
    """
    meaning = {
        "defaults": merged.defaults,
        "for_all": _plain(merged.for_all),
        "providers": _plain(merged.providers),
        "scenarios": _plain(merged.scenarios),
        "virtual_models": _plain(merged.virtual_models),
        "prices": _plain(merged.prices),
        "price_lists": _plain(merged.price_lists),
        "budgets": _plain(merged.budgets),
        "default_virtual_model": merged.default_virtual_model and merged.default_virtual_model[1],
        "allow_empty": merged.allow_empty,
        "passthrough": {name: provider for name, (_, provider) in merged.passthrough.items()},
        "unknown_paths": merged.unknown_paths,
        # Sorted as `match` ranks them. The sort is stable, so rules of equal rank, between which
        # the order in the file decides, keep it.
        "rules": sorted(
            (
                {**rule.model_dump(exclude_none=True), "name": name}
                for _, _, name, rule in merged.rules
            ),
            key=lambda rule: _rank(str(rule["request_model"])),
        ),
    }
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _rank(request_model: str) -> tuple[int, str]:
    return (-literals(request_model), "") if is_glob(request_model) else (1, request_model)


def _plain(entries: Named[Any]) -> dict[str, Any]:
    def dumped(spec: Any) -> Any:
        return spec.model_dump(exclude_none=True) if isinstance(spec, BaseModel) else spec

    return {name: dumped(spec) for name, (_, spec) in entries.items()}
