"""Numbers that no vendor means: what is told of them stays readable, in answers, log, status and
state file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from harness import proxied
from hostile.raw import answer, raw_vendor
from pilotfish import styles
from pilotfish.core.formats.usage import MAX_TOKENS, Usage
from pilotfish.core.routing.explain import rfc3339
from pilotfish.core.state import persistence
from pilotfish.core.state.retry_after import LONGEST_S, wait_hint, wait_in_text, when
from pilotfish.shared.state_file import FILE

ODD = [10**30, 2**63, 2**64, -5, -(2**70), 1.5, "12", None, True, [1], {"a": 1}]
SPELT: dict[str, str] = {
    "openai": '{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"x"},'
    '"finish_reason":"stop"}],"usage":{"prompt_tokens":N,"completion_tokens":N,"total_tokens":N,'
    '"prompt_tokens_details":{"cached_tokens":N},'
    '"completion_tokens_details":{"reasoning_tokens":N}}}',
    "openai_responses": '{"id":"x","status":"completed","output":[{"type":"message","role":'
    '"assistant","content":[{"type":"output_text","text":"x"}]}],"usage":{"input_tokens":N,'
    '"output_tokens":N,"input_tokens_details":{"cached_tokens":N}}}',
    "anthropic": '{"id":"x","type":"message","role":"assistant","content":[{"type":"text",'
    '"text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":N,"output_tokens":N,'
    '"cache_read_input_tokens":N,"cache_creation_input_tokens":N}}',
    "google": '{"candidates":[{"content":{"role":"model","parts":[{"text":"x"}]}}],'
    '"usageMetadata":{"promptTokenCount":N,"candidatesTokenCount":N,"thoughtsTokenCount":N,'
    '"cachedContentTokenCount":N}}',
    "bedrock": '{"output":{"message":{"role":"assistant","content":[{"text":"x"}]}},'
    '"stopReason":"end_turn","usage":{"inputTokens":N,"outputTokens":N,"totalTokens":N}}',
}


def within(usage: Usage | None) -> bool:
    return usage is None or all(
        0 <= count <= MAX_TOKENS
        for count in (usage.input, usage.output, usage.cached_input, usage.reasoning)
    )


@pytest.mark.parametrize("number", ODD, ids=repr)
@pytest.mark.parametrize("style", SPELT)
def test_counts_of_tokens_are_counts_that_can_be(style: str, number: Any) -> None:
    body = SPELT[style].replace("N", json.dumps(number)).encode()
    spoken = styles.get(style)
    inspector = spoken.inspector()
    inspector.reply(body)
    reply = spoken.read_reply(body)
    assert within(inspector.usage)
    assert within(reply.usage)
    for other in styles.all_styles():
        other.write_reply(reply, model="m", request_id="r", now=0.0)


def test_a_count_that_is_none_is_marked() -> None:
    assert Usage(input=-1).clamped
    assert Usage(output=2**64).plus(Usage()).clamped
    assert not Usage(input=5, output=7).clamped


@pytest.mark.parametrize(
    "text",
    ["999999999999999", "99999999999999999", "999999999d", "9999999999", "1e9", "-5", "nan", "inf"],
)
def test_no_wait_is_longer_than_a_year(text: str) -> None:
    waits = [
        when(text, 0.0),
        wait_hint([(b"retry-after", text.encode())], 0.0),
        wait_hint([(b"retry-after-ms", text.encode())], 0.0),
        wait_in_text(f"try again in {text} hours"),
        wait_hint([], 0.0, in_body=1e300),
    ]
    assert all(wait is None or 0 <= wait <= LONGEST_S for wait in waits)


@pytest.mark.parametrize("wall", [-1.0, 0.0, 1e11, 1e300, float("inf")])
def test_every_moment_can_be_written(wall: float) -> None:
    assert rfc3339(wall).endswith("Z")


RULES = """
providers:
  a: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}
rules:
  - {{name: chat, services: [{{provider: a, model: m}}], retries: {{max_retries: 0}}}}
prices: {{m: {{input: 1000, output: 1000}}}}
"""


@pytest.mark.parametrize("number", [10**30, -(10**30), 2**63], ids=repr)
async def test_status_log_and_a_restart_survive_them(tmp_path: Path, number: int) -> None:
    body = SPELT["openai"].replace("N", str(number)).encode()
    reply = answer(body, f"x-ratelimit-remaining-requests: {number}")
    state = tmp_path / "state"
    state.mkdir()
    async with (
        raw_vendor(reply) as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base), state_dir=str(state)) as proxy,
    ):
        assert (await proxy.chat("m")).status == 200
        record = proxy.record()
        assert 0 <= record["input_tokens"] <= MAX_TOKENS
        (service,) = (await proxy.status())["services"]
        assert 0 <= service["window"]["input_tokens"] <= MAX_TOKENS
        assert (await proxy.admin("/metrics")).status == 200
        assert await proxy.metric("pilotfish_malformed_events_total") == 1
    async with raw_vendor(reply) as vendor:
        rules = RULES.format(base=vendor.base)
        async with proxied(tmp_path, rules, state_dir=str(state)) as proxy:
            assert (await proxy.status())["services"]


DAMAGED = {
    "no JSON": b"{",
    "another version": b'{"version": 99, "saved_at": 0}',
    "a count beyond 64 bits": b"N",
    "a time that no calendar has": b"T",
    "a number too large for a float": b'{"version": 1, "saved_at": 1e999}',
    "negative": b'{"version": 1, "saved_at": -1}',
    "a list": b"[]",
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("what", DAMAGED)
async def test_a_damaged_state_file_breaks_nothing(tmp_path: Path, what: str) -> None:
    data = DAMAGED[what]
    window = {"provider": "a", "model": "m", "windows": [[300.0, 1e9, 10**30, 0, 0, 0, 0, 0.0]]}
    health = {"provider": "a", "model": "m", "health": [1e300, True, 1, 1, "x", "timeout"]}
    if data in (b"N", b"T"):
        services = [window if data == b"N" else health]
        data = json.dumps({"version": 1, "saved_at": 1e9, "services": services}).encode()
    with pytest.raises(ValueError, match=r"."):
        persistence.decode(data)
    (tmp_path / FILE).write_bytes(data)
    rules = RULES.format(base="http://127.0.0.1:9")
    async with proxied(tmp_path, rules, state_dir=str(tmp_path)) as proxy:
        (service,) = (await proxy.status())["services"]
        assert service["state"] == "serving"
        assert (await proxy.admin("/metrics")).status == 200
    assert msgspec.json.encode(orjson.loads(orjson.dumps(service)))
