"""Copilot: where a model is served is what its list says; before that, what its name says."""

from __future__ import annotations

import pytest

from conformance import provider_of
from pilotfish.core.exchange.request_url import chat_ops, native_op


@pytest.mark.parametrize(
    ("model", "op"),
    [("gpt-4o", "chat"), ("claude-sonnet-4.5", "chat"), ("gpt-5.1-codex", "responses")],
)
def test_before_the_models_list_has_come(model, op):
    assert native_op(provider_of("github_copilot"), model, "messages") == op


def test_after_it_has_come():
    provider = provider_of("github_copilot")
    assert chat_ops(provider, "m", frozenset({"/responses", "/ws:/responses"})) == ("responses",)
    assert (
        native_op(provider, "m", "messages", frozenset({"/chat/completions", "/v1/messages"}))
        == "messages"
    )
    assert (
        native_op(provider, "m", "generate", frozenset({"/chat/completions", "/v1/messages"}))
        == "chat"
    )
