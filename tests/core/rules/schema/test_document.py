"""The rules file as a whole."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pilotfish.core.rules.schema.document import PriceSpec, RulesFile


@pytest.mark.parametrize(
    "given",
    [
        {"providers": {"a/b": {"kind": "x"}}},
        {"scenarios": {"two words": {}}},
        {"scenarios": {"a": {"flags": {"clever": True}}}},
        {"prices": {"m": {"input": -1}}},
        {"rules": {"name": "not a list"}},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RulesFile.model_validate(given)


def test_an_empty_document_is_good() -> None:
    spec = RulesFile.model_validate({})
    assert (spec.rules, spec.providers, spec.default_virtual_model) == ([], {}, None)


def test_cached_tokens_without_a_price_of_their_own_have_none() -> None:
    """`core.exchange.usage` then takes the price of input."""
    assert PriceSpec(input=2).cached_input is None
