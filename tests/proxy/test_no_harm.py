"""What clients feel of a vendor's trouble: never more than the vendor's own, and one step."""

from __future__ import annotations

import asyncio

import pytest

from pilotfish.credentials.keys import NoKey
from proxy.scripted import World, error
from virtual_time import in_virtual_time, passes

pytestmark = pytest.mark.interpreted


@in_virtual_time
async def test_after_a_429_without_a_word_clients_are_told_small_steps():
    """They were told 60, 300, 1500 and 3600 s within four requests."""
    world = World("a", "retries: {max_retries: 0, max_ms: 1000}")  # so that no wait is waited out
    told = []
    for n in range(4):
        client = world.asks()
        if n % 2 == 0:  # the trial; nobody is asked between two of them
            world.call(n // 2).answers(429, error("slow down"))
        told.append((client.status, client.headers.get("retry-after")))
        await passes(5.1 if n == 1 else 0.0)
    assert told == [(429, "5"), (429, "5"), (429, "10"), (429, "10")]
    assert len(world.calls) == 2


@in_virtual_time
async def test_a_model_that_always_fails_stays_out_longer_each_time_whatever_its_list_says():
    """It came back after every step for ever, since a list of models was taken for a recovery."""
    world = World("a", "retries: {max_retries: 0}, health: {consecutive_error_threshold: 1}")
    health = world.ledger.services["a", "m"].health
    steps = []
    for n in range(4):
        world.asks()
        world.call(n).answers(500, error("oops"))
        left = health.until - asyncio.get_running_loop().time()
        steps.append(round(left))
        await passes(left + 0.1)
    assert steps == [5, 10, 20, 40]
    assert health.trips >= 1


@in_virtual_time
async def test_a_denial_of_one_model_is_not_felt_by_the_others_of_its_key():
    """Bedrock's AccessDenied for one model took every model of the credential out."""
    world = World(
        rules="""
        defaults: {retries: {max_retries: 0}}
        providers:
          a: {kind: bedrock, api_base: "http://a.test", options: {region: eu-west-1}}
        rules:
        - {name: one, request_model: one, services: [{provider: a, model: one}]}
        - {name: two, request_model: two, services: [{provider: a, model: two}]}
        """,
        keys={"a": [NoKey()]},
    )
    denied = world.asks(body={"model": "one", "messages": [{"role": "user", "content": "hello"}]})
    world.call(0).answers(
        403,
        {"message": "You don't have access to the model with the specified model ID."},
        x_amzn_errortype="AccessDeniedException",
    )
    assert denied.status == 403
    [credential] = world.ledger.credentials["a"]
    assert not credential.out
    other = world.asks(body={"model": "two", "messages": [{"role": "user", "content": "hello"}]})
    said = {"output": {"message": {"role": "assistant", "content": [{"text": "small fish"}]}}}
    world.call(1).answers(body={**said, "stopReason": "end_turn"})
    assert other.json["choices"][0]["message"]["content"] == "small fish"


@in_virtual_time
async def test_a_key_without_money_is_left_alone_and_said_to_be_so():
    world = World("a", "retries: {max_retries: 0}")
    quota = error("You exceeded your current quota", code="insufficient_quota")
    first = world.asks()
    world.call(0).answers(429, quota)
    second = world.asks()
    assert first.status == 429
    assert "not paid for" in first.error["message"]
    assert (second.status, len(world.calls)) == (503, 1), "it is not asked again"
    assert "a" in second.error["message"]
