"""A key of the rules file that is accepted and not obeyed is found: by a dropped line of the
compiler, or by a compiled field that nobody reads.

`tests/fixtures/rules/every-field.txt` sets every key. Each of them is taken out, or changed where
it must be there; then the compiled rules must differ, and the field in which they do must be read
somewhere outside `core/rules`.
"""

from __future__ import annotations

import copy
import dataclasses
import typing
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from layout.source_index import ROOT, is_read, sources, strings
from pilotfish.core.model.provider import ProviderKind
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.compile.notes import NOT_YET_OBEYED
from pilotfish.core.rules.documents import RulesDocument, read_documents
from pilotfish.core.rules.schema.document import RulesFile
from pilotfish.errors import RuleError
from pilotfish.providers import all_kinds
from pilotfish.tactics import all_tactics

GOLDEN = (ROOT / "tests" / "fixtures" / "rules" / "every-field.txt").read_text()
(READ,) = read_documents("every-field", GOLDEN.partition("----------")[0])
DOCUMENT = READ.data
# Keys that mean nothing, and say so in their own description: files of other tools have them.
WITHOUT_MEANING = {
    ("OpSpec", "uuid"),
    ("OpSpec", "meta"),
}
# `pilotfish check` says of these that nothing obeys them yet (`core/rules/compile/notes.py`).
NOTED: set[tuple[str, str]] = set()
# The hash over the documents, which changes with every word, where a rule was written, and what
# `pilotfish check` says of keys that nothing obeys.
BOOKKEEPING = {("Snapshot", "version"), ("Rule", "source"), ("Snapshot", "notes")}

# Which of several forms is given decides something, too.
ONE_OR_OTHER = {("ProviderSpec", "token"), ("ProviderSpec", "tokens"), ("RuleSpec", "tactic")}

Way = tuple[str | int, ...]


def compiled(data: dict[str, Any]) -> Snapshot:
    return compile_documents(
        [RulesDocument("every-field", data)], kinds=all_kinds(), tactics=all_tactics()
    )


