"""The sections of `defaults`: what is absent, and the defaults that the descriptions name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pilotfish.core.model.snapshot import CooldownRules, HealthRules, Retries, Timeouts
from pilotfish.core.rules.schema.defaults import DefaultsSpec
from pilotfish.core.rules.schema.numbers import LimitsSpec

RECORD_FIELD = {
    "base_ms": "base_s",
    "max_ms": "max_s",
    "recovery_timeout_seconds": "recovery_timeout_s",
}


@pytest.mark.parametrize(
    "given",
    [
        {"timeouts": {"idle_s": 0}},
        {"retries": {"max_retries": -1}},
        {"retries": {"jitter": 1.5}},
        {"retries": {"max_attempts": 0}},
        {"retries": {"budget_percent": 101}},
        {"health": {"error_ratio": 0}},
        {"cooldown": {"multiplier": 0.5}},
        {"cooldown": {"max_delay_s": -1}},
    ],
)
def test_numbers_that_make_no_sense_are_refused(given: dict[str, dict[str, float]]) -> None:
    with pytest.raises(ValidationError):
        DefaultsSpec.model_validate(given)


def test_what_is_absent_is_none_so_that_another_document_may_give_it() -> None:
    spec = DefaultsSpec.model_validate({"retries": {"max_retries": 0}})
    assert spec.retries.model_dump(exclude_none=True) == {"max_retries": 0}
    assert spec.timeouts.model_dump(exclude_none=True) == {}
    assert LimitsSpec().requests_per_minute is None


DEFAULT_SECTIONS = {
    "timeouts": Timeouts(),
    "retries": Retries(),
    "health": HealthRules(),
    "cooldown": CooldownRules(),
}


@pytest.mark.parametrize("section", DEFAULT_SECTIONS)
def test_descriptions_name_the_defaults_that_the_records_have(section: str) -> None:
    record = DEFAULT_SECTIONS[section]
    model = getattr(DefaultsSpec(), section)
    for key, field in type(model).model_fields.items():
        if key == "probe_enabled":
            continue  # another word for `probe`
        value = getattr(record, RECORD_FIELD.get(key, key))
        if value is None:
            continue
        text = (
            str(value).lower()
            if isinstance(value, bool | str)
            else f"{value * 1000 if key.endswith('_ms') else value:g}"
        )
        assert f"({text})" in str(field.description), key
