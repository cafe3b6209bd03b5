"""The access log: whole lines, in batches, and no reader is no reason to stop serving."""

import asyncio

import orjson

from harness import proxied, until
from pilotfish.shell.access_log import FLUSH_LINES, AccessLog
from pilotfish.simulated import Fault, SimulatedVendor

RULES = """
providers: {{v: {{kind: openai, api_base: {base}/v1, no_key_required: true}}}}
prices: {{v/sim-n4: {{input: 1000000, output: 2000000}}}}
rules: [{{name: r, request_model: m, services: [{{provider: v, model: sim-n4}}]}}]
"""
# contract.md 6.
FIELDS = {
    "event", "request_id", "rule", "style", "path", "code", "stream", "service", "attempts", "duration_ms", "ttft_ms", "overhead_ms", "input_tokens",
    "output_tokens", "cached_input_tokens", "reasoning_tokens", "cost_usd", "finish_reason", "rescued", "forced",
}  # fmt: skip


async def test_nobody_reading_stdout_stops_nothing():
    def gone(data: bytes) -> None:
        raise BrokenPipeError

    log = AccessLog(gone)
    log.turned_away(path="/")
    log.flush()


async def test_lines_are_written_in_batches_and_the_last_ones_after_a_moment():
    written: list[bytes] = []
    log = AccessLog(written.append)
    for i in range(FLUSH_LINES):
        log.turned_away(path=f"/{i}")
    assert (len(written), written[0].count(b"\n")) == (1, FLUSH_LINES)
    log.turned_away(path="/last")
    assert len(written) == 1
    await until(lambda: len(written) == 2)
    assert orjson.loads(written[1])["path"] == "/last"


async def test_a_log_that_is_switched_off_writes_nothing():
    written: list[bytes] = []
    log = AccessLog(written.append, enabled=False)
    log.turned_away(path="/")
    log.flush()
    assert written == []


async def test_a_record_has_all_that_the_contract_names(tmp_path):
    async with SimulatedVendor() as vendor, proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        vendor.script(Fault.status(500))
        await proxy.chat("m", stream=True)
        record = proxy.record()
    assert set(record) >= FIELDS
    assert (record["event"], record["rule"], record["style"], record["code"], record["stream"]) == ("request", "r", "openai", 200, True)
    assert [(a["service"], a["outcome"], a["status"]) for a in record["attempts"]] == [
        ("v/sim-n4", "server_error", 500),
        ("v/sim-n4", "served", 200),
    ]
    assert record["duration_ms"] >= record["attempts"][0]["duration_ms"]
    assert (record["output_tokens"], record["finish_reason"]) == (4, "stop")
    assert record["cost_usd"] == record["input_tokens"] + 8
    assert "hello" not in str(record), "no bodies"


async def test_a_request_that_was_turned_away_has_a_record_too(tmp_path):
    async with SimulatedVendor() as vendor, proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        answers = await asyncio.gather(proxy.chat("nobody"), proxy.post("/nowhere", b""), proxy.post("/v1/messages", b"{"))
        proxy.app.log.flush()
        told = {record["request_id"]: record["code"] for record in proxy.log}
    assert told == {answer.headers["x-request-id"]: answer.status for answer in answers}
    assert sorted(told.values()) == [400, 404, 404]
