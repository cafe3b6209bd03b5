"""`providers`: every key of the reference, and no secret in a repr."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pilotfish.core.rules.schema.providers import OAuthSpec, ProviderSpec

KEYS = """kind api_base token tokens no_key_required api_style enabled proxy_url timeout tags models
    default_model headers auth_type oauth_detail default_model_capacity options limits"""


def test_a_provider_without_a_kind_is_refused() -> None:
    with pytest.raises(ValidationError):
        ProviderSpec.model_validate({"token": "hush"})


@pytest.mark.parametrize(
    "given", [{"tokens": []}, {"timeout": 0}, {"default_model_capacity": 0}, {"auth_type": "x"}]
)
def test_what_makes_no_sense_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ProviderSpec.model_validate({"kind": "x", **given})


def test_all_documented_keys_are_there() -> None:
    assert set(KEYS.split()) <= set(ProviderSpec.model_fields)


def test_the_repr_of_a_provider_holds_nothing_secret() -> None:
    spec = ProviderSpec.model_validate(
        {
            "kind": "x",
            "token": "hush",
            "tokens": ["hush"],
            "headers": {"a": "hush"},
            "options": {"key": "hush"},
            "proxy_url": "http://u:hush@h",
            "oauth_detail": {
                "access_token": "hush",
                "refresh_token": "hush",
                "extra_fields": {"client_secret": "hush"},
            },
        }
    )
    assert "hush" not in repr(spec)
    assert "hush" not in repr(OAuthSpec(access_token="hush"))