def models_in(annotation: Any) -> dict[str, type[BaseModel]]:
    """The models of the file that a type holds, and those inside them, by name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        inside = {annotation.__name__: annotation}
        for field in annotation.model_fields.values():
            inside |= models_in(field.annotation)
        return inside
    found: dict[str, type[BaseModel]] = {}
    for part in typing.get_args(annotation):
        found |= models_in(part)
    return found


MODELS = models_in(RulesFile)


def fields_set(spec: Any, way: Way = ()) -> Iterator[tuple[str, str, Way]]:
    """(model, field, where in the document) of every key that is given."""
    if isinstance(spec, BaseModel):
        for name in type(spec).model_fields:
            if name in spec.model_fields_set:
                yield type(spec).__name__, name, (*way, name)
                yield from fields_set(getattr(spec, name), (*way, name))
    elif isinstance(spec, Mapping):
        for key, value in spec.items():
            yield from fields_set(value, (*way, key))
    elif isinstance(spec, list | tuple):
        for i, value in enumerate(spec):
            yield from fields_set(value, (*way, i))


SET = list(fields_set(RulesFile.model_validate(DOCUMENT)))
EVERY_FIELD = sorted((model, name) for model in MODELS for name in MODELS[model].model_fields)


LEAVES = [
    (model, name)
    for model, name in EVERY_FIELD
    if not models_in(MODELS[model].model_fields[name].annotation) or (model, name) in ONE_OR_OTHER
]


def differences(a: Any, b: Any, at: tuple[str, str]) -> set[tuple[str, str]]:
    """(class, field) of the innermost records in which two compiled values differ."""
    if type(a) is not type(b):
        return {at}
    if isinstance(a, ProviderKind):  # a record of the program's own, not of the rules
        return set() if a is b else {at}
    names = (
        [f.name for f in dataclasses.fields(a)]
        if dataclasses.is_dataclass(a)
        else a.__struct_fields__
        if isinstance(a, msgspec.Struct)
        else type(a).model_fields
        if isinstance(a, BaseModel)
        else None
    )
    if names is not None:
        owner = type(a).__qualname__
        return {d for n in names for d in differences(getattr(a, n), getattr(b, n), (owner, n))}
    if isinstance(a, Mapping):
        same = a.keys() == b.keys()
        return (set() if same else {at}) | {
            d for key in a.keys() & b.keys() for d in differences(a[key], b[key], at)
        }
    if isinstance(a, tuple | list):
        same = len(a) == len(b)
        return (set() if same else {at}) | {
            d for x, y in zip(a, b, strict=False) for d in differences(x, y, at)
        }
    if callable(a):  # what a matcher or a condition closes over
        return differences(
            [c.cell_contents for c in getattr(a, "__closure__", None) or ()],
            [c.cell_contents for c in getattr(b, "__closure__", None) or ()],
            at,
        )
    if hasattr(a, "Params"):  # a tactic: what it made of its parameters
        return differences(vars(a), vars(b), at)
    return set() if a == b else {at}


def changed(way: Way) -> Iterator[dict[str, Any]]:
    """The document without this key, then with other values in its place: those that the same key
    has elsewhere, and those that its type allows.
    """
    *before, last = way
    value = at(DOCUMENT, way)
    data = copy.deepcopy(DOCUMENT)
    del at(data, before)[last]
    yield data
    others = [at(DOCUMENT, w) for _, _, w in SET if w[-1] == last]
    for other in others:
        if other != value:
            data = copy.deepcopy(DOCUMENT)
            at(data, before)[last] = other
            yield data


def at(data: Any, way: tuple[str | int, ...] | list[str | int]) -> Any:
    for key in way:
        data = data[key]
    return data


def effects(model: str, name: str) -> set[tuple[str, str]]:
    """Where the compiled rules differ for some place at which the key is given."""
    base = compiled(DOCUMENT)
    found: set[tuple[str, str]] = set()
    for way in [way for m, n, way in SET if (m, n) == (model, name)]:
        for data in changed(way):
            try:
                found |= differences(base, compiled(data), ("Snapshot", "")) - BOOKKEEPING
            except RuleError:
                continue
            if found:
                break
    return found


def test_every_field_is_set_in_the_example() -> None:
    assert [f for f in EVERY_FIELD if f not in {(model, name) for model, name, _ in SET}] == []


@pytest.mark.parametrize(("model", "name"), LEAVES, ids=lambda x: x)
def test_a_field_changes_the_compiled_rules_and_somebody_reads_what_it_changes(
    model: str, name: str
) -> None:
    found = effects(model, name)
    if (model, name) in WITHOUT_MEANING:
        assert not found
        described = MODELS[model].model_fields[name].description
        assert "means nothing" in described
        return
    assert found, f"{model}.{name} is accepted, but the compiled rules are the same without it"
    unread = {
        (owner, attribute)
        for owner, attribute in found
        if not is_read(owner, attribute, without=("core/rules",))
    }
    if (model, name) in NOTED:
        assert unread == found, "somebody obeys it now: take it out of NOTED and NOT_YET_OBEYED"
        assert any(pattern.endswith(f".{name}") for pattern in NOT_YET_OBEYED)
        return
    assert unread != found, f"{model}.{name} is compiled into {unread}, which nobody reads"


def literals(annotation: Any) -> list[str]:
    """The words of a choice; none for other types."""
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [word for part in typing.get_args(annotation) for word in literals(part)]


CHOICES = [
    (model, name)
    for model, name in EVERY_FIELD
    if literals(MODELS[model].model_fields[name].annotation)
]


@pytest.mark.parametrize(("model", "name"), CHOICES, ids=lambda x: x)
def test_every_word_of_a_choice_is_compiled_into_something_else(model: str, name: str) -> None:
    """A word that is compiled like another one is a choice that is no choice."""
    words = literals(MODELS[model].model_fields[name].annotation)
    together = set()
    for way in [way for m, n, way in SET if (m, n) == (model, name)]:
        good = {word: rules for word in words if (rules := with_word(way, word)) is not None}
        together |= set(good)
        for one, other in combinations(good, 2):
            apart = differences(good[one], good[other], ("Snapshot", "")) - BOOKKEEPING
            assert apart, f"{model}.{name}: {one} and {other} are compiled into the same"
    assert together == set(words)


def with_word(way: Way, word: str) -> Snapshot | None:
    """The rules with this word at one place; None where it may not stand there."""
    data = copy.deepcopy(DOCUMENT)
    at(data, way[:-1])[way[-1]] = [word] if isinstance(at(DOCUMENT, way), list) else word
    try:
        return compiled(data)
    except RuleError:
        return None


def test_a_key_that_nothing_obeys_is_named_by_check() -> None:
    assert {pattern.rpartition(".")[2] for pattern in NOT_YET_OBEYED} == {n for _, n in NOTED}
    assert all(NOT_YET_OBEYED.values())
    assert len(compiled(DOCUMENT).notes) == len(NOT_YET_OBEYED)


@pytest.mark.parametrize(
    ("kind", "option"),
    [(kind.name, option) for kind in all_kinds().values() for option in kind.options],
    ids=lambda x: x,
)
def test_an_option_of_a_kind_is_asked_for_by_name(kind: str, option: str) -> None:
    """In its own file beside its declaration, or by those that all kinds have in common."""
    own = [text for _, text in strings(ROOT / "src" / "pilotfish" / "providers" / f"{kind}.py")]
    common = [
        text
        for path in [*sources("credentials"), *sources("core"), *sources("proxy")]
        for _, text in strings(path)
    ]
    assert own.count(option) > 1 or option in common
