"""The demo's vendors and rules, and that nothing is left of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
import yaml

from pilotfish.demo.scene import CHARACTERS, LIMIT, MODEL, MODELS, Demo, rules_text
from pilotfish.errors import StartError

FREE = ("127.0.0.1:0", "127.0.0.1:0")


async def test_a_taken_port_is_said_with_the_way_out_and_leaves_nothing_behind():
    before = asyncio.all_tasks()
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    taken = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    demo = Demo(taken, FREE[1], lambda _: None)
    with pytest.raises(StartError, match="choose another with --listen or --admin-listen"):
        await demo.__aenter__()
    assert not demo.rules.parent.exists()
    assert all(vendor.connections_open == 0 for vendor in demo.vendors.values())
    server.close()
    await server.wait_closed()
    assert asyncio.all_tasks() == before


async def test_what_the_environment_says_of_a_real_proxy_does_not_concern_it(monkeypatch):
    monkeypatch.setenv("PILOTFISH_CONFIG", "/nowhere")
    monkeypatch.setenv("PILOTFISH_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("PILOTFISH_STATE_DIR", "/nowhere")
    async with Demo(*FREE, lambda _: None) as demo:
        assert demo.app.engine.ready
        assert demo.app.settings.redis_url == ""
        assert demo.app.settings.state_dir == ""


async def test_vendors_take_their_own_key_only_and_the_proxy_has_it():
    async with Demo(*FREE, lambda _: None) as demo, aiohttp.ClientSession() as http:
        body = {"model": "demo-chat", "messages": [{"role": "user", "content": "hello"}]}
        chat = "/v1/chat/completions"
        stranger = {"authorization": "Bearer a-client-needs-no-key"}
        async with http.post(demo.vendors["fast"].base + chat, json=body, headers=stranger) as got:
            assert got.status == 401
        async with http.post(demo.app.base + chat, json=body, headers=stranger) as got:
            assert got.status == 200
    assert not demo.rules.parent.exists()


def test_the_table_of_models_is_that_of_the_rules():
    rules = yaml.safe_load(
        rules_text({c.name: "http://127.0.0.1:9" for c in CHARACTERS}, Path("keys"))
    )
    known = {r["request_model"] for r in rules["rules"]} | set(rules["virtual_models"])
    assert known == {m for m in MODELS if "/" not in m}
    assert set(rules["providers"]) == {c.name for c in CHARACTERS}
    assert f"slow/{MODEL}" in MODELS


def test_what_is_said_of_a_vendor_is_what_it_does():
    about = {c.name: (c.about, c.profile) for c in CHARACTERS}
    for text, profile in (about["fast"], about["slow"]):
        assert text.endswith(f"first token after {profile.ttft_s * 1000:.0f} ms")
    assert f"fails {about['flaky'][1].error_ratio * 10:.0f} times in 10" in about["flaky"][0]
    assert about["limited"][1].rate_limit is LIMIT
    assert f"{LIMIT.requests} requests in {LIMIT.window_s:.0f} s" in about["limited"][0]
