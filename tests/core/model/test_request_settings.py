"""Which settings make a service think."""

from __future__ import annotations

import pytest

from core.exchange.test_request_settings import with_request


@pytest.mark.parametrize(
    ("request_text", "thinks"),
    [
        ("{thinking: {budget_tokens: 4096}}", True),
        ("{thinking: {budget_tokens: 0}}", False),
        ("{thinking: {enabled: false}}", False),
        ("{defaults: {reasoning_effort: high}}", True),
        ("{overrides: {reasoning_effort: minimal}, thinking: {effort: high}}", False),
        ("{defaults: {temperature: 1}}", False),
    ],
)
def test_who_asks_for_thinking_waits_longer(request_text: str, thinks: bool) -> None:
    service = with_request("openai", "gpt-4o", request_text)
    assert service.settings is not None
    assert (service.settings.thinks, service.thinks) == (thinks, thinks)
