"""OAuth access tokens with a refresh token, against a simulated endpoint."""

from __future__ import annotations

import asyncio
import json
import stat
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import OAuth, SecretRef
from pilotfish.credentials.keys import CredentialError
from pilotfish.credentials.oauth import epoch_of, oauth_key


def literal(value: str) -> SecretRef:
    return SecretRef("literal", value=value)


@pytest.fixture
def detail(endpoint):
    def made(**more: object) -> OAuth:
        fields = {"client_id": "app", **more.pop("extra_fields", {})}  # type: ignore[dict-item]
        return OAuth(
            refresh_token=literal("hush-refresh-0"),
            token_url=f"{endpoint.url}/oauth/token",
            extra_fields=fields,
            **more,
        )  # type: ignore[arg-type]

    return made


def rfc3339(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat()


async def test_the_access_token_at_hand_is_used_until_shortly_before_its_end(
    endpoint, context, make, detail, clock
):
    key = oauth_key(
        make("openai"),
        detail(access_token=literal("hush-access-0"), expires_at=rfc3339(clock() + 3600)),
        context,
    )
    assert key.headers(None) == ((b"authorization", b"Bearer hush-access-0"),)
    assert endpoint.asked == []
    clock.now += 3595
    assert key.headers(None) is None
    await key.fetch()
    assert key.headers(None) == ((b"authorization", b"Bearer hush-token-1"),)
    await key.close()


async def test_the_refresh_request_is_the_rfcs_form(endpoint, context, make, detail):
    key = oauth_key(
        make("openai"), detail(extra_fields={"client_secret": "hush-s", "scope": "a b"}), context
    )
    await key.fetch()
    method, path, headers, body = endpoint.asked[0]
    assert (method, path, headers["content-type"]) == (
        "POST",
        "/oauth/token",
        "application/x-www-form-urlencoded",
    )
    assert parse_qs(body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["hush-refresh-0"],
        "client_id": ["app"],
        "client_secret": ["hush-s"],
        "scope": ["a b"],
    }
    await key.close()


async def test_anthropics_endpoint_gets_json_and_its_api_the_beta_header(
    endpoint, context, make, detail
):
    key = oauth_key(make("anthropic"), detail(as_json=True), context)
    await key.fetch()
    assert json.loads(endpoint.asked[0][3]) == {
        "grant_type": "refresh_token",
        "refresh_token": "hush-refresh-0",
        "client_id": "app",
    }
    assert key.headers(None) == (
        (b"authorization", b"Bearer hush-token-1"),
        (b"anthropic-beta", b"oauth-2025-04-20"),
    )
    await key.close()


async def test_a_refresh_token_that_is_exchanged_is_used_the_next_time(
    endpoint, context, make, detail, clock
):
    endpoint.answer = lambda n: (
        200,
        {
            "access_token": f"hush-token-{n}",
            "refresh_token": f"hush-refresh-{n}",
            "expires_in": 3600,
        },
    )
    key = oauth_key(make("openai"), detail(), context)
    await key.fetch()
    clock.now += 4000
    await key.fetch()
    assert [parse_qs(body.decode())["refresh_token"] for *_, body in endpoint.asked] == [
        ["hush-refresh-0"],
        ["hush-refresh-1"],
    ]
    await key.close()


async def test_a_new_login_in_the_file_replaces_the_exchanged_one(
    endpoint, context, make, detail, clock, tmp_path
):
    file = tmp_path / "refresh"
    file.write_text("hush-first")
    endpoint.answer = lambda n: (
        200,
        {
            "access_token": f"hush-token-{n}",
            "refresh_token": f"hush-refresh-{n}",
            "expires_in": 3600,
        },
    )
    given = detail()
    key = oauth_key(
        make("openai"),
        replace(given, refresh_token=SecretRef("file", str(file))),
        context,
    )
    await key.fetch()
    file.write_text("hush-login")
    clock.now += 4000
    await key.fetch()
    assert parse_qs(endpoint.asked[1][3].decode())["refresh_token"] == ["hush-login"]
    await key.close()


async def test_an_expired_token_under_two_hundred_requests_causes_one_refresh(
    endpoint, context, make, detail, clock
):
    key = oauth_key(
        make("openai"),
        detail(access_token=literal("hush-old"), expires_at=rfc3339(clock() - 60)),
        context,
    )
    endpoint.gate.clear()
    waiting = [asyncio.create_task(key.fetch()) for _ in range(200)]
    await endpoint.arrived.wait()
    endpoint.gate.set()
    await asyncio.gather(*waiting)
    assert len(endpoint.asked) == 1
    await key.close()


async def test_a_refused_refresh_token_is_an_authentication_failure(
    endpoint, context, make, detail
):
    endpoint.answer = lambda n: (400, {"error": "invalid_grant"})
    key = oauth_key(make("openai"), detail(), context)
    with pytest.raises(CredentialError, match="invalid_grant") as e:
        await key.fetch()
    assert e.value.outcome is Outcome.AUTH_FAILED


async def test_a_missing_refresh_token_is_named(endpoint, context, make, detail):
    given = detail()
    key = oauth_key(
        make("openai"),
        replace(given, refresh_token=SecretRef("env", "REFRESH")),
        context,
    )
    with pytest.raises(CredentialError, match="environment variable REFRESH is missing"):
        await key.fetch()


async def test_without_a_token_url_the_access_token_is_used_as_it_stands(context, make):
    key = oauth_key(
        make("anthropic"),
        OAuth(access_token=literal("hush-access"), refresh_token=literal("hush-r")),
        context,
    )
    assert key.headers(None) == (
        (b"authorization", b"Bearer hush-access"),
        (b"anthropic-beta", b"oauth-2025-04-20"),
    )


def test_nothing_to_make_a_token_of_is_a_problem_at_load(context, make):
    with pytest.raises(ValueError, match="oauth_detail has neither"):
        oauth_key(make("openai"), OAuth(), context)


@pytest.mark.parametrize("access", ["", "hush\nb"])
async def test_an_access_token_that_cannot_be_sent_is_fetched_anew(
    endpoint, context, make, detail, access
):
    key = oauth_key(make("openai"), detail(access_token=literal(access)), context)
    assert key.headers(None) is None
    await key.fetch()
    assert key.headers(None) == ((b"authorization", b"Bearer hush-token-1"),)
    await key.close()


@pytest.mark.parametrize(
    ("text", "epoch"),
    [
        ("2027-01-15T08:00:00Z", 1800000000.0),
        ("2027-01-15T08:00:00", 1800000000.0),
        ("soon", None),
        ("", None),
    ],
)
def test_an_end_that_cannot_be_read_counts_as_none(text, epoch):
    assert epoch_of(text) == epoch


async def test_a_new_login_after_a_refused_one_is_tried_at_once(
    endpoint, context, make, detail, tmp_path
):
    file = tmp_path / "refresh"
    file.write_text("hush-stale")
    endpoint.answer = lambda n: (400, {"error": "invalid_grant"})
    key = oauth_key(
        make("openai"),
        replace(detail(), refresh_token=SecretRef("file", str(file))),
        context,
    )
    assert not key.replaced()
    with pytest.raises(CredentialError):
        await key.fetch()
    assert not key.replaced()
    endpoint.answer = lambda n: (200, {"access_token": "hush-new"})
    file.write_text("hush-login")
    assert key.replaced()
    await key.fetch()
    assert key.headers(None) == ((b"authorization", b"Bearer hush-new"),)
    await key.close()


# ---- tokens that nothing renews


async def test_a_token_that_nothing_renews_is_not_sent_when_it_is_over(context, make, clock):
    until = rfc3339(clock() + 60)
    key = oauth_key(
        make("anthropic"), OAuth(access_token=literal("hush-access"), expires_at=until), context
    )
    assert key.headers(None) is not None
    clock.now += 60
    assert key.headers(None) is None
    with pytest.raises(CredentialError, match="nothing renews it") as e:
        await key.fetch()
    assert e.value.outcome is Outcome.AUTH_FAILED
    assert "hush" not in str(e.value)


async def test_a_file_that_others_renew_serves_on(context, make, clock, tmp_path):
    file = tmp_path / "access"
    file.write_text("hush-old")
    given = OAuth(access_token=SecretRef("file", str(file)), expires_at=rfc3339(clock() + 60))
    key = oauth_key(make("openai"), given, context)
    clock.now += 61
    with pytest.raises(CredentialError):
        await key.fetch()
    assert not key.replaced()
    file.write_text("hush-new")
    assert key.replaced()
    assert key.headers(None) == ((b"authorization", b"Bearer hush-new"),)


# ---- over a restart


async def test_after_a_restart_the_exchanged_token_is_sent_and_not_the_old_one(
    endpoint, context, make, detail, tmp_path
):
    state = tmp_path / "state"
    context = replace(context, state_dir=str(state))
    endpoint.answer = lambda n: (
        200,
        {"access_token": f"hush-token-{n}", "refresh_token": f"hush-refresh-{n}"},
    )
    for _ in range(2):
        key = oauth_key(make("openai"), detail(), context)
        await key.fetch()
        await key.close()
    sent = [parse_qs(body.decode())["refresh_token"] for *_, body in endpoint.asked]
    assert sent == [["hush-refresh-0"], ["hush-refresh-1"]]
    (file,) = (state / "oauth").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "hush-refresh-0" not in file.read_text()
