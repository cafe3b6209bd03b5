"""The records that provider modules fill in."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from pilotfish.core.model.provider import (
    CHAT_STYLES,
    OP_OF_STYLE,
    OPENAI_LIMITS,
    OPENAI_PATHS,
    Auth,
    LimitHeaders,
    ProviderKind,
)


def test_a_kind_cannot_be_changed_since_all_providers_of_it_share_it() -> None:
    kind = ProviderKind("acme", "openai", OPENAI_PATHS)
    with pytest.raises(FrozenInstanceError):
        kind.style = "google"  # type: ignore[misc]


def test_a_kind_needs_a_name_a_style_and_paths_and_no_more() -> None:
    kind = ProviderKind("acme", "openai", OPENAI_PATHS)
    assert (kind.needs_key, kind.probe, kind.auth) == (True, "/models", Auth())
    with pytest.raises(TypeError):
        ProviderKind("acme", "openai")  # type: ignore[call-arg]


def test_limit_headers_are_indexed_by_header_for_one_pass_over_a_response() -> None:
    limits = LimitHeaders(
        remaining={"requests": "x-left"}, limit={"requests": "x-max"}, reset={"tokens": "x-reset"}
    )
    assert limits.index == {
        b"x-left": ("remaining", "requests"),
        b"x-max": ("limit", "requests"),
        b"x-reset": ("reset", "tokens"),
    }


def test_a_vendor_without_limit_headers_has_an_empty_index() -> None:
    assert LimitHeaders().index == {}


def test_two_tables_with_the_same_headers_are_equal() -> None:
    assert LimitHeaders(remaining={"tokens": "x"}) == LimitHeaders(remaining={"tokens": "x"})
    assert LimitHeaders(remaining={"tokens": "x"}) != LimitHeaders(limit={"tokens": "x"})


def test_openais_limit_headers_name_requests_and_tokens() -> None:
    assert OPENAI_LIMITS.index[b"x-ratelimit-remaining-tokens"] == ("remaining", "tokens")
    assert len(OPENAI_LIMITS.index) == 6


def test_every_style_has_one_chat_operation() -> None:
    assert {OP_OF_STYLE[style]: style for style in OP_OF_STYLE} == dict(CHAT_STYLES)
