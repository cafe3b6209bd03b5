"""What each fault looks like on the wire."""

from __future__ import annotations

import asyncio
import zlib

import orjson
import pytest

from pilotfish.simulated import Fault
from pilotfish.simulated.behaviour import HUGE_LINE_BYTES

CHAT = "/v1/chat/completions"
USER = [{"role": "user", "content": "hello"}]


async def events(raw) -> list[bytes]:
    """The chunks of a body that ends properly."""
    found = []
    while piece := await raw.chunk():
        found.append(piece)
    return found


async def until_cut(raw) -> list[bytes]:
    """The whole chunks of a body that does not end properly."""
    found: list[bytes] = []

    async def collect() -> None:
        while piece := await raw.chunk():
            found.append(piece)

    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await collect()
    return found


def contents(found: list[bytes]) -> int:
    return sum(b'"delta":{"content":"' in event and b'"role"' not in event for event in found)


async def test_reset_comes_before_any_byte(vendor, connect):
    raw = await connect(vendor)
    await raw.send(CHAT, {"model": "sim-reset", "messages": USER})
    with pytest.raises(ConnectionResetError):
        await raw.rest()


async def test_a_silent_vendor_sends_nothing_and_sees_the_client_go(vendor, connect):
    raw = await connect(vendor)
    await raw.send(CHAT, {"model": "sim-silent", "messages": USER})
    await vendor.until_requests(1)
    raw.writer.transport.abort()
    await vendor.until_cancelled()
    assert vendor.cancelled[0].model == "sim-silent"
    assert vendor.cancelled[0].left >= vendor.cancelled[0].when
    assert vendor.cancelled[0].sent == 0


async def test_silent200_sends_the_head_and_then_nothing(vendor, streamed):
    status, _, raw = await streamed("sim-silent200")
    assert status == 200
    raw.writer.write_eof()  # the server must let go when the client does
    assert await raw.rest() == b""


async def test_roleonly_sends_start_up_events_and_then_nothing(vendor, streamed):
    _, _, raw = await streamed("sim-roleonly")
    assert b'"role":"assistant"' in await raw.chunk()
    raw.writer.write_eof()
    assert await raw.rest() == b""


async def test_heartbeats_are_comments_for_openai_and_pings_for_anthropic(vendor, streamed):
    _, _, raw = await streamed("sim-heartbeats-1ms")
    assert [await raw.chunk(), await raw.chunk()] == [b": keep-alive\n\n"] * 2
    _, _, raw = await streamed("sim-heartbeats-1ms", path="/v1/messages", max_tokens=9)
    assert (await raw.chunk()).startswith(b"event: ping\n")


@pytest.mark.parametrize("word", ["cut66", "rst66", "half66"])
async def test_a_cut_stream_stops_after_that_share_of_its_content(vendor, streamed, word):
    _, _, raw = await streamed(f"sim-n6-{word}")
    found = await until_cut(raw)
    if word != "rst66":  # a reset may overtake what was sent before it
        assert contents(found) == 3
    assert b"data: [DONE]\n\n" not in found


async def test_a_cut_within_an_event_leaves_half_a_chunk(vendor, streamed):
    _, _, raw = await streamed("sim-n4-half50")
    rest = await raw.rest()
    assert not rest.endswith(b"\r\n")
    assert rest.rpartition(b"data: ")[2].startswith(b'{"id"')


async def test_a_clean_cut_ends_http_properly_and_the_style_not(vendor, streamed):
    _, _, raw = await streamed("sim-n4-clean50")
    found = await events(raw)
    assert contents(found) == 2
    assert all(b'finish_reason":null' in event for event in found)


async def test_a_cut_whole_answer_is_shorter_than_it_said(vendor, connect):
    raw = await connect(vendor)
    await raw.send(CHAT, {"model": "sim-cut50", "messages": USER})
    _, headers = await raw.head()
    assert len(await raw.rest()) == int(headers["content-length"]) * 50 // 100


async def test_a_stalled_stream_keeps_its_connection(vendor, streamed):
    _, _, raw = await streamed("sim-n4-stall50")
    found = [await raw.chunk() for _ in range(3)]
    assert contents(found) == 2
    raw.writer.write_eof()
    assert await raw.rest() == b""
    await vendor.until_cancelled()
    assert vendor.cancelled[0].sent == 2


@pytest.mark.parametrize("chunks", [1, 2, 7])
async def test_one_malformed_event_comes_after_content_and_the_stream_goes_on(
    vendor, streamed, chunks
):
    _, _, raw = await streamed(f"sim-n{chunks}-malformed")
    found = await events(raw)
    broken = [event for event in found if event == b'data: {"broken": [1, 2\n\n']
    assert len(broken) == 1
    assert contents(found[: found.index(broken[0])]) >= 1
    assert found[-1] == b"data: [DONE]\n\n"


