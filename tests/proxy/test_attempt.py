"""One try at one service: accounted for exactly once, and heard of exactly once."""

from __future__ import annotations

import pytest

from pilotfish.core.model.outcome import Outcome
from pilotfish.credentials.keys import Headers, NoKey, PlainKey, SignedCall
from proxy.scripted import DONE, ROLE, STOP, USAGE, AbsentKey, Parts, World, error, inbound_of, text
from virtual_time import START, in_virtual_time, passes, settles

pytestmark = pytest.mark.interpreted


# ---- failures


@in_virtual_time
async def test_a_refusal_by_the_upstream_is_heard_once_with_its_words():
    parts = Parts(World())
    parts.starts().answers(503, error("too much to do"))
    assert parts.heard == ["failed overloaded 503"]
    assert parts.failure is not None
    assert parts.failure.message == "too much to do"
    assert (parts.record.outcome, parts.record.status) == (Outcome.OVERLOADED, 503)
    assert (parts.state.in_flight, parts.state.health.consecutive) == (0, 1)


@pytest.mark.parametrize(
    ("kind", "outcome", "status"),
    [
        ("connect", Outcome.CONNECT_FAILED, 502),
        ("reset", Outcome.CONNECT_FAILED, 502),
        ("connect_timeout", Outcome.TIMEOUT, 504),
        ("cut", Outcome.SERVER_ERROR, 502),
        ("protocol", Outcome.SERVER_ERROR, 502),
        ("local", Outcome.CONNECT_FAILED, 503),
    ],
)
@in_virtual_time
async def test_a_lost_connection_is_an_outcome_by_how_it_was_lost(kind, outcome, status):
    parts = Parts(World())
    parts.starts().sent().breaks(kind, "in words")
    assert (parts.record.outcome, parts.heard) == (outcome, [f"failed {outcome} {status}"])
    assert parts.failure is not None
    assert (parts.failure.message, parts.failure.local) == ("in words", kind == "local")


@in_virtual_time
async def test_want_of_a_descriptor_here_says_nothing_of_the_service():
    parts = Parts(World())
    parts.starts().breaks("local", "too many open files")
    assert (parts.state.health.consecutive, parts.state.in_flight) == (0, 0)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("outcome", [Outcome.AUTH_FAILED, Outcome.CONNECT_FAILED])
@in_virtual_time
async def test_without_a_credential_nothing_is_sent_and_the_provider_is_named(at_once, outcome):
    world = World("a", keys={"a": [AbsentKey(outcome, at_once=at_once)]}, a="token: {env: KEY}")
    parts = Parts(world)
    parts.attempt.start(START)
    await settles()
    assert (world.calls, parts.heard) == ([], [f"failed {outcome} 502"])
    assert parts.failure is not None
    assert parts.failure.message == "no usable credential for a: the source is away"
    assert parts.state.in_flight == 0


@in_virtual_time
async def test_a_request_that_the_service_cannot_carry_is_refused_where_the_rule_says_so():
    rules = """
    providers: {c: {kind: anthropic, token: {env: KEY}}}
    rules: [{name: chat, unsupported: reject, services: [{provider: c, model: m}]}]
    """
    world = World(rules=rules, keys={"c": [NoKey()]})
    parts = Parts(world, inbound_of(logit_bias={"50256": -100}))
    parts.attempt.start(START)
    assert (world.calls, parts.heard) == ([], ["failed bad_request 400"])
    assert parts.failure is not None
    assert "cannot carry" in parts.failure.message
    assert "logit_bias" in parts.failure.message


@in_virtual_time
async def test_a_broken_stream_is_accounted_with_the_tokens_that_came():
    parts = Parts(World(), inbound_of(stream=True))
    call = parts.starts().streams(ROLE, text("small "))
    await passes(1)
    call.says(text("fish"))
    call.breaks("cut")
    assert parts.heard == ["first token", "failed broken_stream 502"]
    usage = parts.record.usage
    assert usage is not None
    assert (usage.estimated, usage.output > 0) == (True, True)


# ---- cancelled


