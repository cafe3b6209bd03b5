"""Variables of the application: only where it has none of its own."""

import pytest

from pilotfish.injector.patch.environment import (
    AWS_BEARER,
    AWS_ENDPOINT,
    AWS_IDENTITY,
    AWS_KEYS,
    CLIENTS,
    PLACEHOLDER_KEY,
    additions,
    warnings,
)


def names(*env, **container):
    return [
        variable["name"]
        for variable in additions(
            {"name": "app", "env": [{"name": name, "value": "x"} for name in env], **container},
            14000,
        )
    ]


def test_a_bare_container_is_led_to_the_proxy_by_every_sdk():
    added = {variable["name"]: variable["value"] for variable in additions({"name": "app"}, 15000)}
    assert added["OPENAI_BASE_URL"] == added["OPENAI_API_BASE"] == "http://127.0.0.1:15000/v1"
    assert added["ANTHROPIC_VERTEX_BASE_URL"] == "http://127.0.0.1:15000/v1"
    for name in (
        "ANTHROPIC_BASE_URL",
        "GOOGLE_VERTEX_BASE_URL",
        "GOOGLE_GEMINI_BASE_URL",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        "ANTHROPIC_BEDROCK_BASE_URL",
        "AZURE_OPENAI_ENDPOINT",
    ):
        assert added[name] == "http://127.0.0.1:15000"
    assert added["NO_PROXY"] == "127.0.0.1,localhost"


@pytest.mark.parametrize("client", CLIENTS, ids=[c.base_urls[0] for c in CLIENTS])
def test_who_leads_an_sdk_elsewhere_gets_no_key_for_it_either(client):
    """A placeholder would be sent to where the application really wants to go."""
    added = names(client.base_urls[-1])
    assert not {*client.base_urls, *client.keys} & set(added)


@pytest.mark.parametrize("client", CLIENTS, ids=[c.base_urls[0] for c in CLIENTS])
def test_a_key_of_any_kind_is_left_alone(client):
    for held in (*client.keys, *client.keyed_by):
        added = names(held)
        assert not {*client.keys} & set(added), held
        assert client.base_urls[0] in added or held in client.base_urls


def test_a_variable_from_a_secret_counts_as_set():
    container = {
        "env": [
            {"name": "OPENAI_API_KEY", "valueFrom": {"secretKeyRef": {"name": "k", "key": "k"}}}
        ]
    }
    assert "OPENAI_API_KEY" not in [v["name"] for v in additions(container, 1)]


@pytest.mark.parametrize("identity", AWS_IDENTITY)
def test_who_has_rights_at_aws_keeps_them(identity):
    """Access keys of ours would come before a role or a profile, and break the application's S3."""
    added = names(identity)
    assert not {*AWS_KEYS} & set(added)
    assert AWS_ENDPOINT in added


def test_a_bearer_token_is_never_led_over_plain_http():
    """AWS's SDKs refuse to send one there: the application would fail instead of reaching AWS."""
    added = names(AWS_BEARER)
    assert not {AWS_ENDPOINT, *AWS_KEYS} & set(added)
    env = [{"name": AWS_BEARER, "value": "x"}]
    (warning,) = warnings({"name": "app", "env": env})
    assert AWS_BEARER in warning
    assert "https" in warning
    assert (
        list(warnings({"name": "app", "env": [*env, {"name": AWS_ENDPOINT, "value": "y"}]})) == []
    )


def test_keys_that_open_more_than_llms_are_never_invented():
    assert not {"AWS_BEARER_TOKEN_BEDROCK", "GOOGLE_API_KEY"} & set(names())


def test_who_sets_every_base_url_gets_nothing():
    assert names(*(client.base_urls[0] for client in CLIENTS)) == []


def test_a_lower_case_no_proxy_counts():
    assert "NO_PROXY" not in names("no_proxy")


def test_the_placeholder_cannot_be_taken_for_a_key():
    assert "placeholder" in PLACEHOLDER_KEY


def test_an_exempted_loopback_raises_no_doubt():
    env = [
        {"name": "HTTP_PROXY", "value": "http://p"},
        {"name": "NO_PROXY", "value": "10.0.0.0/8,127.0.0.1"},
    ]
    assert list(warnings({"name": "app", "env": env})) == []
    env[1]["value"] = "10.0.0.0/8"
    assert "NO_PROXY" in next(warnings({"name": "app", "env": env}))
