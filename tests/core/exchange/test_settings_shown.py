"""What `/explain` shows of the settings that rules make in a request."""

from __future__ import annotations

import pytest

from core.exchange.test_calls import inbound
from core.exchange.test_request_settings import MAX_TOKENS, STYLES, at, with_request
from pilotfish import styles
from pilotfish.core.exchange.settings_shown import what_is_set


@pytest.mark.parametrize("style", STYLES)
def test_what_is_set_is_shown_as_it_is_sent(style: str) -> None:
    path, given, kind, model = STYLES[style]
    to = with_request(kind, model, "{overrides: {max_tokens: 20}, extra_body: {own: 1}}")
    shown = what_is_set(inbound(path, given), to, styles.get)
    assert at(shown, *MAX_TOKENS[style]) == 20
    assert shown["own"] == 1
    assert "model" not in shown


def test_nothing_is_set_in_operations_without_parameters() -> None:
    to = with_request("openai", "gpt-4o", "{overrides: {max_tokens: 5}}")
    assert (
        what_is_set(inbound("/v1/embeddings", {"model": "x", "input": "a"}), to, styles.get) == {}
    )