@pytest.mark.parametrize("outcome", [Outcome.LOST_RACE, Outcome.CLIENT_GONE, Outcome.TIMEOUT])
@in_virtual_time
async def test_a_cancelled_attempt_gives_up_its_connection_and_is_not_heard_of(outcome):
    parts = Parts(World())
    call = parts.starts().sent()
    parts.attempt.cancel(outcome, START + 1)
    parts.attempt.cancel(Outcome.SERVER_ERROR, START + 2)
    assert (call.cancelled, parts.heard) == (True, [])
    assert (parts.record.outcome, parts.record.over_at) == (outcome, START + 1)
    assert (parts.record.failure is not None) is (outcome is Outcome.TIMEOUT)
    assert parts.state.in_flight == 0
    call.listener.on_body(b"what was on its way")
    call.listener.on_end()
    call.listener.on_lost("cut", "late")
    assert parts.heard == []


class SlowKey(PlainKey):
    label = "slow"

    def headers(self, call: SignedCall | None) -> Headers | None:
        return None

    async def fetch(self) -> None:
        await passes(60)
        raise AssertionError("nobody waits for it any more")

    def refused(self, sent: Headers) -> bool:
        return False


@in_virtual_time
async def test_a_cancelled_attempt_stops_waiting_for_its_token():
    world = World("a", keys={"a": [SlowKey()]}, a="token: {env: KEY}")
    parts = Parts(world)
    parts.attempt.start(START)
    await settles()
    parts.attempt.cancel(Outcome.CLIENT_GONE, START)
    await passes(120)
    assert (world.calls, parts.heard) == ([], [])


# ---- served


@in_virtual_time
async def test_a_whole_answer_is_accounted_and_its_connection_kept():
    parts = Parts(World(a="no_key_required: true, limits: {tokens_per_minute: 1000}"))
    call = parts.starts()
    await passes(0.5)
    call.answers()
    assert (parts.heard, parts.drained) == (["complete"], [])
    record = parts.record
    assert record.usage is not None
    assert (record.usage.input, record.usage.output, record.usage.estimated) == (7, 2, False)
    assert (record.outcome, record.finish_reason) == (Outcome.SERVED, "stop")
    assert (record.began, record.sent_at, record.over_at) == (START, START + 0.5, START + 0.5)
    assert parts.state.window(300, START + 1).output_tokens == 2


@in_virtual_time
async def test_a_stream_is_timed_by_its_content_and_not_by_its_head():
    parts = Parts(World(), inbound_of(stream=True))
    call = parts.starts().streams(ROLE)
    await passes(2)
    call.says(text("small "))
    await passes(1)
    call.says(text("fish"))
    await passes(1)
    call.says(STOP, USAGE, DONE)
    record = parts.record
    assert (record.head_at, record.first_at, record.last_at) == (START, START + 2, START + 3)
    assert record.speed() == 2.0
    assert parts.state.ttft.percentile(0.5, START + 5) == 2.0
    assert parts.heard == ["first token", "complete"]


@in_virtual_time
async def test_a_stream_counts_as_waiting_until_its_first_content():
    parts = Parts(World(), inbound_of(stream=True))
    call = parts.starts().streams(ROLE)
    assert parts.state.waiting.expected(START + 7) == 7
    call.says(text("small "))
    assert parts.state.waiting.expected(START + 7) == 0


@in_virtual_time
async def test_an_answer_costs_what_the_rules_say_of_its_tokens():
    rules = """
    providers: {a: {kind: openai_compatible, api_base: 'http://a.test/v1', no_key_required: true}}
    prices: {a/m: {input: 1.0, output: 10.0}}
    rules: [{name: chat, services: [{provider: a, model: m}]}]
    """
    parts = Parts(World(rules=rules))
    parts.starts().answers()
    assert parts.record.cost_usd == pytest.approx((7 * 1.0 + 2 * 10.0) / 1e6)


@in_virtual_time
async def test_a_complete_stream_whose_last_frame_is_missing_may_end_it_by_itself():
    parts = Parts(World(), inbound_of(stream=True))
    call = parts.starts().streams(ROLE, text("fish"), STOP, USAGE, DONE)
    assert (parts.heard, parts.drained) == (["first token", "complete"], [call])
    assert not call.cancelled


@in_virtual_time
async def test_what_the_service_could_not_carry_is_noted_and_the_rest_is_sent():
    rules = """
    providers: {c: {kind: anthropic, token: {env: KEY}}}
    rules: [{name: chat, unsupported: drop, services: [{provider: c, model: m}]}]
    """
    parts = Parts(World(rules=rules, keys={"c": [NoKey()]}), inbound_of(logit_bias={"1": -100}))
    call = parts.starts()
    assert parts.request.dropped_fields == ("logit_bias",)
    assert call.json_sent["model"] == "m"
