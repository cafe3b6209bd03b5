"""Credentials while requests run: rotation, several keys, expiring tokens, signatures. What a
client sees of it: nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from harness import proxied, until
from pilotfish.simulated import Profile, SimulatedVendor
from planted import CLIENT_KEY, PROVIDER_KEY

SIM, KEY = "sim-n2", PROVIDER_KEY


def rules_of(provider: dict[str, Any], **more: Any) -> str:
    return yaml.safe_dump(
        {
            "providers": {"p": provider},
            "rules": [
                {"name": "r", "request_model": "m", "services": [{"provider": "p", "model": SIM}]}
            ],
            **more,
        }
    )


@asynccontextmanager
async def served(handle: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """A server on loopback that answers with this; its base URL."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def token_endpoint(
    answer: Callable[[int], tuple[int, dict[str, Any]]],
) -> AsyncIterator[tuple[str, list[bytes]]]:
    asked: list[bytes] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(await request.read())
        status, body = answer(len(asked))
        await asyncio.sleep(0)
        return web.json_response(body, status=status)

    async with served(handle) as base:
        yield base, asked


def keys_seen(vendor: SimulatedVendor) -> list[str]:
    return [seen.headers.get("authorization", "") for seen in vendor.requests]


class Mounted:
    """A Secret as kubelet mounts it: a folder per version, a link to the present one swapped in one
    step, the old folder taken away.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._root = folder, folder / "llm-keys"
        self.source = {"secret": {"name": "llm-keys", "key": "openai"}}
        self._versions = 0

    def put(self, value: str) -> None:
        self._versions += 1
        folder = self._root / f"..2026_{self._versions}"
        folder.mkdir(parents=True)
        (folder / "openai").write_text(value)
        (self._root / "..data_tmp").symlink_to(folder.name)
        os.replace(self._root / "..data_tmp", self._root / "..data")
        if not (self._root / "openai").is_symlink():
            (self._root / "openai").symlink_to("..data/openai")
        for old in self._root.glob("..2026_*"):
            if old != folder:
                shutil.rmtree(old)


@pytest.fixture
def mounted(tmp_path):
    return Mounted(tmp_path / "secrets")


async def test_a_key_rotated_in_a_mounted_secret_is_used_by_the_next_request_and_none_fails(
    tmp_path, mounted
):
    mounted.put("hush-1")
    async with SimulatedVendor() as vendor:
        provider = {"kind": "openai", "api_base": vendor.base, "token": mounted.source}
        async with proxied(tmp_path, rules_of(provider), secrets_dir=str(mounted.folder)) as proxy:
            assert (await proxy.chat("m")).status == 200
            mounted.put("hush-2")
            answers = await asyncio.gather(*(proxy.chat("m") for _ in range(20)))
            assert {a.status for a in answers} == {200}
        assert keys_seen(vendor) == ["Bearer hush-1"] + ["Bearer hush-2"] * 20


async def test_keys_rotated_under_load_and_revoked_at_once_fail_no_request(tmp_path, mounted):
    mounted.put("hush-0")
    async with SimulatedVendor(key="hush-0", profile=Profile(ttft_s=0.01, chunks=3)) as vendor:
        provider = {"kind": "openai", "api_base": vendor.base, "token": mounted.source}
        async with proxied(tmp_path, rules_of(provider), secrets_dir=str(mounted.folder)) as proxy:
            left = iter(range(200))

            async def client() -> list[int]:
                return [(await proxy.chat("m", stream=n % 2 == 0)).status for n in left]

            clients = [asyncio.create_task(client()) for _ in range(8)]
            for version in range(1, 6):
                await until(lambda version=version: len(vendor.requests) > version * 30)
                mounted.put(f"hush-{version}")
                vendor.key = f"hush-{version}"
            statuses = [status for told in await asyncio.gather(*clients) for status in told]
            assert statuses == [200] * 200
            assert (await proxy.service("p", SIM))["state"] == "serving"
        assert set(keys_seen(vendor)) == {f"Bearer hush-{n}" for n in range(6)}


async def test_requests_that_were_on_their_way_with_a_key_that_is_rotated_and_revoked_go_out_again(
    tmp_path, mounted
):
    mounted.put("hush-old")
    revoked = asyncio.Event()
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request.headers["authorization"])
        await revoked.wait()
        if request.headers["authorization"] != "Bearer hush-new":
            return web.json_response(
                {"error": {"message": "hush-old is no key", "code": "invalid_api_key"}}, status=401
            )
        message = {"role": "assistant", "content": "hi"}
        return web.json_response(
            {
                "id": "x",
                "model": SIM,
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            }
        )

    async with served(handle) as base:
        provider = {"kind": "openai", "api_base": base, "token": mounted.source}
        async with proxied(tmp_path, rules_of(provider), secrets_dir=str(mounted.folder)) as proxy:
            asking = [asyncio.create_task(proxy.chat("m")) for _ in range(20)]
            await until(lambda: len(seen) == 20)
            mounted.put("hush-new")
            revoked.set()
            assert [answer.status for answer in await asyncio.gather(*asking)] == [200] * 20
            assert (await proxy.service("p", SIM))["state"] == "serving"
    assert seen == ["Bearer hush-old"] * 20 + ["Bearer hush-new"] * 20


async def test_a_key_that_is_put_right_after_it_was_refused_serves_without_a_restart(tmp_path):
    file = tmp_path / "key"
    file.write_text("hush-revoked")
    async with SimulatedVendor(key="hush-good") as vendor:
        async with proxied(
            tmp_path,
            rules_of({"kind": "openai", "api_base": vendor.base, "token": {"file": str(file)}}),
        ) as proxy:
            assert (await proxy.chat("m")).status >= 400
            assert (await proxy.chat("m")).status >= 400
            file.write_text("hush-good")
            proxy.app.engine.sweep(0.0)
            assert (await proxy.chat("m")).status == 200
        assert keys_seen(vendor).count("Bearer hush-revoked") == 1


async def test_a_key_that_is_missing_is_told_in_the_status_and_the_other_provider_serves(tmp_path):
    async with SimulatedVendor() as vendor:
        rules = yaml.safe_dump(
            {
                "providers": {
                    "keyless": {
                        "kind": "openai",
                        "api_base": vendor.base,
                        "token": {"env": "PILOTFISH_TEST_NO_SUCH_KEY"},
                    },
                    "other": {"kind": "openai", "api_base": vendor.base, "no_key_required": True},
                },
                "rules": [
                    {
                        "request_model": "m",
                        "services": [
                            {"provider": "keyless", "model": SIM},
                            {"provider": "other", "model": SIM, "tier": 1},
                        ],
                    }
                ],
            }
        )
        async with proxied(tmp_path, rules) as proxy:
            problems = (await proxy.status())["rules"]["problems"]
            assert [(p["path"], p["message"]) for p in problems] == [
                (
                    "providers.keyless.token",
                    "environment variable PILOTFISH_TEST_NO_SUCH_KEY is missing or empty",
                )
            ]
            assert (await proxy.chat("m")).status == 200


async def test_a_refused_key_is_left_aside_and_the_second_serves(tmp_path, monkeypatch):
    monkeypatch.setenv("FIRST", "revoked-hush")
    monkeypatch.setenv("SECOND", "hush-good")
    async with SimulatedVendor(key="hush-good") as vendor:
        provider = {
            "kind": "openai",
            "api_base": vendor.base,
            "tokens": [{"env": "FIRST"}, {"env": "SECOND"}],
        }
        async with proxied(tmp_path, rules_of(provider)) as proxy:
            answers = [await proxy.chat("m") for _ in range(5)]
            assert [a.status for a in answers] == [200] * 5
            everything = (
                json.dumps(await proxy.status())
                + (await proxy.admin("/metrics")).text
                + "".join(a.text for a in answers)
            )
            assert "hush" not in everything + json.dumps(proxy.log)
        assert keys_seen(vendor).count("Bearer revoked-hush") == 1


async def test_an_expired_oauth_token_under_two_hundred_requests_causes_one_refresh(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("OLD", "hush-old")
    monkeypatch.setenv("REFRESH", "hush-refresh")
    async with (
        SimulatedVendor(key="hush-new") as vendor,
        token_endpoint(lambda n: (200, {"access_token": "hush-new", "expires_in": 3600})) as (
            url,
            asked,
        ),
    ):
        detail = {
            "access_token": {"env": "OLD"},
            "refresh_token": {"env": "REFRESH"},
            "expires_at": "2020-01-01T00:00:00Z",
            "extra_fields": {"token_url": url},
        }
        provider = {
            "kind": "openai",
            "api_base": vendor.base,
            "auth_type": "oauth",
            "oauth_detail": detail,
        }
        async with proxied(tmp_path, rules_of(provider)) as proxy:
            answers = await asyncio.gather(*(proxy.chat("m") for _ in range(200)))
            assert {a.status for a in answers} == {200}
        assert len(asked) == 1
        assert set(keys_seen(vendor)) == {"Bearer hush-new"}


async def test_a_token_that_was_revoked_early_is_replaced_within_the_same_request(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("OLD", "hush-revoked")
    monkeypatch.setenv("REFRESH", "hush-refresh")
    async with (
        SimulatedVendor(key="hush-new") as vendor,
        token_endpoint(lambda n: (200, {"access_token": "hush-new", "expires_in": 3600})) as (
            url,
            asked,
        ),
    ):
        detail = {
            "access_token": {"env": "OLD"},
            "refresh_token": {"env": "REFRESH"},
            "extra_fields": {"token_url": url},
        }
        provider = {
            "kind": "openai",
            "api_base": vendor.base,
            "auth_type": "oauth",
            "oauth_detail": detail,
        }
        async with proxied(tmp_path, rules_of(provider)) as proxy:
            answers = await asyncio.gather(*(proxy.chat("m") for _ in range(20)))
            assert {a.status for a in answers} == {200}
            assert (await proxy.service("p", SIM))["state"] == "serving"
        assert len(asked) == 1


async def test_an_account_that_is_refused_with_every_token_is_refused_once_and_left_alone(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("REFRESH", "hush-refresh")
    async with (
        SimulatedVendor(key="hush-other") as vendor,
        token_endpoint(lambda n: (200, {"access_token": f"hush-t{n}", "expires_in": 3600})) as (
            url,
            asked,
        ),
    ):
        detail = {"refresh_token": {"env": "REFRESH"}, "extra_fields": {"token_url": url}}
        provider = {
            "kind": "openai",
            "api_base": vendor.base,
            "auth_type": "oauth",
            "oauth_detail": detail,
        }
        async with proxied(tmp_path, rules_of(provider)) as proxy:
            for _ in range(5):
                assert (await proxy.chat("m")).status >= 400
        assert len(asked) == 2
        assert [s for s in keys_seen(vendor) if s.startswith("Bearer hush-t")] == [
            "Bearer hush-t1",
            "Bearer hush-t2",
        ]


async def test_a_refresh_that_is_refused_is_no_fault_of_the_clients(tmp_path, monkeypatch):
    monkeypatch.setenv("REFRESH", "refresh-hush")
    async with (
        SimulatedVendor() as vendor,
        token_endpoint(lambda n: (400, {"error": "invalid_grant"})) as (url, _),
    ):
        detail = {"refresh_token": {"env": "REFRESH"}, "extra_fields": {"token_url": url}}
        provider = {
            "kind": "openai",
            "api_base": vendor.base,
            "auth_type": "oauth",
            "oauth_detail": detail,
        }
        async with proxied(tmp_path, rules_of(provider)) as proxy:
            answer = await proxy.chat("m")
            assert answer.status >= 500
            assert "hush" not in answer.text + json.dumps(await proxy.status())
        assert len(vendor.requests) == 0


async def test_copilots_calls_go_to_the_host_that_the_exchange_names(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB", "gho_hush")
    async with SimulatedVendor(key="tid=hush") as vendor:
        answer = {"token": "tid=hush", "endpoints": {"api": vendor.base.removesuffix("/v1")}}
        async with token_endpoint(lambda n: (200, answer)) as (url, asked):
            provider = {
                "kind": "github_copilot",
                "token": {"env": "GITHUB"},
                "options": {"token_url": f"{url}/exchange"},
            }
            async with proxied(tmp_path, rules_of(provider)) as proxy:
                assert {
                    a.status for a in await asyncio.gather(*(proxy.chat("m") for _ in range(20)))
                } == {200}
            assert len(asked) == 1
        chats = [seen for seen in vendor.requests if seen.path.endswith("/chat/completions")]
        assert len(chats) == 20
        assert chats[0].headers["copilot-integration-id"] == "vscode-chat"


async def test_copilots_models_are_asked_where_its_list_says(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB", "gho_hush")
    seen: list[str] = []
    responses = {
        "id": "r",
        "object": "response",
        "status": "completed",
        "model": SIM,
        "output": [],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
    }

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request.path)
        base = f"http://{request.host}"
        if request.path == "/exchange":
            return web.json_response({"token": "hush-t", "endpoints": {"api": base}})
        if request.path == "/models":
            return web.json_response({"data": [{"id": SIM, "supported_endpoints": ["/responses"]}]})
        return web.json_response(responses)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    provider = {
        "kind": "github_copilot",
        "token": {"env": "GITHUB"},
        "options": {"token_url": f"{base}/exchange"},
    }
    try:
        async with proxied(tmp_path, rules_of(provider)) as proxy:
            await proxy.chat("m")
            await until(lambda: proxy.app.engine.clients["p"].keys[0].endpoints(SIM))
            seen.clear()
            assert (await proxy.post("/v1/responses", {"model": "m", "input": "hi"})).status == 200
            assert seen == ["/responses"]
    finally:
        await runner.cleanup()


async def test_bedrocks_requests_are_signed(tmp_path, monkeypatch):
    monkeypatch.setenv("ID", "AKIDhush")
    monkeypatch.setenv("SECRET", "hush")
    async with SimulatedVendor(key="AKIDhush") as vendor:
        options = {
            "region": "eu-west-1",
            "access_key": {"env": "ID"},
            "secret_key": {"env": "SECRET"},
        }
        provider = {
            "kind": "bedrock",
            "api_base": vendor.base.removesuffix("/v1"),
            "options": options,
        }
        async with proxied(tmp_path, rules_of(provider)) as proxy:
            answer = await proxy.chat("m")
            assert answer.status == 200, answer.text
        seen = vendor.requests[0]
        assert seen.path == f"/model/{SIM}/converse"
        assert (
            "/eu-west-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature="
            in seen.headers["authorization"]
        )


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("anthropic", ("x-api-key", KEY)),
        ("google", ("x-goog-api-key", KEY)),
        ("azure", ("api-key", KEY)),
        ("mistral", ("authorization", f"Bearer {KEY}")),
        ("groq", ("authorization", f"Bearer {KEY}")),
        ("vllm", ("authorization", f"Bearer {KEY}")),
    ],
)
async def test_the_key_stands_where_the_vendor_looks_for_it(kind, header, tmp_path, monkeypatch):
    monkeypatch.setenv("KEY", KEY)
    async with SimulatedVendor(key=KEY) as vendor:
        base = vendor.base if kind == "vllm" else vendor.base.removesuffix("/v1")
        async with proxied(
            tmp_path, rules_of({"kind": kind, "api_base": base, "token": {"env": "KEY"}})
        ) as proxy:
            answer = await proxy.post(
                "/v1/chat/completions",
                {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
                {"authorization": f"Bearer {CLIENT_KEY}"},
            )
            assert answer.status == 200, answer.text
        assert vendor.requests[0].headers[header[0]] == header[1]
        assert CLIENT_KEY not in json.dumps(vendor.requests[0].headers)


@pytest.mark.parametrize(
    ("sent", "got"), [({"anthropic-version": "2026-10-21"}, "2026-10-21"), ({}, "2023-06-01")]
)
async def test_a_clients_own_api_version_goes_through_and_its_absence_is_filled(
    sent, got, tmp_path
):
    async with SimulatedVendor() as vendor:
        provider = {"kind": "anthropic", "api_base": vendor.base, "no_key_required": True}
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        async with proxied(tmp_path, rules_of(provider)) as proxy:
            assert (await proxy.post("/v1/messages", body, sent)).status == 200
            assert (await proxy.chat("m")).status == 200
        assert [seen.headers["anthropic-version"] for seen in vendor.requests] == [
            got,
            "2023-06-01",
        ]
