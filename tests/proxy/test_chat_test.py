"""The one-token request of a connection test."""

from __future__ import annotations

import json

from pilotfish import providers
from pilotfish.core.model.service import Provider, SecretRef
from pilotfish.credentials import CredentialContext, Credentials
from pilotfish.proxy.chat_test import chat_call


def call_to(kind: str, base: str, model: str, **options: object):
    record = providers.get(kind)
    paths = record.paths_from(options) if record.paths_from else record.paths
    query = record.query(options) if record.query else ""
    provider = Provider(
        "p",
        record,
        base,
        record.style,
        paths,
        query=query,
        tokens=(SecretRef("literal", value="hush"),),
        options=options,
    )
    key = Credentials(provider, CredentialContext()).keys[0]
    return chat_call(provider, key, model)


def test_an_azure_deployment_is_in_the_path():
    base = "https://n.openai.azure.com"
    call = call_to("azure", base, "mine", endpoint=base, api_version="2024-10-21")
    assert call.url.startswith(f"{base}/openai/deployments/mine/chat/completions?api-version=")


def test_claude_on_bedrock_is_asked_in_a_form_that_bedrock_takes():
    base = "https://bedrock-runtime.eu-west-1.amazonaws.com"
    call = call_to("bedrock", base, "anthropic.claude-haiku-4-5", region="eu-west-1")
    assert call.url.startswith(f"{base}/model/anthropic.claude-haiku-4-5/")
    assert b"hush" not in repr(call.headers).encode()
    assert json.loads(call.body)


def test_settings_of_the_provider_hold_for_it_too():
    call = call_to("openai", "https://api.openai.com/v1", "m")
    assert json.loads(call.body)["messages"] == [{"role": "user", "content": "Hi"}]
