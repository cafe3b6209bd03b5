"""The proxy as it is put together: it starts without rules, and says why it cannot start."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from harness import proxied, until
from pilotfish.app import App
from pilotfish.errors import StartError
from pilotfish.settings import Settings

RULES = "providers: {p: {kind: ollama}}\nrules: [{name: r, services: [{provider: p, model: m}]}]\n"


@pytest.mark.parametrize(("port", "said"), [("listen", ""), ("admin_listen", r" \(admin\)")])
async def test_a_port_that_is_taken_is_one_clear_error(port, said, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        addresses = {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", port: taken}
        app = App(Settings(**addresses, config=(str(tmp_path),)))
        try:
            with pytest.raises(StartError, match=f"cannot listen on {taken}{said}: the port is"):
                await app.start()
        finally:
            await app.stop()


async def test_without_good_rules_it_serves_and_is_not_ready_until_there_are_some(tmp_path):
    async with proxied(tmp_path, "rules: [") as proxy:
        assert (await proxy.admin("/readyz")).status == 503
        assert (await proxy.chat("r")).status == 503
        proxy.rules.write_text(RULES)
        await until(lambda: proxy.app.engine.ready)
        assert (await proxy.admin("/readyz")).status == 200


async def test_a_drained_proxy_refuses_new_requests_and_waits_for_nothing(tmp_path):
    async with proxied(tmp_path, RULES) as proxy:
        await proxy.app.drain()
        answer = await proxy.chat("r")
        assert (answer.status, answer.json["error"]["code"]) == (503, "draining")


async def test_after_the_stop_no_task_and_no_socket_of_it_is_left(tmp_path):
    before = asyncio.all_tasks()
    async with proxied(tmp_path, RULES) as proxy:
        base = proxy.base
        assert len(asyncio.all_tasks()) > len(before)
    assert asyncio.all_tasks() == before
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(base)
