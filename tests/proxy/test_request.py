"""One client's request from its first byte to its last, over one service or several."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from pilotfish.core.model.outcome import Outcome
from pilotfish.credentials.keys import NoKey
from pilotfish.proxy.client_answer import ClientAnswer
from pilotfish.telemetry import series as s
from proxy.scripted import DONE, REPLY, ROLE, STOP, USAGE, AbsentKey, Client, World, error, text
from virtual_time import in_virtual_time, passes, settles

pytestmark = pytest.mark.interpreted
NO_RETRIES = "retries: {max_retries: 0}"


def over(world: World) -> bool:
    return len(world.engine.in_flight) == 0 and world.engine.in_flight.idle.is_set()


# ---- nobody serves


@in_virtual_time
async def test_the_last_error_is_the_clients_with_the_upstreams_words_and_headers():
    world = World("a", NO_RETRIES)
    client = world.asks()
    said = error("too busy", type="overloaded")
    world.call(0).answers(503, said, x_vendor="yes", retry_after="9")
    assert (client.status, client.json) == (503, said)
    assert (client.headers["x-vendor"], client.headers["retry-after"]) == ("yes", "9")
    assert client.headers["x-pilotfish-service"] == "a/m"
    assert over(world)


@in_virtual_time
async def test_no_byte_and_no_header_of_a_failed_attempt_reaches_the_client():
    world = World("a b", NO_RETRIES)
    client = world.streams()
    call = world.call(0).sent().head(200, "text/event-stream", x_vendor="first")
    call.says(ROLE)
    call.breaks("cut")
    world.call(1).streams(ROLE, text("second"), STOP, USAGE, DONE)
    assert client.said == "second"
    assert "first" not in client.raw.decode()
    assert client.headers["x-pilotfish-service"] == "b/m"
    assert client.headers["x-pilotfish-attempts"] == "2"
    assert world.outcomes == ["a server_error", "b served"]


@in_virtual_time
async def test_the_same_service_is_asked_again_after_a_while_and_each_time_afresh():
    world = World("a", "retries: {max_retries: 2, base_ms: 500, jitter: 0}")
    client = world.asks(temperature=0.5)
    world.call(0).answers(500)
    await passes(0.4)
    assert len(world.calls) == 1
    await passes(0.2)
    world.call(1).answers(500)
    await passes(0.9)
    assert len(world.calls) == 2
    await passes(0.2)
    world.call(2).answers()
    assert client.status == 200
    assert world.call(0).request == world.call(1).request == world.call(2).request
    assert world.metric(s.RETRIES, "chat") == 2


@in_virtual_time
async def test_an_attempt_that_fails_while_it_is_started_is_followed_by_the_next():
    """Its failure is reported before its start has returned."""

    missing = AbsentKey(Outcome.AUTH_FAILED, at_once=True)
    world = World("a b", NO_RETRIES, keys={"a": [missing]}, a="token: {env: KEY}")
    client = world.asks()
    assert world.asked == ["b"]
    world.call(0).answers()
    assert client.status == 200
    assert world.outcomes == ["a auth_failed", "b served"]


# ---- late


@in_virtual_time
async def test_the_requests_own_time_ends_it_whatever_still_runs():
    world = World("a", "timeouts: {total_s: 20, first_token_s: 100}")
    client = world.asks()
    call = world.call(0).sent()
    await passes(19.9)
    assert client.status == 0
    await passes(0.2)
    assert (client.status, client.json["error"]["code"]) == (504, "timeout")
    assert call.cancelled
    assert over(world)
    assert world.outcomes == ["a timeout"]


@in_virtual_time
async def test_a_waiting_client_of_a_stream_hears_a_comment_every_fifteen_seconds():
    world = World("a", "timeouts: {first_token_s: 100, total_s: 100}")
    client = world.streams()
    call = world.call(0).streams(ROLE)
    await passes(14)
    assert client.raw == b""
    await passes(2)
    assert (client.status, client.body) == (200, b": ping\n\n")
    await passes(15)
    assert client.body == b": ping\n\n" * 2
    call.says(text("at last"), STOP, USAGE, DONE)
    assert client.said == "at last"
    assert client.exchange.finished
    assert client.is_answered


@in_virtual_time
async def test_a_failure_after_a_keep_alive_is_an_error_event_since_the_head_is_out():
    world = World("a", f"timeouts: {{first_token_s: 100, total_s: 100}}, {NO_RETRIES}")
    client = world.streams()
    call = world.call(0).streams(ROLE)
    await passes(16)
    call.breaks("cut", "the upstream went away")
    assert client.status == 200
    assert [e["error"]["message"] for e in client.events] == ["the upstream went away"]
    assert b"[DONE]" not in client.body, "a broken stream has no proper end"


# ---- broken streams


@in_virtual_time
async def test_a_stream_that_breaks_after_content_ends_with_an_error_event():
    world = World("a", "on_stream_break: error")
    client = world.streams()
    world.call(0).streams(ROLE, text("small ")).breaks("cut", "it broke off")
    assert client.said == "small "
    assert client.events[-1]["error"]["message"] == "it broke off"
    assert b"[DONE]" not in client.body
    assert world.log[-1]["error"] == "broken_stream"


@in_virtual_time
async def test_another_service_goes_on_where_a_stream_broke():
    world = World("a b", "on_stream_break: continue")
    client = world.streams()
    world.call(0).streams(ROLE, text("the small pilot fish ")).breaks("cut")
    asked = world.call(1).json_sent["messages"]
    assert "the small pilot fish" in str(asked)
    world.call(1).streams(ROLE, text("swims ahead"), STOP, USAGE, DONE)
    assert client.said == "the small pilot fish swims ahead"
    assert client.events[-1] == "[DONE]"
    assert world.log[-1]["rescued"]


@in_virtual_time
async def test_a_service_that_refuses_a_prefill_is_asked_the_other_way():
    rules = """
    providers:
      a: {kind: openai_compatible, api_base: 'http://a.test/v1', no_key_required: true}
      c: {kind: anthropic, api_base: 'http://c.test', token: {env: KEY}}
    rules:
    - name: chat
      request_model: chat
      on_stream_break: continue
      services: [{provider: a, model: m}, {provider: c, model: m, tier: 1}]
    """
    world = World(rules=rules, keys={"c": [NoKey()]})
    client = world.streams()
    world.call(0).streams(ROLE, text("the small pilot fish ")).breaks("cut")
    assert world.call(1).json_sent["messages"][-1]["role"] == "assistant"
    world.call(1).answers(400, error("no prefill", type="invalid_request_error"))
    assert world.call(2).json_sent["messages"][-1]["role"] == "user"
    world.call(2).breaks("reset")
    assert client.said == "the small pilot fish "


@in_virtual_time
async def test_when_a_service_goes_out_whoever_watches_health_is_woken():
    world = World("a", NO_RETRIES)
    for n in range(3):
        assert not world.health_changed.is_set()
        world.asks()
        world.call(n).answers(500)
    assert world.health_changed.is_set()


@in_virtual_time
async def test_bytes_without_events_can_only_be_broken_off():
    world = World("a")
    client = world.asks("/v1/audio/speech", {"model": "chat", "input": "hello"})
    world.call(0).sent().head(200, "audio/mpeg").body(b"half a so").breaks("cut")
    assert (client.status, client.is_broken_off) == (200, True)


@in_virtual_time
async def test_a_rule_that_buffers_begins_anew_and_the_client_sees_nothing_of_it():
    world = World("a b", "on_stream_break: restart, buffer: true")
    client = world.streams()
    world.call(0).streams(ROLE, text("first ")).breaks("cut")
    assert client.raw == b""
    world.call(1).streams(ROLE, text("second"), STOP, USAGE, DONE)
    assert client.said == "second"


# ---- the client


@in_virtual_time
async def test_a_client_that_leaves_cancels_the_call_at_once_and_is_in_the_log():
    world = World("a")
    client = world.streams()
    call = world.call(0).streams(ROLE, text("small "))
    client.leaves()
    assert call.cancelled
    assert (world.log[-1]["code"], world.outcomes) == (200, ["a client_gone"])
    assert world.metric(s.CLIENT_GONE, "chat") == 1
    assert over(world)
    assert world.ledger.services[("a", "m")].in_flight == 0


@in_virtual_time
async def test_a_client_that_leaves_before_any_answer_has_the_code_499():
    world = World("a")
    client = world.asks()
    client.leaves()
    client.leaves()
    assert [line["code"] for line in world.log] == [499]


@in_virtual_time
async def test_a_client_that_leaves_during_a_backoff_costs_no_second_call():
    world = World("a")
    client = world.asks()
    world.call(0).answers(500)
    client.leaves()
    await passes(30)
    assert (len(world.calls), over(world)) == (1, True)


@in_virtual_time
async def test_a_client_that_does_not_read_stops_the_upstream_from_being_read():
    world = World("a")
    client = world.streams()
    call = world.call(0).streams(ROLE, text("small "))
    request: Any = client.exchange.responder
    request.pause()
    assert call.is_paused
    request.resume()
    assert not call.is_paused


@in_virtual_time
async def test_a_pause_before_anybody_is_relayed_stops_nobody():
    world = World("a")
    client = world.streams()
    request: Any = client.exchange.responder
    request.pause()
    request.resume()
    assert not world.call(0).is_paused


# ---- several at once


@in_virtual_time
async def test_a_hedge_that_speaks_first_is_the_clients_and_the_other_is_given_up():
    world = World("a b", "hedge: {after: 1000, min_ms: 100, budget_percent: 100}")
    client = world.streams()
    first = world.call(0).streams(ROLE)
    await passes(1.1)
    second = world.call(1).streams(ROLE, text("quick"))
    assert (first.cancelled, second.cancelled) == (True, False)
    second.says(STOP, USAGE, DONE)
    assert client.said == "quick"
    assert world.outcomes == ["a lost_race", "b served"]
    assert client.headers["x-pilotfish-attempts"] == "2"


BEST = "race: {strategy: quality, max_parallel: 2, timeout_ms: 5000}"


@in_virtual_time
async def test_a_race_for_quality_is_won_by_the_answer_that_was_not_cut():
    world = World("a b", BEST)
    world.history.record("chat", "a/m").add(True, 0.0)
    client = world.asks()
    cut = {**REPLY, "choices": [{**REPLY["choices"][0], "finish_reason": "length"}]}
    world.call(0).answers(body=cut)
    world.call(1).answers()
    assert (client.json, world.outcomes) == (REPLY, ["a served", "b served"])


@in_virtual_time
async def test_a_streamed_race_for_quality_is_won_by_the_answer_that_fits_the_schema():
    world = World("a b", BEST)
    schema = {"type": "object", "required": ["city"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    client = world.streams(response_format=wanted)
    for n, said in ((0, '{"town":1}'), (1, '{"city":1}')):
        world.call(n).streams(ROLE, text(said), STOP, USAGE, DONE).end()
    assert client.said == '{"city":1}'


@in_virtual_time
async def test_a_race_is_won_by_the_first_content_and_not_by_the_first_head():
    world = World("a b", "race: {strategy: first_wins, max_parallel: 2, timeout_ms: 5000}")
    client = world.streams()
    world.call(0).streams(ROLE)
    world.call(1).streams(ROLE, text("won"), STOP, USAGE, DONE)
    assert client.said == "won"
    assert world.call(0).cancelled
    assert world.outcomes == ["a lost_race", "b served"]


# ---- served


@in_virtual_time
async def test_a_whole_answer_passes_as_it_is_with_our_headers_beside_the_upstreams():
    world = World("a")
    client = world.asks(headers=[("x-request-id", "mine-1")])
    world.call(0).answers(200, REPLY, x_vendor="yes", server="theirs")
    assert (client.status, client.json, client.is_answered) == (200, REPLY, True)
    head = client.headers
    assert (head["x-request-id"], head["x-pilotfish-rule"]) == ("mine-1", "chat")
    assert (head["x-pilotfish-service"], head["x-pilotfish-attempts"]) == ("a/m", "1")
    assert (head["x-vendor"], "server" in head) == ("yes", False)
    assert over(world)


@in_virtual_time
async def test_a_stream_reaches_the_client_event_by_event():
    world = World("a")
    client = world.streams()
    call = world.call(0).streams(ROLE)
    assert client.raw == b""
    call.says(text("small "))
    assert client.said == "small "
    call.says(text("fish"))
    assert client.said == "small fish"
    call.says(STOP, USAGE, DONE)
    assert client.events[-1] == "[DONE]"
    assert over(world)
    line = world.log[-1]
    assert (line["input_tokens"], line["output_tokens"], line["finish_reason"]) == (7, 2, "stop")


# ---- errors of the proxy's own


@in_virtual_time
async def test_a_bug_while_the_answer_is_begun_is_a_500_and_gives_the_call_up(monkeypatch):
    world = World("a")
    client = world.asks()
    call = world.call(0).sent()

    def fails(*_: Any) -> None:
        raise LookupError("a bug of ours")

    monkeypatch.setattr(ClientAnswer, "keep_alive", fails)
    with capture_logs() as logged:
        await passes(0.1)
    assert [entry["event"] for entry in logged] == ["bug"]
    assert (client.status, client.json["error"]["code"]) == (500, "internal_error")
    assert call.cancelled
    assert over(world)


@in_virtual_time
async def test_a_bug_while_a_stream_is_read_ends_it_with_an_error_event(monkeypatch):
    world = World("a", "on_stream_break: error")
    client = world.streams()
    world.call(0).streams(ROLE, text("small "))

    def fails(*_: Any) -> None:
        raise LookupError("a bug of ours")

    monkeypatch.setattr(ClientAnswer, "keep_alive", fails)
    with capture_logs():
        await passes(0.1)
    assert client.said == "small "
    assert client.events[-1]["error"]["code"] == "internal_error"
    assert over(world)


@in_virtual_time
async def test_a_bug_that_keeps_even_the_error_from_being_told_breaks_the_connection_off(
    monkeypatch,
):
    world = World("a")
    client = world.asks()

    def fails(*_: Any, **__: Any) -> None:
        raise LookupError("a bug of ours")

    monkeypatch.setattr(ClientAnswer, "keep_alive", fails)
    monkeypatch.setattr(ClientAnswer, "reply_failure", fails)
    with capture_logs() as logged:
        await passes(0.1)
    assert [entry["event"] for entry in logged] == ["bug", "bug"]
    assert client.is_broken_off
    assert over(world)


@in_virtual_time
async def test_after_its_end_a_request_hears_of_nothing_any_more():
    world = World("a")
    client = world.asks()
    request: Any = client.exchange.responder
    world.call(0).answers()
    raw = client.raw
    request.tick(10_000.0)
    request.on_client_disconnect()
    request.fail_internal()
    await settles()
    assert client.raw == raw
    assert len(world.log) == 1


def test_the_harness_reads_an_answer_in_chunks():
    client = Client("/v1/chat/completions", [], b"{}")
    client.exchange.start(200, [])
    client.exchange.write(b"one")
    client.exchange.end(b"two")
    assert (client.status, client.body) == (200, b"onetwo")
