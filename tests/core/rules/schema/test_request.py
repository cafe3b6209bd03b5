"""`request`: the parameters by their neutral names, within their bounds."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pilotfish.core.formats.neutral import Chat
from pilotfish.core.rules.schema.request import ParametersSpec, RequestSpec


@pytest.mark.parametrize(
    "given",
    [
        {"max_tokens": 0},
        {"temperature": 2.1},
        {"top_p": -1},
        {"presence_penalty": 3},
        {"stop": []},
        {"reasoning_effort": "much"},
        {"messages": []},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RequestSpec.model_validate({"defaults": given})


def test_every_parameter_is_a_field_of_the_neutral_form() -> None:
    assert set(ParametersSpec.model_fields) - {"reasoning_effort"} <= set(Chat.__struct_fields__)