async def test_nodone_ends_after_the_finish_reason(vendor, streamed):
    _, _, raw = await streamed("sim-nodone")
    found = await events(raw)
    assert b'"finish_reason":"stop"' in found[-1]


async def test_nodoneopen_does_not_even_end_the_body(vendor, streamed):
    _, _, raw = await streamed("sim-n1-nodoneopen")
    assert b'"finish_reason":"stop"' in [await raw.chunk() for _ in range(3)][-1]
    raw.writer.write_eof()
    assert await raw.rest() == b""


async def test_error_events_come_before_or_after_content_and_end_the_stream(vendor, streamed):
    _, _, raw = await streamed("sim-n4-err-before")
    before = await events(raw)
    assert (contents(before), b'{"error"' in before[-1]) == (0, True)
    _, _, raw = await streamed("sim-n4-err-after75")
    after = await events(raw)
    assert (contents(after), b'{"error"' in after[-1]) == (3, True)


async def test_an_error_inside_a_whole_answer_has_status_200(vendor, connect):
    raw = await connect(vendor)
    await raw.send(CHAT, {"model": "sim-err-before-close", "messages": USER})
    assert (await raw.head())[0] == 200
    assert orjson.loads(await raw.rest())["error"]["code"] == "server_is_overloaded"


async def test_shortlength_promises_more_than_it_sends(vendor, connect, streamed):
    raw = await connect(vendor)
    await raw.send(CHAT, {"model": "sim-shortlength", "messages": USER})
    _, headers = await raw.head()
    assert 0 < len(await raw.rest()) < int(headers["content-length"])
    _, headers, raw = await streamed("sim-shortlength")
    assert 0 < len(await raw.rest()) < int(headers["content-length"])


async def test_gzip_can_be_read_event_by_event(vendor, streamed):
    _, headers, raw = await streamed("sim-gzip")
    assert headers["content-encoding"] == "gzip"
    unpack = zlib.decompressobj(wbits=31)
    assert unpack.decompress(await raw.chunk()).endswith(b"\n\n")
    assert unpack.decompress(b"".join(await events(raw))).endswith(b"data: [DONE]\n\n")
    assert unpack.eof


async def test_badgzip_begins_well_and_breaks(vendor, connect, streamed):
    _, _, raw = await streamed("sim-badgzip")
    unpack = zlib.decompressobj(wbits=31)
    assert unpack.decompress(await raw.chunk())
    with pytest.raises(zlib.error):
        unpack.decompress(b"".join(await events(raw)))
    raw = await connect(vendor)
    await raw.send(CHAT, {"model": "sim-badgzip-close", "messages": USER})
    await raw.head()
    with pytest.raises(zlib.error):
        zlib.decompress(await raw.rest(), wbits=31)


async def test_badchunk_is_not_a_chunk(vendor, streamed):
    _, _, raw = await streamed("sim-badchunk")
    assert (await raw.rest()).endswith(b"zz\r\n")


@pytest.mark.parametrize("stream", [True, False])
async def test_notjson_is_html_with_200(vendor, streamed, stream):
    status, headers, raw = await streamed("sim-notjson-close", stream=stream)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert (await raw.rest()).startswith(b"<html>")


async def test_hugeline_is_one_event_larger_than_clients_should_take(vendor, streamed):
    _, _, raw = await streamed("sim-hugeline")
    assert max(len(event) for event in await events(raw)) > HUGE_LINE_BYTES


async def test_crlf_ends_lines_the_other_way_but_leaves_frames_alone(vendor, streamed, connect):
    _, _, raw = await streamed("sim-n1-crlf")
    assert all(event.endswith(b"\r\n\r\n") for event in await events(raw))
    bodies = []
    for model in ("sim-n1-crlf", "sim-n1"):
        raw = await connect(vendor)
        await raw.send(
            f"/model/{model}/converse-stream",
            {"messages": [{"role": "user", "content": [{"text": "a\nb"}]}]},
        )
        await raw.head()
        bodies.append(await events(raw))
    assert bodies[0] == bodies[1]


async def test_split_writes_the_same_bytes_in_small_pieces(vendor, streamed):
    _, _, raw = await streamed("sim-n2-split3")
    assert (await events(raw))[-1] == b"data: [DONE]\n\n"


async def test_slowhead_sends_a_head_that_is_whole_in_the_end(vendor, streamed):
    loop = asyncio.get_running_loop()
    status, headers, raw = await streamed("sim-slowhead-30ms")
    assert status == 200
    assert headers["x-simulated-vendor"] == "vendor"
    assert loop.time() - vendor.requests[0].when >= 0.03
    assert (await events(raw))[-1] == b"data: [DONE]\n\n"


