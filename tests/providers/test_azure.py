"""Azure's two APIs, the endpoints that people paste, and its ways to authenticate."""

from __future__ import annotations

import pytest

from conformance import KEY, compiled
from pilotfish.core.exchange.request_url import auth_of, native_op, target_of
from pilotfish.credentials import CredentialContext, Credentials
from pilotfish.providers.azure import auth_mode, base_from, clean_base


def azure(**options: str):
    return compiled(
        {
            "kind": "azure",
            "token": {"env": "KEY"},
            "options": {"endpoint": "https://n.openai.azure.com", **options},
        }
    ).provider


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://n.openai.azure.com",
        "https://n.openai.azure.com/",
        "n.openai.azure.com",
        "https://n.openai.azure.com/api/projects/my-project",
        "https://n.openai.azure.com/openai",
        "https://n.openai.azure.com/openai/v1/",
        "https://n.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
    ],
)
def test_whatever_endpoint_people_paste_the_resource_is_found(endpoint):
    assert base_from({"endpoint": endpoint}) == "https://n.openai.azure.com"


@pytest.mark.parametrize(
    "base",
    ["https://n.services.ai.azure.com/api/projects/p", "https://n.services.ai.azure.com/openai/v1"],
)
def test_an_api_base_is_cut_as_well(base):
    provider = compiled({"kind": "azure", "token": {"env": "KEY"}, "api_base": base}).provider
    assert target_of(provider, "chat", "d") == "/openai/v1/chat/completions"


def test_a_dated_version_has_deployments_in_its_paths():
    provider = azure(api_version="2024-10-21")
    assert (
        target_of(provider, "chat", "d")
        == "/openai/deployments/d/chat/completions?api-version=2024-10-21"
    )
    assert target_of(azure(), "chat", "d") == "/openai/v1/chat/completions", "v1 if none is given"


def test_a_path_in_front_of_a_gateway_stays():
    assert (
        clean_base("https://gateway.internal/azure/openai/v1") == "https://gateway.internal/azure"
    )


@pytest.mark.parametrize(
    ("version", "query"), [("v1", ""), ("latest", ""), ("preview", "?api-version=preview")]
)
def test_the_v1_api_has_no_deployments_in_its_paths(version, query):
    provider = azure(api_version=version)
    assert target_of(provider, "chat", "d") == f"/openai/v1/chat/completions{query}"
    assert target_of(provider, "responses", "d") == f"/openai/v1/responses{query}"


def test_the_responses_api_is_there_since_its_version_only():
    assert native_op(azure(api_version="2024-10-21"), "d", "responses") == "chat"
    assert native_op(azure(), "d", "responses") == "responses"
    later = azure(api_version="2025-04-01-preview")
    assert native_op(later, "d", "responses") == "responses"
    assert target_of(later, "responses", "d") == "/openai/responses?api-version=2025-04-01-preview"
    chosen = azure(api_version="v1", api="responses")
    assert native_op(chosen, "d", "messages") == native_op(chosen, "d", "chat") == "responses"
    too_early = azure(api_version="2024-10-21", api="responses")
    assert native_op(too_early, "d", "chat") == "chat"


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({}, "api_key"),
        ({"use_identity": True}, "default_azure_credential"),
        ({"client_secret": "s"}, "service_principal"),
        ({"tenant_id": "t", "use_identity": True}, "default_azure_credential"),
        ({"tenant_id": "t", "auth_mode": "api_key"}, "api_key"),
    ],
)
def test_how_to_authenticate_follows_from_what_is_given(options, mode):
    assert auth_mode(options) == mode


def test_an_entra_token_is_a_bearer_and_a_key_is_not():
    assert auth_of(azure(auth_mode="default_azure_credential")).scheme == "entra"
    keys = Credentials(azure(), CredentialContext(environ={"KEY": KEY})).keys
    assert keys[0].headers(None) == ((b"api-key", KEY.encode()),)
