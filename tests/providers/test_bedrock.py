"""Bedrock: regions, ids of every form, and what Claude refuses there too."""

from __future__ import annotations

import pytest

from conformance import compiled
from pilotfish.core.request_url import native_op, target_of
from pilotfish.providers.bedrock import base_from, model_quirks, probe_from


@pytest.mark.parametrize(
    ("options", "base"),
    [
        ({}, "https://bedrock-runtime.us-east-1.amazonaws.com"),
        ({"region": "eu-central-1"}, "https://bedrock-runtime.eu-central-1.amazonaws.com"),
        ({"region": "cn-north-1"}, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_host_follows_from_the_region(options, base):
    assert base_from(options) == base
    assert probe_from(base, options) == base.replace("-runtime", "") + "/foundation-models"


def test_a_models_id_goes_out_as_it_stands():
    """The gateway seed cut a leading `eu.` off, and asked for a profile that does not exist."""
    provider = compiled({"kind": "bedrock", "token": {"env": "K"}}).provider
    assert target_of(provider, "converse", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", stream=True) == (
        "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"
    )


def test_every_client_is_served_through_converse():
    provider = compiled({"kind": "bedrock", "token": {"env": "K"}}).provider
    assert [native_op(provider, "m", op) for op in ("chat", "responses", "messages", "generate", "converse")] == ["converse"] * 5
    assert native_op(provider, "m", "embeddings") == ""


def test_keys_are_not_asked_for_since_aws_has_other_sources():
    assert compiled({"kind": "bedrock"}).provider.tokens == ()


def test_claude_refuses_here_what_it_refuses_everywhere():
    quirks = model_quirks("us.anthropic.claude-opus-4-7-v1:0")
    assert quirks is not None
    assert "temperature" in quirks.refuses
    assert quirks.default_max_tokens is None, "Converse needs none, and without one the answer may be as long as the model can"
    assert model_quirks("amazon.nova-pro-v1:0") is None
