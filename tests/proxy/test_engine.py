"""What the engine does with a request before, and beside, its way through the services."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from pilotfish.credentials.keys import Headers, PlainKey, SignedCall
from pilotfish.http1.origin import Origin
from pilotfish.telemetry import series as s
from proxy.scripted import DONE, ROLE, STOP, USAGE, World, rules_text, text
from virtual_time import in_virtual_time, passes, settles

pytestmark = pytest.mark.interpreted


# ---- what never becomes a request


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/nothing", None, 404, "unknown_path"),
        ("/v1/chat/completions", b"{not json", 400, None),
        ("/v1/chat/completions", b"[]", 400, None),
        ("/v1/chat/completions", {"model": 7, "messages": []}, 400, "invalid_model"),
        ("/v1/chat/completions", {"model": "../x/..", "messages": []}, 400, "invalid_model"),
        ("/v1/chat/completions", {"model": "unheard-of", "messages": []}, 404, "model_not_found"),
    ],
)
@in_virtual_time
async def test_what_cannot_be_routed_is_answered_at_once_and_nobody_is_asked(
    path, body, status, code
):
    world = World()
    client = world.asks(path, body)
    assert (client.status, world.calls) == (status, [])
    assert code is None or client.error["code"] == code
    assert client.headers["x-pilotfish-attempts"] == "0"
    assert [(line["code"], line["rule"]) for line in world.log] == [(status, None)]
    assert len(world.engine.in_flight) == 0


@in_virtual_time
async def test_a_bad_request_of_another_style_is_told_in_that_style():
    client = World().asks("/v1/messages", b"nonsense")
    assert client.status == 400
    assert client.json["type"] == "error"


@in_virtual_time
async def test_before_good_rules_and_while_it_drains_it_says_when_to_come_back():
    world = World()
    world.engine.ready = False
    client = world.asks()
    assert (client.status, client.error["code"]) == (503, "no_rules")
    assert client.headers["retry-after"] == "1"
    world.engine.ready, world.engine.draining = True, True
    assert world.asks().error["code"] == "draining"
    assert world.calls == []


@in_virtual_time
async def test_more_requests_than_it_takes_are_refused_until_one_is_over():
    world = World(max_in_flight=2)
    world.asks()
    world.asks()
    refused = world.asks()
    assert (refused.status, refused.error["code"]) == (503, "overloaded")
    world.call(0).answers()
    assert world.asks().status == 0, "it is under way"
    assert len(world.calls) == 3


@in_virtual_time
async def test_a_bug_costs_one_request_and_is_in_the_log_with_its_traceback(monkeypatch):
    world = World()

    def fails(*_: Any) -> None:
        raise LookupError("a bug of ours")

    monkeypatch.setattr(world.router, "take", fails)
    with capture_logs() as logged:
        client = world.asks()
    assert (client.status, client.error["code"]) == (500, "internal_error")
    assert "a bug of ours" not in client.body.decode()
    assert [entry["event"] for entry in logged] == ["bug"]
    monkeypatch.undo()
    world.asks()
    world.call(0).answers()
    assert world.log[-1]["code"] == 200


@in_virtual_time
async def test_what_the_server_refuses_is_answered_in_the_style_of_its_path_and_counted():
    world = World()
    client = world.asks()
    world.engine.refuse(client.exchange, 413, "larger than 10 bytes")
    assert (client.status, client.error["message"]) == (413, "larger than 10 bytes")
    assert world.metric(s.REQUESTS, "", "openai", "413") == 1


@pytest.mark.parametrize(
    ("given", "kept"), [("mine-1", True), ("not ok", False), ("x" * 129, False), ("", False)]
)
@in_virtual_time
async def test_a_clients_request_id_is_kept_where_it_is_one(given, kept):
    client = World().asks(body=b"nonsense", headers=[("x-request-id", given)])
    assert (client.headers["x-request-id"] == given) is kept
    assert client.headers["x-request-id"]


# ---- token counts


@in_virtual_time
async def test_where_no_service_counts_tokens_the_answer_is_an_estimate_and_says_so():
    world = World()
    client = world.asks(
        "/v1/messages/count_tokens",
        {"model": "chat", "messages": [{"role": "user", "content": "how many are these"}]},
    )
    assert (client.status, client.headers["x-pilotfish-estimated"]) == (200, "true")
    assert client.json["input_tokens"] > 0
    assert world.calls == []


# ---- limits in common


class Shared:
    """Limits in common with other proxies, which take their time."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], int]] = []
        self.gate = asyncio.Event()

    async def reserve(self, candidates: Any, tokens: int) -> None:
        self.asked.append(([c.service.id for c in candidates], tokens))
        await self.gate.wait()

    async def find(self, ids: Any) -> None:
        raise AssertionError("nothing is named")


