"""`defaults`: which keys it takes, and what their descriptions promise."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pilotfish.core.model.snapshot import Race, Rule
from pilotfish.core.rules.schema.defaults import DefaultsSpec
from pilotfish.core.rules.schema.rules import RuleSpec

HANDLING = ("on_stream_break", "fallback_on", "buffer", "queue_ms", "unsupported")


@pytest.mark.parametrize("key", [*HANDLING, "hedge", "race", "affinity", "lb_tactic"])
def test_a_rule_has_each_key_of_the_same_form(key: str) -> None:
    assert key in DefaultsSpec.model_fields
    assert key in RuleSpec.model_fields


@pytest.mark.parametrize("key", HANDLING)
def test_absent_is_none_so_that_another_document_may_give_it(key: str) -> None:
    assert getattr(DefaultsSpec(), key) is None
    assert getattr(RuleSpec(), key) is None


def test_descriptions_name_the_defaults_that_the_records_have() -> None:
    rule, race = Rule(name=""), Race()

    def told(key: str) -> str:
        return str(DefaultsSpec.model_fields[key].description)

    assert f"({rule.on_stream_break})" in told("on_stream_break")
    assert f"([{', '.join(rule.fallback_on)}])" in told("fallback_on")
    assert f"({rule.unsupported})" in told("unsupported")
    assert "(0)" in told("queue_ms")
    spec = type(DefaultsSpec().race)
    assert f"({race.strategy})" in str(spec.model_fields["strategy"].description)
    assert f"({race.timeout_s * 1000:g})" in str(spec.model_fields["timeout_ms"].description)


@pytest.mark.parametrize(
    "given",
    [
        {"on_stream_break": "resume"},
        {"fallback_on": ["timeout"]},
        {"queue_ms": -1},
        {"race": {"max_parallel": 1}},
        {"rules": []},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DefaultsSpec.model_validate(given)
