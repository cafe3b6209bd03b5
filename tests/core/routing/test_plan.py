"""Which services may serve a request now, in which order, and why the others may not."""

from __future__ import annotations

from core.routing.playbook import House, short
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.routing.plan import (
    COOLING,
    HEADROOM,
    LIMITED,
    ON_TRIAL,
    REFUSED,
    TRIAL_POLL_S,
    Home,
    Plan,
)
from pilotfish.core.routing.rule_state import RuleState, op_for
from pilotfish.core.state.affinity import AffinityTable, session_key
from pilotfish.core.state.headroom import VendorLimits
from pilotfish.core.state.health import PROBING

FULL = "no_key_required: true, limits: {concurrency: 1}"
BLOCK = "{ops: [{position: stream, operation: equals, value: 'true'}], services: [{provider: c, model: m}, {provider: a, model: m}]}"


def usable(plan: Plan, now: float = 0.0, reason: str = "") -> str:
    found = plan.usable(now, reason)
    return "" if found is None else " ".join(short(c.service) for c in found[2])


def taken(plan: Plan, now: float = 0.0) -> str:
    """All that a request would try, one after the other."""
    names = []
    while (c := plan.next(now)) is not None:
        plan.tried.append(c.state)
        names.append(short(c.service))
    return " ".join(names)


# ---- why not


def test_a_service_that_serves_has_nothing_in_its_way() -> None:
    house = House("a")
    assert house.plan().obstacle(house.candidate("a"), 0) is None


def test_a_cooling_service_awaits_its_probe_once_its_time_is_over() -> None:
    house = House("a")
    house.happened("a", Outcome.SERVER_ERROR, 0, times=3)
    plan, a = house.plan(), house.candidate("a")
    assert plan.obstacle(a, 4) == COOLING
    assert plan.obstacle(a, 5) is None, "it is on trial, and nobody tries it yet"


def test_one_request_at_a_time_tries_a_service_whose_cooldown_is_over() -> None:
    """Whether it is probed in the background or not: a trial does not wait for a probe."""
    house = House("a")
    [c] = house.plan().candidates()
    house.happened("a", Outcome.SERVER_ERROR, 0, times=3)
    assert house.plan().obstacle(c, 4) == COOLING
    assert house.plan().obstacle(c, 5) is None
    house.ledger.begin(c, 0, 0, 5)
    assert house.plan().obstacle(c, 5) == ON_TRIAL


def test_a_provider_whose_key_was_refused_has_none() -> None:
    house = House("a a/other", a="token: {env: KEY}")
    house.happened("a/other", Outcome.AUTH_FAILED, 0)
    assert house.plan().obstacle(house.candidate("a"), 1) == REFUSED


def test_a_vendors_limit_that_does_not_cover_the_request_is_left_before_it_refuses() -> None:
    house = House("a")
    a = house.candidate("a")
    a.state.headroom.observe(VendorLimits(remaining={"tokens": 500.0}, reset_s={"tokens": 30.0}), 0)
    assert house.plan(tokens=501).obstacle(a, 1) == HEADROOM
    assert house.plan(tokens=500).obstacle(a, 1) is None
    assert house.plan(tokens=501).obstacle(a, 30) is None


def test_a_limit_of_ours_is_told_in_words() -> None:
    house = House("a", a=FULL)
    a, plan = house.candidate("a"), house.plan()
    house.request().begins(0)
    assert plan.obstacle(a, 0) == LIMITED
    assert plan.passed(a, LIMITED, 0).detail == "1 requests at once are the limit of provider a"


# ---- in which order


def test_the_lowest_tier_with_a_usable_service_comes_first_and_each_service_once() -> None:
    assert taken(House("a@1 b c@2 d").plan()) == "b d a c"


