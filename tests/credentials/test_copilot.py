"""Copilot's exchange: a GitHub token for a short-lived one that names the host, and the faults of
the router seed avoided (B3.3).
"""

from __future__ import annotations

import asyncio

import pytest

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import SecretRef
from pilotfish.credentials.copilot import LIFETIME_S, CopilotKey
from pilotfish.credentials.keys import CredentialError

GITHUB = SecretRef("literal", value="gho_hush")
MODELS = {
    "data": [
        {"id": "gpt-4o", "supported_endpoints": ["/chat/completions"]},
        {"id": "gpt-5-codex", "supported_endpoints": ["/responses"]},
        {"id": "claude-sonnet-4.5", "supported_endpoints": ["/chat/completions", "/v1/messages"]},
        {"id": "old"},
    ]
}


@pytest.fixture
def vendor(endpoint, clock):
    """The exchange and the API on one host."""
    endpoint.by_path["/exchange"] = lambda n: (
        200,
        {
            "token": f"tid=hush-{n};x:y",
            "expires_at": clock() + 1800,
            "endpoints": {"api": endpoint.url},
        },
    )
    endpoint.by_path["/models"] = lambda n: (200, MODELS)
    return endpoint


@pytest.fixture
async def key(vendor, context, make):
    made = CopilotKey(
        make("github_copilot", options={"token_url": f"{vendor.url}/exchange"}), GITHUB, context
    )
    yield made
    await made.close()


async def test_the_exchange(key, vendor):
    await key.fetch()
    method, path, headers, _ = vendor.asked[0]
    assert (method, path, headers["authorization"], headers["accept"]) == (
        "GET",
        "/exchange",
        "Bearer gho_hush",
        "application/json",
    )
    assert headers["user-agent"]
    assert key.headers(None) == ((b"authorization", b"Bearer tid=hush-1;x:y"),)
    assert key.base() == vendor.url


async def test_the_models_list_tells_where_a_model_is_served(key, vendor):
    assert key.endpoints("gpt-4o") is None
    await key.fetch()
    await key._listing
    assert key.endpoints("gpt-5-codex") == {"/responses"}
    assert key.endpoints("claude-sonnet-4.5") == {"/chat/completions", "/v1/messages"}
    assert key.endpoints("old") is None
    listed = next(a for a in vendor.asked if a[1] == "/models")
    assert listed[2]["authorization"] == "Bearer tid=hush-1;x:y"
    assert listed[2]["copilot-integration-id"] == "vscode-chat"


@pytest.mark.parametrize("answer", [(500, {}), (200, "no json"), (200, {"data": 5})])
async def test_a_models_list_that_fails_changes_nothing(key, vendor, answer):
    vendor.by_path["/models"] = lambda n: answer
    await key.fetch()
    await key._listing
    assert key.endpoints("gpt-4o") is None
    assert key.headers(None) is not None


async def test_the_hosts_of_the_rules_win_over_the_tokens(vendor, context, make):
    provider = make(
        "github_copilot",
        base="http://gateway.internal",
        options={"token_url": f"{vendor.url}/exchange"},
    )
    key = CopilotKey(provider, GITHUB, context)
    await key.fetch()
    assert key.base() == ""
    await key.close()


@pytest.mark.parametrize("expires_at", [None, 0, "soon", 1_700_000_000])
async def test_a_token_without_a_usable_end_is_taken_for_25_minutes(key, vendor, clock, expires_at):
    vendor.by_path["/exchange"] = lambda n: (200, {"token": "hush-t", "expires_at": expires_at})
    await key.fetch()
    clock.now += LIFETIME_S - 60
    assert key.headers(None) is not None
    clock.now += 60
    assert key.headers(None) is None
    assert key.base() == ""


async def test_shortly_before_its_end_one_renewal_runs_and_no_loop_spins(key, vendor, clock):
    """Between 120 s and 60 s before the end the router seed asked itself for a new token as fast as
    it could.
    """
    await key.fetch()
    await key._listing
    before = len(vendor.asked)
    clock.now += 1800 - 110
    vendor.gate.clear()
    for _ in range(100):
        assert key.headers(None) == ((b"authorization", b"Bearer tid=hush-1;x:y"),)
        await asyncio.sleep(0)
    vendor.gate.set()
    await asyncio.shield(key._fetching)
    assert len([a for a in vendor.asked[before:] if a[1] == "/exchange"]) == 1


@pytest.mark.parametrize("api", ["ftp://x", "http://user:pw@x", "https://x/?q=1", "https://"])
async def test_the_token_goes_to_no_odd_host(key, vendor, api):
    vendor.by_path["/exchange"] = lambda n: (200, {"token": "hush-t", "endpoints": {"api": api}})
    with pytest.raises(CredentialError, match="no plain https URL"):
        await key.fetch()


async def test_a_refused_github_token(key, vendor):
    vendor.by_path["/exchange"] = lambda n: (401, {"message": "Bad credentials"})
    with pytest.raises(CredentialError) as e:
        await key.fetch()
    assert e.value.outcome is Outcome.AUTH_FAILED
    assert "hush" not in str(e.value) + repr(key)


async def test_a_missing_github_token(vendor, context, make):
    key = CopilotKey(make("github_copilot"), SecretRef("env", "GITHUB_TOKEN"), context)
    with pytest.raises(CredentialError, match="GITHUB_TOKEN is missing"):
        await key.fetch()
