"""OpenAI: two chat APIs, and reasoning models that refuse sampling fields."""

from __future__ import annotations

import pytest

from conformance import compiled
from pilotfish.core.exchange.request_url import native_op, target_of
from pilotfish.core.model.provider import CHAT_STYLES
from pilotfish.providers.openai import model_quirks


@pytest.mark.parametrize("more", [{}, {"options": {"api": "completions"}}])
def test_clients_of_both_apis_reach_it_as_they_are(more):
    provider = compiled({"kind": "openai", "token": {"env": "K"}} | more).provider
    asked = [native_op(provider, "m", op) for op in ("chat", "responses", "messages")]
    assert asked == ["chat", "responses", "chat"]


@pytest.mark.parametrize(
    "more", [{"options": {"api": "responses"}}, {"api_style": "openai_responses"}]
)
def test_who_asks_for_responses_gets_it_for_every_client(more):
    """Clients of Chat Completions among them: newer models do less there."""
    provider = compiled({"kind": "openai", "token": {"env": "K"}} | more).provider
    asked = {native_op(provider, "m", op) for op in CHAT_STYLES}
    assert asked == {"responses"}
    assert native_op(provider, "m", "embeddings") == "embeddings"


@pytest.mark.parametrize("model", ["o1", "o3-mini", "o4-mini", "gpt-5", "gpt-5.1", "gpt-5-nano"])
def test_reasoning_models_refuse_sampling(model):
    quirks = model_quirks(model)
    assert quirks is not None
    assert {"temperature", "top_p", "logprobs"} <= quirks.refuses
    assert quirks.max_tokens_field == "max_completion_tokens"


@pytest.mark.parametrize(
    "model", ["gpt-4o", "gpt-4.1", "gpt-5-chat-latest", "omni-moderation-latest", "o1x"]
)
def test_others_do_not(model):
    assert model_quirks(model) is None


@pytest.mark.parametrize(
    "spec",
    [
        {"api_base": "http://gw/v1"},
        {"api_base": "http://gw"},
        {"options": {"base_url": "http://gw/"}},
    ],
)
def test_another_base_with_or_without_version(spec):
    provider = compiled({"kind": "openai", "token": {"env": "K"}, **spec}).provider
    assert (
        provider.base + target_of(provider, "chat", "m").removeprefix("/v1")
        == "http://gw/v1/chat/completions"
    )
