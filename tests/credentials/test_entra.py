"""Entra tokens: the service principal's, and those of Microsoft's own library, against a simulated
Entra.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from certificates import Authority
from credentials.conftest import Internet, listening
from pilotfish.core.model.outcome import Outcome
from pilotfish.credentials import entra as entra_module
from pilotfish.credentials import sdk_transport
from pilotfish.credentials.entra import entra_key, needs_extra
from pilotfish.credentials.fetch import Fetcher
from pilotfish.credentials.keys import CredentialError

PRINCIPAL = {
    "auth_mode": "service_principal",
    "tenant_id": "tenant",
    "client_id": "client",
    "client_secret": "hush",
}


async def test_the_client_credentials_grant(endpoint, context, make):
    key = entra_key(make("azure", options={**PRINCIPAL, "authority": endpoint.url}), context)
    await key.fetch()
    method, path, _, body = endpoint.asked[0]
    assert (method, path) == ("POST", "/tenant/oauth2/v2.0/token")
    assert parse_qs(body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["client"],
        "client_secret": ["hush"],
        "scope": ["https://ai.azure.com/.default"],
    }
    assert key.headers(None) == ((b"authorization", b"Bearer hush-token-1"),)
    await key.close()


async def test_the_authority_may_come_from_azures_environment_variable(endpoint, context, make):
    context.environ["AZURE_AUTHORITY_HOST"] = endpoint.url
    key = entra_key(make("azure", options={**PRINCIPAL, "scope": "other"}), context)
    await key.fetch()
    assert parse_qs(endpoint.asked[0][3].decode())["scope"] == ["other"]
    await key.close()


async def test_a_wrong_client_secret_is_an_authentication_failure_that_does_not_show_it(
    endpoint, context, make
):
    endpoint.answer = lambda n: (
        401,
        {"error": "invalid_client", "error_description": "AADSTS7000215: hush is wrong"},
    )
    key = entra_key(make("azure", options={**PRINCIPAL, "authority": endpoint.url}), context)
    with pytest.raises(CredentialError, match="invalid_client") as e:
        await key.fetch()
    assert e.value.outcome is Outcome.AUTH_FAILED
    assert "hush" not in str(e.value) + repr(key)


@pytest.mark.parametrize("left_out", ["tenant_id", "client_id", "client_secret"])
def test_a_service_principal_needs_all_three(context, make, left_out):
    options = {k: v for k, v in PRINCIPAL.items() if k != left_out}
    with pytest.raises(ValueError, match=f"options.{left_out}"):
        entra_key(make("azure", options=options), context)


def test_only_the_default_search_needs_microsofts_library(make):
    assert needs_extra(make("azure", options={"auth_mode": "default_azure_credential"}))
    assert needs_extra(make("azure", options={"use_identity": True}))
    assert not needs_extra(make("azure", options=PRINCIPAL))


# ---- Azure's default search: Microsoft's own library, which finds the Entra that a test plays, and
# nothing else

SCOPE = "https://ai.azure.com/.default"
DEFAULT = {"auth_mode": "default_azure_credential"}
LOGIN = "login.microsoftonline.com"
METADATA = "169.254.169.254"


def discovery(tenant: str) -> dict[str, str]:
    there = f"https://{LOGIN}/{tenant}"
    return {
        "token_endpoint": f"{there}/oauth2/v2.0/token",
        "authorization_endpoint": f"{there}/oauth2/v2.0/authorize",
        "issuer": f"{there}/v2.0",
    }


@pytest.fixture
def internet():
    return Internet()


@pytest.fixture
async def entra(internet, authority):
    """Microsoft's host, by its own name and by TLS. `asked` of the token endpoint alone:
    `tokens_asked`.
    """
    async with listening(authority(LOGIN)) as known:
        known.by_path["/tenant/v2.0/.well-known/openid-configuration"] = lambda n: (
            200,
            discovery("tenant"),
        )
        known.answer = lambda n: (
            200,
            {"access_token": f"hush-entra-{n}", "expires_in": 3600, "token_type": "Bearer"},
        )
        internet.hosts[LOGIN] = known
        yield known


def tokens_asked(entra) -> list[dict[str, list[str]]]:
    return [
        parse_qs(body.decode())
        for method, path, _, body in entra.asked
        if method == "POST" and path.startswith("/tenant/oauth2")
    ]


@pytest.fixture
async def azure(internet, authority, make, context, clock, monkeypatch, tmp_path):
    """Makes keys of the default search in an environment that holds only what a test gives:
    `azure(AZURE_TENANT_ID=...)`.
    """
    clock.now = time.time()  # the library has a clock of its own
    for name in list(os.environ):
        if name.startswith(("AZURE_", "IDENTITY_", "MSI_", "IMDS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))  # no login of whoever runs the tests
    monkeypatch.setenv(
        "PATH", str(tmp_path)
    )  # and none of their programs, which the search asks last

    def made(options=DEFAULT, **environ: str):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        world = replace(context, fetcher=fetcher)
        return entra_key(make("azure", options=options, ca_file=authority.ca_file), world)

    fetcher = Fetcher(internet.connect)
    yield made
    await fetcher.close()


BY_SECRET = {
    "AZURE_TENANT_ID": "tenant",
    "AZURE_CLIENT_ID": "client",
    "AZURE_CLIENT_SECRET": "hush",
}


async def failure_of(key) -> CredentialError:
    with pytest.raises(CredentialError) as e:
        await key.fetch()
    await key.close()
    assert "hush" not in str(e.value) + repr(key)
    return e.value


async def test_a_search_without_result_is_one_short_sentence(azure):
    """No environment, no metadata server, no programs: nobody can be blamed but the
    configuration.
    """
    error = await failure_of(azure())
    assert (
        str(error)
        == "Azure default credential of 'p': none of Azure's credential sources gave a token"
    )
    assert error.outcome is Outcome.AUTH_FAILED


async def test_a_refused_principal_is_an_authentication_failure_that_does_not_show_it(azure, entra):
    entra.answer = lambda n: (
        401,
        {"error": "invalid_client", "error_description": "AADSTS7000215: hush is wrong"},
    )
    assert (await failure_of(azure(**BY_SECRET))).outcome is Outcome.AUTH_FAILED


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((503, {"error": "temporarily_unavailable"}), Outcome.OVERLOADED),
        ((429, {"error": "throttled"}), Outcome.RATE_LIMITED),
        ((500, "<html>"), Outcome.OVERLOADED),
    ],
)
async def test_an_endpoint_that_fails_is_no_refusal(azure, entra, answer, outcome):
    """A wrong verdict would take the service out until somebody changes the credential."""
    entra.answer = lambda n: answer
    assert (await failure_of(azure(**BY_SECRET))).outcome is outcome


async def test_nobody_there_is_no_refusal_either(azure):
    error = await failure_of(azure(**BY_SECRET))
    assert error.outcome is Outcome.CONNECT_FAILED
    assert str(error).endswith("the token endpoint cannot be reached, or failed")


async def test_a_certificate_that_nobody_signed_is_not_trusted(azure, internet, tmp_path):
    async with listening(Authority(tmp_path)(LOGIN)) as imposter:
        internet.hosts[LOGIN] = imposter
        assert (await failure_of(azure(**BY_SECRET))).outcome is Outcome.CONNECT_FAILED
        assert imposter.asked == []


async def test_an_endpoint_that_says_nothing_is_waited_for_so_long_and_no_longer(
    azure, entra, monkeypatch
):
    monkeypatch.setattr(sdk_transport, "TIMEOUT_S", 0.2)
    entra.gate.clear()
    assert (await failure_of(azure(**BY_SECRET))).outcome is Outcome.TIMEOUT


async def test_a_search_that_takes_too_long_is_left(azure, entra, monkeypatch):
    monkeypatch.setattr(entra_module, "SEARCH_S", 0.05)
    entra.gate.clear()
    error = await failure_of(azure(**BY_SECRET))
    assert (error.outcome, str(error)) == (
        Outcome.TIMEOUT,
        "Azure default credential of 'p': no token within 0.05 s",
    )


async def test_a_service_principal_of_the_environment(azure, entra):
    key = azure(**BY_SECRET)
    await asyncio.gather(*(key.fetch() for _ in range(200)))
    (asked,) = tokens_asked(entra)
    assert (asked["grant_type"], asked["client_id"], asked["client_secret"]) == (
        ["client_credentials"],
        ["client"],
        ["hush"],
    )
    assert SCOPE in asked["scope"][0]
    assert key.headers(None)[0][1].startswith(b"Bearer hush-entra-")
    await key.close()


async def test_another_scope(azure, entra):
    key = azure({**DEFAULT, "scope": "https://cognitiveservices.azure.com/.default"}, **BY_SECRET)
    await key.fetch()
    assert "https://cognitiveservices.azure.com/.default" in tokens_asked(entra)[0]["scope"][0]
    await key.close()


async def test_a_workload_identitys_token_is_read_anew_for_each_exchange(azure, entra, tmp_path):
    """What AKS projects into a Pod, and replaces every hour."""
    projected = tmp_path / "token"
    projected.write_text("projected-1")
    key = azure(
        AZURE_TENANT_ID="tenant",
        AZURE_CLIENT_ID="client",
        AZURE_FEDERATED_TOKEN_FILE=str(projected),
    )
    await key.fetch()
    projected.write_text("projected-2")
    assert key.refused(key.headers(None))
    await key.fetch()
    assert [asked["client_assertion"] for asked in tokens_asked(entra)] == [
        ["projected-1"],
        ["projected-2"],
    ]
    await key.close()


@pytest.mark.parametrize(
    ("options", "client"), [(DEFAULT, None), ({**DEFAULT, "client_id": "mine"}, ["mine"])]
)
async def test_a_managed_identity_behind_its_endpoint(
    azure, internet, endpoint, clock, options, client
):
    """What Container Apps and App Service have."""
    endpoint.answer = lambda n: (
        200,
        {
            "access_token": "hush-managed",
            "expires_on": str(int(clock.now) + 3600),
            "token_type": "Bearer",
        },
    )
    internet.hosts["127.0.0.1"] = endpoint
    key = azure(options, IDENTITY_ENDPOINT=f"{endpoint.url}/msi/token", IDENTITY_HEADER="proof")
    await key.fetch()
    method, path, headers, _ = endpoint.asked[-1]
    query = parse_qs(path.partition("?")[2])
    assert (method, path.partition("?")[0], headers["x-identity-header"]) == (
        "GET",
        "/msi/token",
        "proof",
    )
    assert (query["resource"], query.get("client_id")) == (["https://ai.azure.com"], client)
    assert key.headers(None) == ((b"authorization", b"Bearer hush-managed"),)
    await key.close()


async def test_a_virtual_machines_metadata_server(azure, internet, clock):
    machine = {
        "access_token": "hush-machine",
        "expires_in": "3600",
        "expires_on": str(int(clock.now) + 3600),
        "resource": "https://ai.azure.com",
    }
    async with listening() as metadata:
        metadata.answer = lambda n: (200, machine)
        internet.hosts[METADATA] = metadata
        key = azure()
        await key.fetch()
        assert metadata.asked[-1][1].startswith("/metadata/identity/oauth2/token")
        assert metadata.asked[-1][2]["metadata"] == "true"
        assert key.headers(None) == ((b"authorization", b"Bearer hush-machine"),)
        await key.close()


async def test_the_environment_comes_before_a_managed_identity(azure, entra, endpoint):
    key = azure(**BY_SECRET, IDENTITY_ENDPOINT=f"{endpoint.url}/msi/token", IDENTITY_HEADER="proof")
    await key.fetch()
    assert (len(tokens_asked(entra)), endpoint.asked) == (1, [])
    await key.close()


async def test_a_token_that_was_refused_is_replaced_and_not_taken_from_the_librarys_memory(
    azure, entra
):
    key = azure(**BY_SECRET)
    await key.fetch()
    first = key.headers(None)
    assert key.refused(first)
    await key.fetch()
    assert len(tokens_asked(entra)) == 2
    assert key.headers(None) != first
    await key.close()


async def test_a_token_is_kept_while_it_is_valid_whatever_happens_to_its_source(
    azure, entra, clock
):
    key = azure(**BY_SECRET)
    await key.fetch()
    first = key.headers(None)
    entra.answer = lambda n: (503, {})
    clock.now += 3400  # due to be renewed
    assert key.headers(None) == first
    await key.settle()
    assert key.headers(None) == first
    clock.now += 400
    assert key.headers(None) is None
    await key.close()
