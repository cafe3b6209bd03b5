"""Entra tokens: the service principal's against a simulated endpoint, the default search through a stand-in of Microsoft's library."""

from __future__ import annotations

import sys
import types
from urllib.parse import parse_qs

import pytest

from pilotfish.core.outcome import Outcome
from pilotfish.shell.credentials.entra import entra_key, needs_extra
from pilotfish.shell.credentials.keys import CredentialError

PRINCIPAL = {"auth_mode": "service_principal", "tenant_id": "tenant", "client_id": "client", "client_secret": "hush"}


async def test_the_client_credentials_grant(endpoint, surroundings, make):
    key = entra_key(make("azure", options={**PRINCIPAL, "authority": endpoint.url}), surroundings)
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


async def test_the_authority_may_come_from_azures_environment_variable(endpoint, surroundings, make):
    surroundings.environ["AZURE_AUTHORITY_HOST"] = endpoint.url
    key = entra_key(make("azure", options={**PRINCIPAL, "scope": "other"}), surroundings)
    await key.fetch()
    assert parse_qs(endpoint.asked[0][3].decode())["scope"] == ["other"]
    await key.close()


async def test_a_wrong_client_secret_is_an_authentication_failure_that_does_not_show_it(endpoint, surroundings, make):
    endpoint.answer = lambda n: (401, {"error": "invalid_client", "error_description": "AADSTS7000215: hush is wrong"})
    key = entra_key(make("azure", options={**PRINCIPAL, "authority": endpoint.url}), surroundings)
    with pytest.raises(CredentialError, match="invalid_client") as e:
        await key.fetch()
    assert e.value.outcome is Outcome.AUTH_FAILED
    assert "hush" not in str(e.value) + repr(key)


@pytest.mark.parametrize("left_out", ["tenant_id", "client_id", "client_secret"])
def test_a_service_principal_needs_all_three(surroundings, make, left_out):
    options = {k: v for k, v in PRINCIPAL.items() if k != left_out}
    with pytest.raises(ValueError, match=f"options.{left_out}"):
        entra_key(make("azure", options=options), surroundings)


def test_only_the_default_search_needs_microsofts_library(make):
    assert needs_extra(make("azure", options={"auth_mode": "default_azure_credential"}))
    assert needs_extra(make("azure", options={"use_identity": True}))
    assert not needs_extra(make("azure", options=PRINCIPAL))


@pytest.fixture
def library(monkeypatch):
    """A stand-in with the three names that are used, since the library itself asks machines that a test has not."""
    core, exceptions, identity = (types.ModuleType(name) for name in ("azure.core", "azure.core.exceptions", "azure.identity"))

    class ClientAuthenticationError(Exception):
        pass

    class DefaultAzureCredential:
        made: list[dict[str, str]] = []
        error: Exception | None = None

        def __init__(self, **options: str) -> None:
            self.made.append(options)

        def get_token(self, scope: str) -> types.SimpleNamespace:
            if self.error is not None:
                raise self.error
            return types.SimpleNamespace(token=f"hush-entra-{scope}", expires_on=1_800_003_600)

    exceptions.ClientAuthenticationError = ClientAuthenticationError  # type: ignore[attr-defined]
    identity.CredentialUnavailableError = type("CredentialUnavailableError", (ClientAuthenticationError,), {})  # type: ignore[attr-defined]
    identity.DefaultAzureCredential = DefaultAzureCredential  # type: ignore[attr-defined]
    for name, module in {
        "azure": types.ModuleType("azure"),
        "azure.core": core,
        "azure.core.exceptions": exceptions,
        "azure.identity": identity,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    return DefaultAzureCredential


async def test_the_default_search_is_made_once_and_asked_again(surroundings, make, library, clock):
    options = {"auth_mode": "default_azure_credential", "client_id": "managed"}
    key = entra_key(make("azure", options=options), surroundings)
    await key.fetch()
    assert key.headers(None) == ((b"authorization", b"Bearer hush-entra-https://ai.azure.com/.default"),)
    key.refused(key.headers(None))
    await key.fetch()
    assert library.made == [{"managed_identity_client_id": "managed"}]
    await key.close()


async def test_a_search_without_result_is_one_short_sentence(surroundings, make, library):
    library.error = sys.modules["azure.core.exceptions"].ClientAuthenticationError("hush " * 100)
    key = entra_key(make("azure", options={"use_identity": True}), surroundings)
    with pytest.raises(CredentialError, match="none of Azure's credential sources gave a token") as e:
        await key.fetch()
    assert "hush" not in str(e.value)
