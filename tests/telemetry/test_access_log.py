"""The access log: whole lines, in batches, and no reader is no reason to stop serving."""

import asyncio
import gc

import orjson

from harness import proxied, until
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.simulated import Fault, SimulatedVendor
from pilotfish.telemetry.access_log import FLUSH_LINES, RECENT, AccessLog
from pilotfish.telemetry.logs import line_format

RULES = """
providers: {{v: {{kind: openai, api_base: {base}/v1, no_key_required: true}}}}
prices: {{v/sim-n4: {{input: 1000000, output: 2000000}}}}
rules: [{{name: r, request_model: m, services: [{{provider: v, model: sim-n4}}]}}]
"""
# The fields that docs/observability.md promises.
FIELDS = {
    "event", "request_id", "rule", "style", "path", "code", "stream", "service", "attempts", "duration_ms", "ttft_ms", "overhead_ms", "input_tokens",
    "output_tokens", "cached_input_tokens", "reasoning_tokens", "cost_usd", "finish_reason", "rescued", "forced",
}  # fmt: skip


async def test_nobody_reading_stdout_stops_nothing():
    def gone(data: bytes) -> None:
        raise BrokenPipeError

    log = AccessLog(gone)
    log.local_reply(path="/")
    log.flush()


async def test_lines_are_written_in_batches_and_the_last_ones_after_a_moment():
    written: list[bytes] = []
    log = AccessLog(written.append)
    for i in range(FLUSH_LINES):
        log.local_reply(path=f"/{i}")
    assert (len(written), written[0].count(b"\n")) == (1, FLUSH_LINES)
    log.local_reply(path="/last")
    assert len(written) == 1
    await until(lambda: len(written) == 2)
    assert orjson.loads(written[1])["path"] == "/last"


async def test_for_people_the_same_is_a_line_of_the_other_logs_format():
    written: list[bytes] = []
    log = AccessLog(written.append, form=line_format("console"))
    log.local_reply(path="/x", code=404)
    log.flush()
    words = written[0].split()
    assert words[1:4] == [b"[info", b"]", b"request"]
    assert b"path=/x" in words
    assert b"code=404" in words
    # The status page reads the same record whatever the log is written in.
    assert log.recent_records(None)[0]["path"] == "/x"


async def test_each_line_has_what_every_log_line_has():
    written: list[bytes] = []
    log = AccessLog(written.append)
    log.local_reply(path="/")
    log.flush()
    line = orjson.loads(written[0])
    assert (line["event"], line["level"]) == ("request", "info")
    assert line["time"].endswith("Z")


async def test_a_log_that_is_switched_off_writes_nothing():
    written: list[bytes] = []
    log = AccessLog(written.append, enabled=False)
    log.local_reply(path="/")
    log.flush()
    assert written == []


async def test_a_record_has_all_documented_fields(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        vendor.script(Fault.status(500))
        await proxy.chat("m", stream=True)
        record = proxy.record()
    assert set(record) >= FIELDS
    assert (record["event"], record["rule"], record["style"], record["code"], record["stream"]) == (
        "request",
        "r",
        "openai",
        200,
        True,
    )
    assert [(a["service"], a["outcome"], a["status"]) for a in record["attempts"]] == [
        ("v/sim-n4", "server_error", 500),
        ("v/sim-n4", "served", 200),
    ]
    assert record["duration_ms"] >= record["attempts"][0]["duration_ms"]
    assert (record["output_tokens"], record["finish_reason"]) == (4, "stop")
    assert record["cost_usd"] == record["input_tokens"] + 8
    assert "hello" not in str(record), "no bodies"


async def test_a_request_that_was_turned_away_has_a_record_too(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        answers = await asyncio.gather(
            proxy.chat("nobody"), proxy.post("/nowhere", b""), proxy.post("/v1/messages", b"{")
        )
        proxy.app.log.flush()
        told = {record["request_id"]: record["code"] for record in proxy.log}
    assert told == {answer.headers["x-request-id"]: answer.status for answer in answers}
    assert sorted(told.values()) == [400, 404, 404]


AFFINE = """
providers:
  v: {{kind: openai, api_base: {base}/v1, no_key_required: true}}
  w: {{kind: openai, api_base: {other}/v1, no_key_required: true}}
rules:
  - name: r
    request_model: "m*"
    services: [{{provider: v, model: sim}}, {{provider: w, model: sim}}]
    affinity: {{by: header, header: x-session-id}}
    retries: {{max_retries: 0}}
    health: {{consecutive_error_threshold: 1, probe_enabled: false}}
"""


async def test_what_is_recent_says_why_it_went_where_it_went(tmp_path):
    async with (
        SimulatedVendor() as one,
        SimulatedVendor() as other,
        proxied(tmp_path, AFFINE.format(base=one.base, other=other.base)) as proxy,
    ):
        body = {"model": "mine", "messages": [{"role": "user", "content": "hello"}]}
        for vendor in (one, other):
            vendor.always(Fault.status(500))
        await proxy.post("/v1/chat/completions", body, {"x-session-id": "s"})
        for vendor in (one, other):
            vendor.always(None)
        await proxy.post("/v1/chat/completions", body, {"x-session-id": "s"})
        await proxy.chat("nobody")
        turned_away, forced, failed = (await proxy.admin("/recent")).json
    assert "why" not in turned_away
    assert failed["why"]["rule"] == "request_model glob 'm*' matches"
    assert [a["why"] for a in failed["attempts"]] == [
        "by affinity (header x-session-id), among v/sim, w/sim (tier 0)",
        "the only one left of tier 0",
    ]
    assert [a["passed_over"] for a in failed["attempts"]] == [[], []], (
        "one that this request has tried is no news"
    )
    assert "is asked all the same" in forced["attempts"][0]["why"]
    assert [p["service"] for p in forced["why"]["none_usable"]] == ["v/sim", "w/sim"]
    assert all(": server_error (status 500)" in p["why"] for p in forced["why"]["none_usable"])


async def test_recent_requests_are_remembered_without_what_they_said(tmp_path):
    """Fifty bodies of 32 MiB would be a lot to keep for a page that nobody looks at."""
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        await proxy.chat("m", "a secret word")
        await proxy.settled()
        assert len((await proxy.admin("/recent")).json) == 1
        gc.collect()
        assert [
            one
            for one in gc.get_objects()
            if isinstance(one, Inbound) and b"a secret word" in one.body
        ] == []


async def test_what_went_wrong_is_not_pushed_out_by_what_went_well(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        failed = await proxy.chat("nobody")
        vendor.script(Fault.status(500))
        retried = await proxy.chat("m")
        for _ in range(RECENT):
            await proxy.chat("m")
        usual, unusual = (
            (await proxy.admin("/recent")).json,
            (await proxy.admin("/recent?unusual=1")).json,
        )
    assert (len(usual), {r["code"] for r in usual}, {len(r["attempts"]) for r in usual}) == (
        RECENT,
        {200},
        {1},
    )
    assert [r["request_id"] for r in unusual] == [
        a.headers["x-request-id"] for a in (retried, failed)
    ]