def test_services_that_the_rules_switch_off_are_not_there() -> None:
    rule = "services: [{provider: a, model: m, active: false}, {provider: b, model: m}, {provider: c, model: m}]"
    house = House("", rule, others="a b c", b="no_key_required: true, enabled: false")
    assert taken(house.plan()) == "c"
    assert [(short(s), why) for s, why in house.rule_states["chat"].own.left_out] == [
        ("a", "inactive"),
        ("b", "its provider is disabled"),
    ]


def test_a_blocks_services_come_first_and_none_of_them_twice() -> None:
    house = House("a b", f"smart_routing: [{BLOCK}]", others="c")
    assert taken(house.plan()) == "a b"
    assert taken(house.plan(block=0)) == "c a b"


def test_only_services_that_know_an_operation_are_asked_for_it() -> None:
    house = House("a", "fallbacks: [cl/m]", more="  cl: {kind: anthropic, token: {env: KEY}}")
    assert taken(house.plan(op="chat")) == "a cl"
    assert taken(house.plan(op="embeddings")) == "a"
    assert taken(house.plan(op="count_tokens")) == "cl"


def test_what_another_styles_service_answers_as_well() -> None:
    house = House("a", "fallbacks: [g/m]", more="  g: {kind: google, token: {env: KEY}}")
    a, g = (house.candidate(name).service for name in "ag")
    assert [op_for(s, "messages") for s in (a, g)] == ["chat", "generate"]
    assert [op_for(s, "google_embeddings") for s in (a, g)] == ["embeddings", "google_embeddings"]
    assert [op_for(s, "rerank") for s in (a, g)] == ["rerank", None]


def test_affinity_is_a_preference_within_what_is_usable() -> None:
    house = House("a b c")
    key = session_key("chat", "session-1")
    assert key is not None
    home = Home(AffinityTable(), key, 60.0)

    def next_at(now: float) -> str:
        found = Plan(
            house.rule_states["chat"], house.ledger, op="chat", tokens=1, rng=house.rng, home=home
        ).next(now)
        assert found is not None
        return short(found.service)

    first = next_at(0)
    assert {next_at(now) for now in range(1, 9)} == {first}
    house.happened(first, Outcome.RATE_LIMITED, 10, wait_s=100)
    second = next_at(11)
    assert second != first
    house.state(first).health.come_back(1)
    assert next_at(12) == second  # the one that took over is the home now, though the first is back


def test_asking_for_the_order_changes_nothing() -> None:
    plan = House("a b").plan()
    found = plan.usable(0)
    assert found is not None
    chosen_from, _, usable = found
    orders = {
        tuple(short(c.service) for c in plan.ordered(chosen_from, usable, 0)) for _ in range(30)
    }
    assert orders == {("a", "b")}
    assert plan.tried == []


def test_a_reason_asks_only_services_marked_for_it_and_of_another_model() -> None:
    rule = """fallback_on: [context_length], services: [{provider: a, model: m}, {provider: b, model: m},
        {provider: c, model: n, fallback_on: []}, {provider: d, model: n}]"""
    house = House("", rule, others="a b c d")
    plan = house.plan()
    plan.tried.append(house.state("a"))
    assert usable(plan) == "b c/n d/n"
    assert usable(plan, reason="context_length") == "d/n"


# ---- all are out


def test_spare_is_the_cooling_service_that_comes_back_first() -> None:
    house = House("a b c")
    house.happened("b", Outcome.SERVER_ERROR, 0, times=3)
    house.happened("c", Outcome.SERVER_ERROR, 1, times=3)
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=5)
    plan = house.plan()
    spare = plan.last_resort(2)
    assert spare is not None
    assert short(spare.service) == "b"
    plan.tried += [house.state("b"), house.state("c")]
    assert plan.last_resort(2) is None


def test_a_service_that_serves_is_no_spare() -> None:
    assert House("a").plan().last_resort(0) is None


def test_a_told_service_is_spare_only_when_its_first_request_has_been_quiet_for_a_while() -> None:
    house = House("a")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=5)
    house.ledger.begin(house.candidate("a"), 0, 0, 5)
    assert house.ledger.state_of(house.state("a"), 5) == PROBING
    plan = house.plan()
    assert plan.last_resort(5.5) is None
    assert plan.last_resort(5 + 1) is not None


