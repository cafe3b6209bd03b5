"""Bedrock: regions, ids of every form, and what Claude refuses there too."""

from __future__ import annotations

import pytest

from conformance import compiled
from pilotfish.core.exchange.request_url import auth_of, native_op, target_of
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
    assert target_of(
        provider, "converse", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", stream=True
    ) == ("/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream")


CHATS = ("chat", "responses", "messages", "generate", "converse")
CLAUDES = [
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.anthropic.claude-opus-4-6-v1",
    "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-6-v1",
]
OTHERS = [
    "amazon.nova-pro-v1:0",
    "openai.gpt-oss-120b-1:0",
    "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc",
]


@pytest.mark.parametrize("model", OTHERS)
def test_every_client_of_another_model_is_served_through_converse(model):
    """So is a profile whose ARN does not say what it stands for: Converse is right for all of
    them.
    """
    provider = compiled({"kind": "bedrock", "token": {"env": "K"}}).provider
    assert [native_op(provider, model, op) for op in CHATS] == ["converse"] * 5
    assert native_op(provider, model, "embeddings") == ""


@pytest.mark.parametrize("model", CLAUDES)
def test_a_claude_answers_anthropics_clients_in_their_own_form(model):
    provider = compiled({"kind": "bedrock", "token": {"env": "K"}}).provider
    assert [native_op(provider, model, op) for op in CHATS] == [
        "converse",
        "converse",
        "messages",
        "converse",
        "converse",
    ]


def test_the_rules_may_have_every_request_for_a_claude_in_anthropics_form():
    provider = compiled(
        {"kind": "bedrock", "token": {"env": "K"}, "api_style": "anthropic"}
    ).provider
    assert [native_op(provider, CLAUDES[0], op) for op in CHATS] == ["messages"] * 4 + ["converse"]
    assert [native_op(provider, OTHERS[0], op) for op in CHATS] == ["converse"] * 5


def test_counting_tokens_is_not_offered_since_bedrock_counts_in_another_form():
    assert native_op(compiled({"kind": "bedrock"}).provider, CLAUDES[0], "count_tokens") == ""


def test_keys_are_not_asked_for_since_aws_has_other_sources():
    assert compiled({"kind": "bedrock"}).provider.tokens == ()


def test_claude_refuses_here_what_it_refuses_everywhere():
    quirks = model_quirks("us.anthropic.claude-opus-4-7-v1:0")
    assert quirks is not None
    assert not quirks.sampling_fields
    assert quirks.default_max_tokens is None, (
        "Converse needs none, and without one the answer may be as long as the model can"
    )
    assert model_quirks("amazon.nova-pro-v1:0") is None


@pytest.mark.parametrize(
    ("style", "op", "target"),
    [
        ("openai", "chat", "/v1/chat/completions"),
        ("openai_responses", "responses", "/v1/responses"),
    ],
)
def test_openais_forms_have_an_endpoint_of_their_own(style, op, target):
    """User guide, "Inference using Responses API", 2026-11."""
    given = {"kind": "bedrock", "api_style": style, "options": {"region": "eu-west-1"}}
    provider = compiled(given).provider
    assert provider.base == "https://bedrock-mantle.eu-west-1.api.aws"
    assert native_op(provider, "openai.gpt-oss-120b", "messages") == op
    assert target_of(provider, op, "openai.gpt-oss-120b") == target
    assert auth_of(provider).service == "bedrock-mantle"
    plain = compiled({"kind": "bedrock", "options": {"region": "eu-west-1"}}).provider
    assert native_op(plain, "openai.gpt-oss-120b", "chat") == "converse"
    assert auth_of(plain).service == "bedrock"
