"""What one request costs inside the proxy: the real server, engine and pool on transports that are
lists. No sockets, no kernel.

Pure Python CPU, in microseconds per request (per chunk for streams), the least of some rounds: for
A/B of a change, on a machine that does other things as well. `python bench/micro.py [--only WORD]
[--profile FILE]`.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from pilotfish.app import App
from pilotfish.settings import Settings, read_settings
from pilotfish.telemetry.access_log import (
    AccessLog,
)  # the checkout's own sources, whatever is installed

BATCH = 200  # requests between two turns of the loop, which has timers to run
RULES = """\
providers:
  open: {kind: openai, api_base: "http://127.0.0.1:9/v1", no_key_required: true}
  claude: {kind: anthropic, api_base: "http://127.0.0.1:9", no_key_required: true}
rules:
  - {name: same, request_model: same, services: [{provider: open, model: same}]}
  - {name: renamed, request_model: renamed, services: [{provider: open, model: other}]}
  - {name: translated, request_model: translated, services: [{provider: claude, model: claude}]}
"""
CHUNKS = 200


class Transport(asyncio.Transport):
    """Keeps the last thing written; never full."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(data)

    def writelines(self, pieces: Any) -> None:
        self.written.extend(pieces)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return True

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


def http(head: str, body: bytes, *, chunked: bool = False) -> bytes:
    framing = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
    return f"{head}\r\ncontent-type: application/json\r\n{framing}\r\n\r\n".encode() + (
        b"" if chunked else body
    )


