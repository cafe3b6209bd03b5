"""Providers, services, and where secrets are."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from fleet import KIND, service
from pilotfish.core.model.service import OAuth, Price, Provider, SecretRef

HUSH = SecretRef("literal", value="hush")


def test_no_repr_shows_a_secret() -> None:
    provider = Provider(
        name="acme",
        kind=KIND,
        base="http://127.0.0.1:9/v1",
        style="openai",
        paths=KIND.paths,
        tokens=(HUSH,),
        proxy_url="http://user:hush@127.0.0.1:3128",
        headers=(("x-key", "hush"),),
        oauth=OAuth(access_token=HUSH, refresh_token=HUSH),
    )
    assert "hush" not in repr(provider)
    assert "hush" not in repr(service("m", provider))
    assert "hush" not in str(HUSH)


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        (SecretRef("env", "KEY"), "environment variable KEY"),
        (SecretRef("file", "/run/key"), "file /run/key"),
        (SecretRef("secret", "llm-keys", "openai"), "secret llm-keys/openai"),
        (HUSH, "a literal key"),
    ],
)
def test_messages_say_where_a_secret_is(ref: SecretRef, text: str) -> None:
    assert str(ref) == text


def test_services_are_told_apart_by_identity_since_two_rules_may_have_equal_ones() -> None:
    assert service("m") != service("m")


def test_a_service_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        service("m").weight = 2.0  # type: ignore[misc]


def test_a_price_without_cache_prices_has_none_and_not_zero() -> None:
    """0 would mean that cached tokens are free."""
    assert (Price(1.0, 2.0).cached_input, Price(1.0, 2.0).cache_write) == (None, None)
