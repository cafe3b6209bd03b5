"""The vendors' own clients for node through the proxy: with the injected environment alone, and their
WebSocket sessions.

Needs node and the packages of tests/sdk/node: `.ci/node` installs them. AI_SDK names another folder
of packages.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from certificates import Authority
from harness import proxied
from pilotfish.injector.patch.environment import additions
from planted import CLIENT_KEY, PROVIDER_KEY
from sdk.conftest import RULES as RULES_OF_SDKS
from sdk.test_realtime import MESSAGES, RULES, behind_tls
from socket_vendor import SocketVendor, provider_key_set

pytestmark = pytest.mark.node
FOLDER = Path(os.environ.get("AI_SDK") or Path(__file__).parent / "node")
HELLO = """
rules:
  - {name: hello, request_model: hello, services: [{provider: anthropic, model: claude-opus-4-5}]}
"""
TEXT = "the small pilot fish swims ahead of great "


async def lines_of(script, **environment):
    """What a script prints, parsed."""
    child = await asyncio.create_subprocess_exec(
        "node",
        script,
        cwd=FOLDER,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate()
    assert child.returncode == 0, err.decode()
    return [json.loads(line) for line in out.splitlines()]


async def test_each_client_finds_the_proxy_by_its_environment(tmp_path, vendor, monkeypatch):
    monkeypatch.setenv("SDK_KEY", PROVIDER_KEY)
    async with proxied(tmp_path, RULES_OF_SDKS.format(base=vendor.base) + HELLO) as proxy:
        await _finds(proxy)


async def _finds(proxy):
    env = [{"name": "OPENAI_API_VERSION", "value": "2025-04-01-preview"}]
    port = int(proxy.base.rpartition(":")[2])
    given = {v["name"]: v["value"] for v in [*env, *additions({"env": env}, port)]}
    said = await lines_of("environment.mjs", MODEL="hello", **given)
    assert {line["client"]: line["said"] for line in said} == dict.fromkeys(
        ("openai", "azure", "anthropic", "google", "aiSdkOpenai", "aiSdkAnthropic"), TEXT
    )


async def test_sessions_of_a_thousand_messages(tmp_path, monkeypatch):
    """OpenAI's takes `wss` for whatever its base URL is, so it goes through TLS."""
    provider_key_set(monkeypatch)
    authority = Authority(tmp_path)
    async with (
        SocketVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
        behind_tls(proxy.base, authority) as secure,
    ):
        realtime, live = await lines_of(
            "sessions.mjs",
            PROXY=proxy.base,
            SECURE=secure,
            KEY=CLIENT_KEY,
            MESSAGES=str(MESSAGES),
            NODE_EXTRA_CA_CERTS=authority.ca_file,
        )
        assert realtime["echoed"] == MESSAGES
        assert realtime["inOrder"]
        assert realtime["turn"] == 20
        assert live["said"] == "hi"
        await proxy.settled()
        assert proxy.record()["output_tokens"] == 5
