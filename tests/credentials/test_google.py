"""Google's access tokens by Google's own library, against a simulated token endpoint and metadata
server.
"""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import SecretRef
from pilotfish.credentials.google import google_key
from pilotfish.credentials.keys import CredentialError


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def account(endpoint, private_key, clock):
    """A service account whose tokens come from the simulated endpoint. Google's library has a clock
    of its own: the real one.
    """
    clock.now = time.time()
    endpoint.answer = lambda n: (
        200,
        {"access_token": f"hush-google-{n}", "expires_in": 3600, "token_type": "Bearer"},
    )
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "sa@project.iam.gserviceaccount.com",
            "private_key_id": "hush",
            "private_key": private_key,
            "token_uri": f"{endpoint.url}/token",
        }
    )


async def test_a_service_account_in_a_file(endpoint, context, make, account, tmp_path):
    file = tmp_path / "sa.json"
    file.write_text(account)
    key = google_key(make("vertex", options={"credentials_file": str(file)}), None, context)
    await asyncio.gather(*(key.fetch() for _ in range(200)))
    assert len(endpoint.asked) == 1
    method, path, _, body = endpoint.asked[0]
    fields = parse_qs(body.decode())
    assert (method, path, fields["grant_type"]) == (
        "POST",
        "/token",
        ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
    )
    assert key.headers(None) == ((b"authorization", b"Bearer hush-google-1"),)
    await key.close()


async def test_a_service_account_in_a_secret_is_taken_up_when_it_is_rotated(
    endpoint, context, make, account, tmp_path
):
    file = tmp_path / "key"
    file.write_text(account)
    key = google_key(make("vertex"), SecretRef("file", str(file)), context)
    assert key.headers(None) is None
    await key.fetch()
    assert key.headers(None) == ((b"authorization", b"Bearer hush-google-1"),)
    file.write_text(account.replace("sa@", "other@"))
    assert key.headers(None) is None
    await key.fetch()
    assert key.headers(None) == ((b"authorization", b"Bearer hush-google-2"),)
    assert key.refused(key.headers(None))
    assert not key.replaced()
    file.write_text(account)
    assert key.replaced()
    await key.close()


async def test_a_ready_token_is_used_as_it_stands(context, make):
    context.environ["TOKEN"] = "ya29.hush"
    key = google_key(make("vertex"), SecretRef("env", "TOKEN"), context)
    assert key.headers(None) == ((b"authorization", b"Bearer ya29.hush"),)
    assert not key.refused(key.headers(None))
    await key.close()


async def test_another_token_endpoint_than_the_file_names(
    endpoint, context, make, account, tmp_path
):
    file = tmp_path / "sa.json"
    file.write_text(account.replace("/token", "/unused"))
    options = {"credentials_file": str(file), "token_uri": f"{endpoint.url}/other"}
    key = google_key(make("vertex", options=options), None, context)
    await key.fetch()
    assert endpoint.asked[0][1] == "/other"
    await key.close()


async def test_a_refusal_does_not_repeat_what_the_endpoint_said(
    endpoint, context, make, account, tmp_path
):
    endpoint.answer = lambda n: (400, {"error": "invalid_grant", "error_description": "hush"})
    key = google_key(make("vertex"), SecretRef("literal", value=account), context)
    with pytest.raises(CredentialError, match="the token endpoint refused") as e:
        await key.fetch()
    assert e.value.outcome is Outcome.AUTH_FAILED
    assert "hush" not in str(e.value)
    assert "PRIVATE" not in repr(key)


async def test_nobody_there(context, make, account, endpoint):
    key = google_key(
        make("vertex"),
        SecretRef("literal", value=account.replace(endpoint.url, "http://127.0.0.1:9")),
        context,
    )
    with pytest.raises(CredentialError, match="cannot be reached") as e:
        await key.fetch()
    assert e.value.outcome is Outcome.CONNECT_FAILED


PROGRAM = (
    '{"type": "external_account", "credential_source": {"executable": {"command": "/bin/true"}}}'
)


@pytest.mark.parametrize("content", ["{", "{}", '{"type": "service_account"}', PROGRAM])
async def test_a_credentials_file_that_is_none(context, make, tmp_path, content):
    file = tmp_path / "sa.json"
    file.write_text(content)
    key = google_key(make("vertex", options={"credentials_file": str(file)}), None, context)
    with pytest.raises(CredentialError, match="cannot be read") as e:
        await key.fetch()
    assert e.value.outcome is Outcome.AUTH_FAILED


async def test_a_credentials_file_that_is_not_there(context, make):
    key = google_key(
        make("vertex", options={"credentials_file": "/nowhere/sa.json"}), None, context
    )
    with pytest.raises(CredentialError, match="FileNotFoundError"):
        await key.fetch()


async def test_workload_identity_federation(endpoint, context, make, clock, tmp_path):
    """A projected token of the Pod, exchanged for one of Google's."""
    clock.now = time.time()
    endpoint.answer = lambda n: (
        200,
        {"access_token": "hush-federated", "expires_in": 3599, "token_type": "Bearer"},
    )
    (tmp_path / "jwt").write_text("hush-projected")
    account = {
        "type": "external_account",
        "note": "hush: no secret in here, but where one may be",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{endpoint.url}/v1/token",
        "credential_source": {"file": str(tmp_path / "jwt")},
    }
    key = google_key(make("vertex"), SecretRef("literal", value=json.dumps(account)), context)
    await key.fetch()
    assert parse_qs(endpoint.asked[0][3].decode())["subject_token"] == ["hush-projected"]
    assert key.headers(None) == ((b"authorization", b"Bearer hush-federated"),)
    await key.close()


async def test_the_metadata_server(endpoint, context, make, clock, monkeypatch, tmp_path):
    """What a Pod with workload identity on GKE has: no file, no key, a server that knows who the
    Pod is.
    """
    clock.now = time.time()
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GCE_METADATA_IP", endpoint.url.removeprefix("http://"))
    # The library reads this one when it is imported.
    monkeypatch.setattr(
        "google.auth.compute_engine._metadata._GCE_METADATA_HOST",
        endpoint.url.removeprefix("http://"),
    )
    endpoint.answer = lambda n: (
        200,
        {
            "access_token": "hush-pod",
            "expires_in": 3599,
            "email": "sa@x",
            "scopes": ["s"],
            "universeDomain": "x",
        },
    )
    key = google_key(make("vertex"), None, context)
    await key.fetch()
    assert all(headers["metadata-flavor"] == "Google" for _, _, headers, _ in endpoint.asked)
    assert any(
        "/service-accounts/" in path and "/token" in path for _, path, _, _ in endpoint.asked
    )
    assert key.headers(None) == ((b"authorization", b"Bearer hush-pod"),)
    await key.close()


async def test_a_users_own_login(endpoint, context, make, clock, account):
    login = {
        "type": "authorized_user",
        "client_id": "c",
        "client_secret": "hush-s",
        "refresh_token": "hush-r",
    }
    options = {"token_uri": f"{endpoint.url}/token"}
    key = google_key(
        make("vertex", options=options), SecretRef("literal", value=json.dumps(login)), context
    )
    await key.fetch()
    assert parse_qs(endpoint.asked[0][3].decode())["refresh_token"] == ["hush-r"]
    assert key.headers(None) == ((b"authorization", b"Bearer hush-google-1"),)
    await key.close()