@in_virtual_time
async def test_a_request_waits_for_the_limits_in_common_and_then_goes():
    shared = Shared()
    world = World("a b", shared=shared)
    client = world.asks()
    await settles()
    assert (world.calls, [names for names, _ in shared.asked]) == ([], [["a/m", "b/m"]])
    shared.gate.set()
    await settles()
    world.call(0).answers()
    assert client.status == 200


@pytest.mark.parametrize("streams", [False, True])
@in_virtual_time
async def test_a_request_whose_limits_took_long_to_ask_for_is_served_all_the_same(streams):
    shared = Shared()
    world = World("a b", shared=shared)
    client = world.streams() if streams else world.asks()
    await passes(1.0)  # the clock is looked at meanwhile
    shared.gate.set()
    await settles()
    if streams:
        world.call(0).streams(ROLE, text("said"), STOP, USAGE, DONE)
        assert client.said == "said"
    else:
        world.call(0).answers()
        assert client.status == 200
    assert len(world.engine.in_flight) == 0


@in_virtual_time
async def test_a_client_that_left_while_limits_were_asked_costs_no_call():
    shared = Shared()
    world = World(shared=shared)
    client = world.asks()
    await settles()
    client.leaves()
    shared.gate.set()
    await settles()
    assert (world.calls, len(world.engine.in_flight)) == ([], 0)


# ---- rules that change


@in_virtual_time
async def test_requests_under_way_go_on_with_the_rules_they_began_with():
    world = World("a")
    before = world.streams()
    world.adopt(rules_text("b", "", {}))
    after = world.asks()
    assert world.asked == ["a", "b"]
    world.call(0).answers()
    world.call(1).answers()
    assert (before.status, after.status) == (200, 200)


@in_virtual_time
async def test_pools_of_origins_that_nobody_names_any_more_are_closed_and_others_kept():
    world = World("a b", "retries: {max_retries: 0}")
    world.asks()
    world.call(0).answers(503)
    pools = dict(world.engine.pools)
    world.adopt(rules_text("b c", "", {}))
    closed = {origin.host: pool.closed for origin, pool in pools.items()}
    assert closed == {"a.test": True, "b.test": False}
    assert world.engine.pools[Origin("http", "b.test", 80)] is pools[Origin("http", "b.test", 80)]


# ---- beside the requests


class RotatedKey(PlainKey):
    label = "a file"
    is_replaced = False

    def headers(self, call: SignedCall | None) -> Headers | None:
        return ((b"authorization", b"Bearer of-a-test"),)

    async def fetch(self) -> None: ...
    def refused(self, sent: Headers) -> bool:
        return False

    def replaced(self) -> bool:
        return self.is_replaced


@in_virtual_time
async def test_a_refused_key_is_tried_again_once_its_source_has_changed():
    key = RotatedKey()
    world = World("a", keys={"a": [key]}, a="token: {env: KEY}")
    world.asks()
    world.call(0).answers(401, {"error": {"message": "no such key"}})
    world.engine.sweep(0.0)
    assert world.asks().status == 503
    key.is_replaced = True
    world.engine.sweep(0.0)
    client = world.asks()
    world.call(1).answers()
    assert client.status == 200


@in_virtual_time
async def test_requests_in_flight_are_counted_by_rule_and_none_is_left():
    world = World()
    world.asks()
    world.streams()
    assert world.engine.in_flight_by_rule() == {"chat": 2}
    for call in world.calls:
        call.answers(500)
    await passes(60)
    for call in world.calls[2:]:
        call.answers()
    assert world.engine.in_flight_by_rule() == {}
    assert world.engine.in_flight.idle.is_set()


@in_virtual_time
async def test_at_its_end_it_closes_every_pool():
    world = World()
    world.asks()
    world.engine.close()
    assert [pool.closed for pool in world.engine.pools.values()] == [True]
