"""Which account and model LiteLLM's parameters mean."""

from __future__ import annotations

import json

import pytest

from pilotfish import providers
from pilotfish.core.rules.importing.litellm_models import Deployments
from pilotfish.core.rules.importing.writing import Imported, Known

KNOWN = Known(providers.all_kinds(), {})


def read(**params: object):
    result = Imported()
    deployments = Deployments(KNOWN, result)
    service = deployments.service("m", params)
    assert "hush" not in json.dumps(deployments.providers) + "".join(result.lost)
    return service, next(iter(deployments.providers.values()), None), result.lost


def test_no_prefix_leads_to_two_kinds():
    prefixes = [name for kind in KNOWN.kinds.values() for name in kind.litellm_names]
    assert len(prefixes) == len(set(prefixes)) > 20


@pytest.mark.parametrize(
    ("model", "more", "kind", "name"),
    [
        ("openai/gpt-4o", {}, "openai", "gpt-4o"),
        ("gpt-4o", {}, "openai", "gpt-4o"),
        ("o3", {}, "openai", "o3"),
        ("claude-sonnet-4-5", {}, "anthropic", "claude-sonnet-4-5"),
        ("gemini/gemini-2.5-pro", {}, "google", "gemini-2.5-pro"),
        ("vertex_ai/claude-sonnet-4@20250514", {}, "vertex", "claude-sonnet-4@20250514"),
        ("bedrock/us.anthropic.claude-v2:0", {}, "bedrock", "us.anthropic.claude-v2:0"),
        ("bedrock/converse/anthropic.claude-v2:0", {}, "bedrock", "anthropic.claude-v2:0"),
        ("openrouter/anthropic/claude-3.5-sonnet", {}, "openrouter", "anthropic/claude-3.5-sonnet"),
        (
            "fireworks_ai/accounts/fireworks/models/x",
            {},
            "fireworks",
            "accounts/fireworks/models/x",
        ),
        ("hosted_vllm/meta/llama", {"api_base": "http://v/v1"}, "vllm", "meta/llama"),
        ("openai/my-model", {"api_base": "http://v/v1"}, "openai_compatible", "my-model"),
        ("my-model", {"api_base": "http://v/v1"}, "openai_compatible", "my-model"),
        ("my-model", {"custom_llm_provider": "groq"}, "groq", "my-model"),
        ("groq/my-model", {"custom_llm_provider": "groq"}, "groq", "my-model"),
    ],
)
def test_kind_and_model(model, more, kind, name):
    service, account, _ = read(model=model, **more)
    assert account["kind"] == kind
    assert service == {"provider": kind, "model": name}


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"model": "sagemaker/x"}, "no kind of provider is known"),
        ({}, "has no model"),
        ({"model": "openai/"}, "no kind"),
    ],
)
def test_what_is_not_known_is_told(params, why):
    service, account, lost = read(**params)
    assert (service, account) == (None, None)
    assert why in lost[0]


@pytest.mark.parametrize(
    ("params", "token", "loss"),
    [
        ({"model": "gpt-4o", "api_key": "os.environ/MY"}, {"env": "MY"}, False),
        ({"model": "gpt-4o"}, {"env": "OPENAI_API_KEY"}, False),
        ({"model": "gpt-4o", "api_key": "sk-hush"}, {"env": "OPENAI_API_KEY"}, True),
        (
            {"model": "x", "api_base": "http://v/v1", "api_key": "hush"},
            {"env": "OPENAI_COMPATIBLE_API_KEY"},
            True,
        ),
    ],
)
def test_keys_are_references(params, token, loss):
    _, account, lost = read(**params)
    assert account["token"] == token
    assert bool(lost) is loss


@pytest.mark.parametrize(
    "params", [{"model": "ollama/llama3"}, {"model": "x", "api_base": "http://v/v1"}]
)
def test_servers_without_a_key(params):
    assert read(**params)[1]["no_key_required"] is True


def test_ollamas_base_gets_the_path_of_its_openai_form():
    assert (
        read(model="ollama/llama3", api_base="http://o:11434")[1]["api_base"] == "http://o:11434/v1"
    )


def test_bedrock():
    _, account, lost = read(
        model="bedrock/m",
        aws_region_name="eu-west-1",
        aws_access_key_id="os.environ/AWS_ID",
        aws_secret_access_key="hush",
        aws_role_name="arn",
    )
    assert account == {
        "kind": "bedrock",
        "options": {
            "region": "eu-west-1",
            "role_arn": "arn",
            "access_key": {"env": "AWS_ID"},
            "secret_key": {"env": "BEDROCK_SECRET_KEY"},
        },
    }
    assert lost == [
        "m.litellm_params.aws_secret_access_key: a literal secret: set environment variable BEDROCK_SECRET_KEY to it"
    ]


def test_vertex():
    params = {"model": "vertex_ai/gemini", "vertex_project": "p", "vertex_location": "global"}
    assert read(**params, vertex_credentials="/sa.json")[1] == {
        "kind": "vertex",
        "options": {"project": "p", "location": "global", "credentials_file": "/sa.json"},
    }
    assert read(**params, vertex_credentials='{"private_key": "hush"}')[1]["token"] == {
        "env": "VERTEX_CREDENTIALS"
    }
    assert read(**params, vertex_credentials="os.environ/SA")[1]["token"] == {"env": "SA"}


def test_a_service_principal_of_azure_needs_no_key():
    _, account, _ = read(
        model="azure/d",
        api_base="https://n.openai.azure.com",
        tenant_id="t",
        client_id="c",
        client_secret="os.environ/S",
    )
    assert account == {
        "kind": "azure",
        "options": {
            "endpoint": "https://n.openai.azure.com",
            "tenant_id": "t",
            "client_id": "c",
            "client_secret": {"env": "S"},
        },
    }


def test_values_that_must_be_written_out():
    _, account, lost = read(
        model="azure/d", api_base="os.environ/BASE", api_version="os.environ/VERSION"
    )
    assert "options" not in account
    assert [line.partition(":")[0] for line in lost] == [
        "m.litellm_params.api_base",
        "m.litellm_params.api_version",
    ]


def test_headers_without_secrets():
    _, account, lost = read(
        model="gpt-4o",
        organization="org",
        timeout=30,
        extra_headers={"X-Team": "a", "X-Api-Key": "hush", "X-Ref": "os.environ/X"},
    )
    assert account["headers"] == {"X-Team": "a", "OpenAI-Organization": "org"}
    assert account["timeout"] == 30
    assert [line.partition(": ")[0] for line in lost] == [
        "m.litellm_params.extra_headers.X-Api-Key",
        "m.litellm_params.extra_headers.X-Ref",
        "m.litellm_params.timeout",
    ]


@pytest.mark.parametrize("nothing", ["none", "EMPTY", "not-needed", "dummy"])
def test_a_server_of_ones_own_that_wants_no_key(nothing):
    _, account, lost = read(model="openai/llama", api_base="http://tgi:8080/v1", api_key=nothing)
    assert account == {
        "kind": "openai_compatible",
        "api_base": "http://tgi:8080/v1",
        "no_key_required": True,
    }
    assert lost == []
