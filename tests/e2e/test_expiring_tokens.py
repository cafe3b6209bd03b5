"""Tokens that expire, of every kind of credential, under load: one fetch for all, nobody notices a
renewal that fails, and nobody's request goes out with a token that is over."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import yaml
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness import Proxy, proxied
from pilotfish.credentials import CredentialContext
from pilotfish.simulated import SimulatedVendor

SIM = "sim-n2"
LIFETIME_S = 3600.0


class Clock:
    """Wall time, turned by hand; it begins with the real one, since Google's library has its
    own.
    """

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@dataclass
class Endpoint:
    """Gives the Nth token `hush-N`, or what `failing` says: a status, or 0 for a connection that is
    broken off.
    """

    clock: Clock
    write: Callable[[str, float, float], Any]
    url: str = ""
    failing: int | None = None
    asked: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(await request.text())
        if self.failing == 0:
            assert request.transport is not None
            request.transport.abort()
        if self.failing is not None:
            return web.json_response(
                {"error": "invalid_grant", "error_description": "hush-refused"},
                status=self.failing or 500,
            )
        real = self.clock() - time.time() + LIFETIME_S
        answer = self.write(f"AKIDhush{len(self.asked)}x", self.clock() + LIFETIME_S, real)
        return web.Response(text=answer) if isinstance(answer, str) else web.json_response(answer)


@asynccontextmanager
async def serving(endpoint: Endpoint) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", endpoint.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield
    finally:
        await runner.cleanup()


def rfc6749(token: str, until_s: float, seconds: float) -> Any:
    return {"access_token": token, "expires_in": round(LIFETIME_S), "token_type": "Bearer"}


def by_googles_clock(token: str, until_s: float, seconds: float) -> Any:
    return {"access_token": token, "expires_in": round(seconds), "token_type": "Bearer"}


def copilots(token: str, until_s: float, seconds: float) -> Any:
    return {"token": token, "expires_at": until_s}


def sts(token: str, until_s: float, seconds: float) -> str:
    end = datetime.fromtimestamp(until_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = f"<AccessKeyId>{token}</AccessKeyId><SecretAccessKey>hush-s</SecretAccessKey><SessionToken>hush-t</SessionToken>"
    return f"<R><Credentials>{keys}<Expiration>{end}</Expiration></Credentials></R>"


def oauth(vendor: str, endpoint: str) -> dict[str, Any]:
    detail = {"refresh_token": {"env": "LOGIN"}, "extra_fields": {"token_url": endpoint}}
    return {"kind": "openai", "api_base": vendor, "auth_type": "oauth", "oauth_detail": detail}


def entra(vendor: str, endpoint: str) -> dict[str, Any]:
    principal = {
        "auth_mode": "service_principal",
        "tenant_id": "t",
        "client_id": "c",
        "client_secret": {"env": "LOGIN"},
    }
    return {
        "kind": "azure",
        "api_base": vendor.removesuffix("/v1"),
        "options": {**principal, "authority": endpoint},
    }


def role(vendor: str, endpoint: str) -> dict[str, Any]:
    keys = {"region": "us-east-1", "access_key": {"env": "LOGIN"}, "secret_key": {"env": "LOGIN"}}
    return {
        "kind": "bedrock",
        "api_base": vendor.removesuffix("/v1"),
        "options": {**keys, "role_arn": "arn", "sts_endpoint": endpoint},
    }


def copilot(vendor: str, endpoint: str) -> dict[str, Any]:
    return {
        "kind": "github_copilot",
        "api_base": vendor,
        "token": {"env": "LOGIN"},
        "options": {"token_url": endpoint},
    }


def google(vendor: str, endpoint: str) -> dict[str, Any]:
    options = {"project": "p", "location": "l", "token_uri": endpoint}
    return {
        "kind": "vertex",
        "api_base": vendor.removesuffix("/v1"),
        "token": {"env": "ACCOUNT"},
        "options": options,
    }


CREDENTIALS: dict[
    str, tuple[Callable[[str, str], dict[str, Any]], Callable[[str, float, float], Any]]
] = {
    "oauth": (oauth, rfc6749),
    "entra": (entra, rfc6749),
    "aws-role": (role, sts),
    "copilot": (copilot, copilots),
    "google": (google, by_googles_clock),
}


@pytest.fixture(scope="module")
def account() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "a@b",
            "private_key_id": "hush",
            "private_key": pem,
            "token_uri": "http://unused",
        }
    )


@dataclass
class World:
    proxy: Proxy
    vendor: SimulatedVendor
    endpoint: Endpoint
    clock: Clock

    async def ask(self, count: int) -> list[int]:
        return [
            answer.status
            for answer in await asyncio.gather(*(self.proxy.chat("m") for _ in range(count)))
        ]

    def sent(self) -> set[int]:
        """Numbers of the tokens that the vendor was shown since the last time."""
        seen = {
            r.headers.get("authorization", "") for r in self.vendor.requests if r.method == "POST"
        }
        self.vendor.requests.clear()
        return {int(header.partition("AKIDhush")[2].partition("x")[0]) for header in seen}

    async def fetched(self) -> None:
        """No fetch is under way."""
        await self.proxy.app.engine.clients["p"].keys[0].settle()


@pytest.fixture
async def world(request, tmp_path, monkeypatch, account):
    make, write = CREDENTIALS[request.param]
    clock = Clock()
    monkeypatch.setattr("pilotfish.app.CredentialContext", partial(CredentialContext, wall=clock))
    monkeypatch.setenv("LOGIN", "hush-login")
    monkeypatch.setenv("ACCOUNT", account)
    endpoint = Endpoint(clock, write)
    async with SimulatedVendor() as vendor, SimulatedVendor() as other, serving(endpoint):
        rules = {
            "providers": {
                "p": make(vendor.base, endpoint.url),
                "other": {"kind": "openai", "api_base": other.base, "no_key_required": True},
            },
            "rules": [
                {
                    "request_model": "m",
                    "services": [
                        {"provider": "p", "model": SIM},
                        {"provider": "other", "model": SIM, "tier": 1},
                    ],
                }
            ],
            "defaults": {"health": {"probe_enabled": False}},
        }
        async with proxied(tmp_path, yaml.safe_dump(rules)) as proxy:
            yield World(proxy, vendor, endpoint, clock)


every_kind = pytest.mark.parametrize("world", CREDENTIALS, indirect=True)


@every_kind
async def test_two_hundred_requests_cause_one_fetch_at_the_start_and_one_at_the_tokens_end(world):
    assert await world.ask(200) == [200] * 200
    assert (len(world.endpoint.asked), world.sent()) == (1, {1})
    world.clock.now += LIFETIME_S
    assert await world.ask(200) == [200] * 200
    assert (len(world.endpoint.asked), world.sent()) == (2, {2}), "what is over is not sent"


@every_kind
@pytest.mark.parametrize("failing", [400, 503, 0])
async def test_a_renewal_that_fails_is_seen_by_nobody_while_the_old_token_is_valid(world, failing):
    assert await world.ask(1) == [200]
    world.clock.now += LIFETIME_S - 60
    world.endpoint.failing = failing
    for _ in range(3):
        assert await world.ask(20) == [200] * 20
        await world.fetched()
    assert world.sent() == {1}
    assert len(world.endpoint.asked) > 1, "it was tried"
    assert world.proxy.record()["service"] == f"p/{SIM}"
    assert (await world.proxy.service("p", SIM))["state"] == "serving"


@every_kind
@pytest.mark.parametrize("failing", [400, 503, 0])
async def test_without_a_valid_token_the_next_service_serves_and_the_first_is_back_when_its_endpoint_is(
    world, failing
):
    assert await world.ask(1) == [200]
    world.sent()
    world.clock.now += LIFETIME_S
    world.endpoint.failing = failing
    assert await world.ask(20) == [200] * 20
    assert world.sent() == set(), "what is over is not sent"
    world.proxy.record()
    first, second = world.proxy.log[1]["attempts"]
    assert first["outcome"] in (
        ("auth_failed",) if failing == 400 else ("overloaded", "connect_failed", "server_error")
    )
    assert (second["service"], second["outcome"]) == (f"other/{SIM}", "served")
    world.endpoint.failing = None
    world.clock.now += 100.0
    await world.proxy.admin("/reset", {"provider": "p"})
    assert await world.ask(20) == [200] * 20
    assert world.sent() == {len(world.endpoint.asked)}
