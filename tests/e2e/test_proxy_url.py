"""`proxy_url` in the rules: requests reach their vendor by way of the proxy."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from harness import proxied, until
from pilotfish.simulated import SimulatedVendor

REPLY = {
    "id": "1",
    "object": "chat.completion",
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    ],
}


class Forwarding:
    """A proxy and all vendors behind it: opens every tunnel, answers whatever it is asked there,
    and keeps the heads.
    """

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self._talking: set[asyncio.Task[None] | None] = set()

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        await asyncio.gather(*(task for task in self._talking if task is not None))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._talking.add(asyncio.current_task())
        body = json.dumps(REPLY).encode()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                if head.startswith(b"CONNECT "):
                    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    continue
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                    % (len(body), body)
                )
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("size", [10, 200_000], ids=["small", "large"])
async def test_requests_go_through_one_tunnel_that_is_kept(size, tmp_path):
    forwarding = Forwarding()
    async with forwarding as port:
        rules = f"""
providers:
  p: {{kind: openai, api_base: "http://vendor.invalid:8080", no_key_required: true, proxy_url: "http://user:hush@127.0.0.1:{port}"}}
rules:
  - {{request_model: m, services: [{{provider: p, model: gpt}}]}}
"""
        async with proxied(tmp_path, rules) as proxy:
            for _ in range(3):
                assert (await proxy.chat("m", "x" * size)).status == 200
            assert "hush" not in json.dumps(await proxy.status()) + json.dumps(proxy.log)
    lines = [head.split(b"\r\n")[0] for head in forwarding.heads]
    assert (
        lines
        == [b"CONNECT vendor.invalid:8080 HTTP/1.1"] + [b"POST /v1/chat/completions HTTP/1.1"] * 3
    )
    assert [b"proxy-authorization" in head for head in forwarding.heads] == [
        True,
        False,
        False,
        False,
    ]


async def test_a_proxy_that_is_not_there_is_told_without_its_password(tmp_path):
    rules = """
providers:
  p: {kind: openai, api_base: "https://vendor.invalid", no_key_required: true, proxy_url: "socks5h://user:hush@127.0.0.1:9"}
rules:
  - {request_model: m, services: [{provider: p, model: gpt}], retries: {max_retries: 0}}
"""
    async with proxied(tmp_path, rules) as proxy:
        answer = await proxy.chat("m")
        assert answer.status == 502
        assert "127.0.0.1:9" in answer.text
        assert "hush" not in answer.text + json.dumps(proxy.log)


async def test_a_password_in_any_address_of_the_settings_is_kept_quiet(tmp_path, capfd):
    """Redis and the collector of traces are not there, and both say so in the log; `leaks`
    listens.
    """
    addresses = {
        "redis_url": "redis://user:hush@127.0.0.1:9/0",
        "otlp_endpoint": "http://user:hush@127.0.0.1:9",
    }
    async with SimulatedVendor() as vendor:
        rules = (
            f"providers: {{p: {{kind: openai, api_base: {vendor.base}, no_key_required: true}}}}"
        )
        async with proxied(tmp_path, rules, **addresses) as proxy:
            assert (await proxy.chat("p/sim-n2")).status == 200
            said: list[str] = []
            await until(
                lambda: (
                    said.append("".join(capfd.readouterr()))
                    or "no answer from redis" in "".join(said)
                )
            )
    assert "127.0.0.1:9" in "".join(said)