def request(model: str, *, stream: bool = False, prompt: int = 300) -> bytes:
    text = ("the quick brown fish swims ahead of a slow shark. " * (prompt // 50 + 1))[:prompt]
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text}]}
    if stream:
        body["stream"] = True
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\nauthorization: Bearer none\r\naccept: */*\r\nuser-agent: micro"
    return http(head, json.dumps(body).encode())


OPENAI = http(
    "HTTP/1.1 200 OK",
    json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": "A pilot fish keeps the company of sharks.",
                    },
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
        }
    ).encode(),
)
ANTHROPIC = http(
    "HTTP/1.1 200 OK",
    json.dumps(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": "A pilot fish keeps the company of sharks."}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 9, "output_tokens": 12},
        }
    ).encode(),
)


def framed(event: str) -> bytes:
    return f"{len(event):x}\r\n{event}\r\n".encode()


def openai_stream() -> list[bytes]:
    """As it is read: the head, each event by itself, the end."""
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    start = (
        '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":['
    )
    content = framed(
        f'data: {start}{{"index":0,"delta":{{"content":"a few words"}},"finish_reason":null}}]}}\n\n'
    )
    finish = framed(f'data: {start}{{"index":0,"delta":{{}},"finish_reason":"stop"}}]}}\n\n')
    usage = framed(
        f'data: {start}],"usage":{{"prompt_tokens":9,"completion_tokens":{CHUNKS},"total_tokens":{CHUNKS + 9}}}}}\n\n'
    )
    return [head, *[content] * CHUNKS, finish + usage + framed("data: [DONE]\n\n") + b"0\r\n\r\n"]


def anthropic_stream() -> list[bytes]:
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )

    def event(data: dict[str, Any]) -> bytes:
        return framed(f"event: {data['type']}\ndata: {json.dumps(data)}\n\n")

    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 9, "output_tokens": 1},
    }
    begin = event({"type": "message_start", "message": message}) + event(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    )
    content = event(
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "a few words"},
        }
    )
    end = event({"type": "content_block_stop", "index": 0}) + event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": CHUNKS},
        }
    )
    return [head, begin, *[content] * CHUNKS, end + event({"type": "message_stop"}) + b"0\r\n\r\n"]


# Name -> request, what the upstream's reads bring, by what the time is divided.
CASES: dict[str, tuple[bytes, list[bytes], int]] = {
    "same style, model unchanged": (request("same"), [OPENAI], 1),
    "same style, model renamed": (request("renamed"), [OPENAI], 1),
    "the same, prompt of 32 KB": (request("renamed", prompt=32 * 1024), [OPENAI], 1),
    "OpenAI to Anthropic": (request("translated"), [ANTHROPIC], 1),
    "stream, same style, per chunk": (request("same", stream=True), openai_stream(), CHUNKS),
    "stream, OpenAI from Anthropic, per chunk": (
        request("translated", stream=True),
        anthropic_stream(),
        CHUNKS,
    ),
}


class Bench:
    """An app whose pool connects to lists; `once` takes one request through it."""

    def __init__(self, settings: Settings) -> None:
        self.app = app = App(
            settings, access_log=AccessLog(lambda data: None), connect=self._connect
        )
        self.upstreams: list[tuple[Any, Transport]] = []
        self.connected = asyncio.Event()
        self.client: Any = app.server.protocol()
        self.transport = Transport()
        self.client.connection_made(self.transport)

    async def _connect(self, factory: Callable[[], Any], *_: Any) -> tuple[Any, Any]:
        protocol, transport = factory(), Transport()
        self.upstreams.append((protocol, transport))
        protocol.connection_made(transport)
        self.connected.set()
        return transport, protocol

    async def first(self, asked: bytes, answer: list[bytes]) -> None:
        """Makes the connection, and sees that the answer is what it should be."""
        self.upstreams.clear()
        self.connected.clear()
        for pool in self.app.engine.pools.values():
            pool.close()
        self.app.engine.pools.clear()
        self.app.engine.adopt(self.app.engine.snapshot)
        self.client.data_received(asked)
        await (
            self.connected.wait()
        )  # the pool sends in the same turn in which it has its connection
        self.play(answer)
        got = b"".join(self.transport.written)
        assert got.startswith(b"HTTP/1.1 200"), got[:300]

    def play(self, answer: list[bytes]) -> None:
        protocol, transport = self.upstreams[0]
        for data in answer:
            protocol.data_received(data)
        transport.written.clear()

    def once(self, asked: bytes, answer: list[bytes]) -> None:
        self.transport.written.clear()
        self.client.data_received(asked)
        self.play(answer)


async def measured(
    bench: Bench, asked: bytes, answer: list[bytes], divisor: int, seconds: float, rounds: int
) -> float:
    """Microseconds, the least of the rounds."""
    await bench.first(asked, answer)
    assert bench.transport.written
    least = float("inf")
    for _ in range(rounds):
        done, spent, until = 0, 0.0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            began = time.process_time()
            for _ in range(max(1, BATCH // divisor)):
                bench.once(asked, answer)
                done += 1
            spent += time.process_time() - began
            await asyncio.sleep(0)
        least = min(least, spent / done / divisor * 1e6)
    return least


async def run(args: argparse.Namespace) -> None:
    with TemporaryDirectory(prefix="pilotfish-micro-") as folder:
        rules = Path(folder) / "rules.yaml"
        rules.write_text(RULES)
        settings = read_settings(
            {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "config": str(rules)}
        )
        bench = Bench(settings)
        async with bench.app:
            gc.freeze()
            profiler = cProfile.Profile() if args.profile else None
            for name, (asked, answer, divisor) in CASES.items():
                if args.only not in name:
                    continue
                if profiler:
                    profiler.enable()
                micros = await measured(bench, asked, answer, divisor, args.seconds, args.rounds)
                if profiler:
                    profiler.disable()
                print(f"{name:<44} {micros:8.2f} µs", flush=True)
            if profiler:
                profiler.dump_stats(args.profile)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", default="", metavar="WORD", help="cases whose name has it")
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--profile", metavar="FILE", help="cProfile's figures go there (and make everything slower)"
    )
    args = parser.parse_args()
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    asyncio.run(run(args))


if __name__ == "__main__":
    main()