def test_a_comeback_is_the_earliest_time_that_a_service_named() -> None:
    house = House("a b c")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=9)
    house.happened("b", Outcome.RATE_LIMITED, 0, wait_s=4)
    house.happened("c", Outcome.SERVER_ERROR, 0, times=3)
    back = house.plan().earliest_retry_after(1)
    assert back is not None
    assert (back[0], short(back[1].service)) == (4, "b")


def test_a_probe_under_way_is_asked_after_in_a_moment() -> None:
    house = House("a")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=5)
    house.ledger.begin(house.candidate("a"), 0, 0, 6)
    back = house.plan().earliest_retry_after(6)
    assert back is not None
    assert back[0] == 6 + TRIAL_POLL_S


def test_nothing_comes_back_without_a_key_or_before_its_limit_has_room() -> None:
    house = House(
        "a a/other b",
        a="token: {env: KEY}",
        b="no_key_required: true, limits: {requests_per_minute: 1}",
    )
    for name in ("a", "a/other", "b"):
        house.happened(name, Outcome.RATE_LIMITED, 0, wait_s=5)
    house.happened("a/other", Outcome.AUTH_FAILED, 1)
    house.budgets.take(house.candidate("b"), 0, 0)
    back = house.plan().earliest_retry_after(1)
    assert back is not None
    assert (back[0], short(back[1].service)) == (61, "b")


def test_room_is_when_a_limit_next_has_some() -> None:
    house = House("a b", a="no_key_required: true, limits: {requests_per_minute: 1}")
    plan = house.plan(tokens=100)
    assert plan.room_at(0) is None
    house.budgets.take(house.candidate("a"), 0, 0)
    house.candidate("b").state.headroom.observe(
        VendorLimits(remaining={"tokens": 5.0}, reset_s={"tokens": 30.0}), 0
    )
    assert plan.room_at(1) == 30
    house.candidate("b").state.headroom.observe(VendorLimits(remaining={"tokens": 500.0}), 2)
    assert plan.room_at(2) == 61


def test_the_earliest_recovery_counts_every_kind_of_wait() -> None:
    house = House("a b c", b="tokens: [{env: ONE}, {env: TWO}]", c="token: {env: KEY}")
    plan = house.plan()
    assert plan.earliest(0) is None
    house.happened("c", Outcome.AUTH_FAILED, 0)
    assert plan.earliest(0) is None  # nobody knows when a key is put right
    house.happened("a", Outcome.SERVER_ERROR, 0, times=3)
    assert plan.earliest(1) == 4
    house.happened("b", Outcome.RATE_LIMITED, 0, wait_s=3)
    assert plan.earliest(1) == 2


def test_the_earliest_recovery_counts_room_in_our_limits_but_never_promises_less_than_a_second() -> (
    None
):
    house = House("a", a=FULL)
    house.request().begins(0)
    assert house.plan().earliest(0) == 1


def test_room_at_a_service_that_this_request_has_tried_is_no_room() -> None:
    house = House("a", a=FULL)
    house.request().begins(0)
    plan = house.plan()
    assert plan.room_at(0) == 0  # when a request ends, nobody knows when
    plan.tried.append(house.state("a"))
    assert plan.room_at(0) is None


# ---- rule_states


def test_a_reload_keeps_a_rules_budgets_and_takes_its_new_numbers() -> None:
    old, new = (
        House("a", "retries: {budget_percent: 20}").rule_states["chat"],
        House("a", "retries: {budget_percent: 50}"),
    )
    for _ in range(10):
        old.retries.request(0)
    for _ in range(3):
        old.retries.take(0)
    assert not old.retries.is_free(0)
    rule_state = RuleState(new.rule_states["chat"].rule, new.ledger, old)
    assert rule_state.retries.is_free(0)
    assert rule_state.retries is old.retries