async def test_close_says_so_and_stale_does_not(vendor, streamed):
    _, headers, raw = await streamed("sim-n1-close")
    assert headers["connection"] == "close"
    assert (await raw.rest()).endswith(b"0\r\n\r\n")
    _, headers, raw = await streamed("sim-n1-stale")
    assert "connection" not in headers
    assert (await raw.rest()).endswith(b"0\r\n\r\n")


async def test_content_comes_on_time_and_does_not_drift(vendor, streamed):
    """Delays count from the request, so the last event is not late by the sum of all lateness; it
    can never be early.
    """
    loop = asyncio.get_running_loop()
    _, _, raw = await streamed("sim-ttft-30ms-gap-3ms-n20")
    arrivals = []
    while piece := await raw.chunk():
        if contents([piece]):
            arrivals.append(loop.time() - vendor.requests[0].when)
    due = [0.030 + 0.003 * i for i in range(20)]
    assert all(arrival >= planned - 0.001 for arrival, planned in zip(arrivals, due, strict=True))


async def test_a_gate_holds_the_stream_in_mid_content(vendor, streamed):
    gate = asyncio.Event()
    vendor.script(Fault.hold(gate, percent=50))
    _, _, raw = await streamed("sim-n4")
    assert contents([await raw.chunk() for _ in range(3)]) == 2
    waiting = asyncio.ensure_future(raw.chunk())
    done, _ = await asyncio.wait([waiting], timeout=0)
    assert not done
    gate.set()
    assert contents([await waiting]) == 1


async def test_a_gate_holds_a_whole_answer_before_its_head(vendor, connect):
    gate = asyncio.Event()
    vendor.script(Fault.hold(gate))
    raw = await connect(vendor)
    await raw.send(CHAT, {"model": "m", "messages": USER})
    await vendor.until_requests(1)
    assert vendor.requests[0].sent == 0
    gate.set()
    assert (await raw.head())[0] == 200


async def test_a_client_that_does_not_read_stops_the_vendor(vendor, connect):
    """Backpressure: what a client does not take is not piled up here."""
    raw = await connect(vendor)
    raw.writer.transport.pause_reading()
    await raw.send(CHAT, {"model": "sim-n100000", "messages": USER, "stream": True})
    await vendor.until_requests(1)
    raw.writer.transport.abort()
    await vendor.until_cancelled()
    assert vendor.cancelled[0].sent < 100_000


async def test_a_whole_answer_may_be_silent_after_its_head_or_send_white_space_for_ever(
    vendor, streamed
):
    _, _, raw = await streamed("sim-silent200", stream=False)
    raw.writer.write_eof()
    assert await raw.rest() == b""
    _, _, raw = await streamed("sim-heartbeats-1ms", stream=False)
    assert [await raw.chunk(), await raw.chunk()] == [b"\n", b"\n"]


async def test_a_whole_answer_may_stall_or_be_reset_within_its_body(vendor, streamed):
    _, headers, raw = await streamed("sim-stall50", stream=False)
    half = int(headers["content-length"]) * 50 // 100
    assert len(await raw.reader.readexactly(half)) == half
    raw.writer.write_eof()
    assert await raw.rest() == b""
    await vendor.until_cancelled()
    vendor.script(Fault.cut_at(100, "rst"))
    raw.writer.transport.abort()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await (await streamed("m", stream=False))[2].chunk()


async def test_a_stream_as_json_array_is_one_document_and_its_faults_fit_in(vendor, connect):
    async def array(model: str) -> bytes:
        raw = await connect(vendor)
        await raw.send(
            f"/v1beta/models/{model}:streamGenerateContent",
            {"contents": [{"parts": [{"text": "hello"}]}]},
        )
        await raw.head()
        return b"".join(await events(raw))

    good = orjson.loads(await array("sim-n2"))
    assert (
        "".join(reply["candidates"][0]["content"]["parts"][0]["text"] for reply in good)
        == "the small "
    )
    assert [
        reply.get("error", {}).get("code")
        for reply in orjson.loads(await array("sim-n2-err-before"))
    ] == [503]
    assert [
        reply.get("error", {}).get("code")
        for reply in orjson.loads(await array("sim-n2-err-after50"))
    ] == [None, 503]
    for word in ("malformed", "nodone"):
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(await array(f"sim-n2-{word}"))


async def test_a_cut_of_everything_comes_between_content_and_finish(vendor, streamed):
    _, _, raw = await streamed("sim-n3-cut100", path="/v1/messages", max_tokens=9)
    found = await until_cut(raw)
    assert sum(b"text_delta" in event for event in found) == 3
    assert not any(b"message_delta" in event for event in found)
