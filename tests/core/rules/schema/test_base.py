"""What all models of the rules file have in common: strict types, nothing unknown, secrets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

# Imports all models, so that `models` finds them.
from pilotfish.core.rules.schema.base import Name, ProviderName, Secret, SecretSource, Spec
from pilotfish.core.rules.schema.document import RulesFile
from pilotfish.core.rules.schema.numbers import TimeoutsSpec


def models(of: type[Spec] = Spec) -> Iterator[type[Spec]]:
    for model in of.__subclasses__():
        if model.__module__.startswith("pilotfish."):
            yield model
            yield from models(model)


@pytest.mark.parametrize("model", list(models()), ids=lambda m: m.__name__)
def test_unknown_keys_are_refused_everywhere(model: type[Spec]) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"certainly_unknown": 1})
    assert ("extra_forbidden", ("certainly_unknown",)) in [
        (e["type"], e["loc"]) for e in caught.value.errors()
    ]


@pytest.mark.parametrize("value", ["3", True, float("inf"), float("nan"), [3]])
def test_a_number_is_a_number(value: Any) -> None:
    with pytest.raises(ValidationError):
        TimeoutsSpec.model_validate({"connect_s": value})


def test_a_whole_number_does_where_any_is_asked_for() -> None:
    assert TimeoutsSpec.model_validate({"connect_s": 3}).connect_s == 3.0


def test_a_key_without_a_value_is_absent_but_an_unknown_one_stays_a_problem() -> None:
    assert RulesFile.model_validate({"rules": None}).rules == []
    with pytest.raises(ValidationError):
        RulesFile.model_validate({"ruels": None})


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "ä", "x" * 201])
def test_a_name_that_cannot_stand_in_a_header_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(name)


def test_a_providers_name_has_no_slash_since_one_separates_it_from_the_model() -> None:
    assert TypeAdapter(Name).validate_python("a/b") == "a/b"
    with pytest.raises(ValidationError):
        TypeAdapter(ProviderName).validate_python("a/b")


def test_a_secret_is_text_or_an_object_and_nothing_else() -> None:
    secret: TypeAdapter[Any] = TypeAdapter(Secret)
    assert secret.validate_python("hush") == "hush"
    assert secret.validate_python({"env": "KEY"}) == SecretSource(env="KEY")
    for wrong in (3, ["env"], "", {"env": ""}, {"vault": "x"}):
        with pytest.raises(ValidationError):
            secret.validate_python(wrong)


def test_no_error_repeats_what_it_was_given_since_it_may_be_a_key() -> None:
    with pytest.raises(ValidationError) as caught:
        SecretSource.model_validate({"env": {"token": "hush"}})
    assert "hush" not in str(caught.value)
