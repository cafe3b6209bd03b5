"""The models of the rules file: every key of the contract, strict types, nothing unknown, no secret
in a repr.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from pilotfish.core.model.snapshot import CooldownRules, HealthRules, Retries, Timeouts
from pilotfish.core.rules import schema
from pilotfish.core.rules.schema import ProviderSpec, RulesFile, RuleSpec, Spec

MODELS = [m for m in vars(schema).values() if isinstance(m, type) and issubclass(m, Spec)]


RULE_KEYS = """name uuid scenario request_model response_model description active services lb_tactic tactic smart_enabled smart_routing affinity
    race hedge fallbacks fallback_on on_stream_break buffer queue_ms unsupported timeouts retries health cooldown"""
PROVIDER_KEYS = """kind api_base token tokens no_key_required api_style enabled proxy_url timeout tags models default_model headers auth_type
    oauth_detail default_model_capacity options limits"""


def test_all_keys_of_the_contract_are_there() -> None:
    assert set(RULE_KEYS.split()) <= set(RuleSpec.model_fields)
    assert set(PROVIDER_KEYS.split()) <= set(ProviderSpec.model_fields)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_unknown_keys_are_refused_everywhere(model: type[BaseModel]) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"certainly_unknown": 1})
    assert ("extra_forbidden", ("certainly_unknown",)) in [
        (e["type"], e["loc"]) for e in caught.value.errors()
    ]


@pytest.mark.parametrize("value", ["3", True, float("inf"), float("nan"), [3]])
def test_a_number_is_a_number(value: Any) -> None:
    with pytest.raises(ValidationError):
        RulesFile.model_validate({"defaults": {"timeouts": {"connect_s": value}}})


def test_a_whole_number_does_where_any_is_asked_for() -> None:
    assert (
        RulesFile.model_validate(
            {"defaults": {"timeouts": {"connect_s": 3}}}
        ).defaults.timeouts.connect_s
        == 3.0
    )


@pytest.mark.parametrize(
    ("section", "record"),
    [
        ("timeouts", Timeouts()),
        ("retries", Retries()),
        ("health", HealthRules()),
        ("cooldown", CooldownRules()),
    ],
)
def test_descriptions_tell_the_defaults_that_the_records_have(section: str, record: object) -> None:
    model = schema.DefaultsSpec().__getattribute__(section)
    for key, field in type(model).model_fields.items():
        value = getattr(
            record,
            {
                "base_ms": "base_s",
                "max_ms": "max_s",
                "recovery_timeout_seconds": "recovery_timeout_s",
            }.get(key, key),
        )
        if value is None:
            continue
        said = (
            str(value).lower()
            if isinstance(value, bool)
            else f"{value * 1000 if key.endswith('_ms') else value:g}"
        )
        assert f"({said})" in str(field.description), key


def test_the_repr_of_a_provider_holds_nothing_secret() -> None:
    spec = ProviderSpec.model_validate(
        {
            "kind": "x",
            "token": "hush",
            "tokens": ["hush"],
            "headers": {"a": "hush"},
            "options": {"key": "hush"},
            "proxy_url": "http://u:hush@h",
        }
    )
    assert "hush" not in repr(spec)
