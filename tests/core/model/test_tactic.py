"""Parameters of tactics are checked when rules are loaded."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pilotfish.core.model.tactic import Memory, NoParams, Params


class Threshold(Params):
    requests: int = 10
    share: float = 0.5


@pytest.mark.parametrize(
    "given",
    [
        {"request": 3},
        {"requests": "3"},
        {"requests": 3.5},
        {"requests": True},
        {"share": float("nan")},
        {"share": float("inf")},
    ],
)
def test_unknown_parameters_and_wrong_types_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Threshold.model_validate(given)


def test_a_tactic_without_parameters_refuses_any() -> None:
    assert NoParams.model_validate({}) == NoParams()
    with pytest.raises(ValidationError):
        NoParams.model_validate({"explore": 0.1})


def test_parameters_cannot_be_changed_since_all_requests_of_a_rule_share_them() -> None:
    with pytest.raises(ValidationError):
        Threshold().requests = 3


def test_a_memory_begins_empty() -> None:
    assert Memory() == {}
