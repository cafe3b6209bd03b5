"""Why a request that is over went where it went: what its plan has kept, in words."""

from __future__ import annotations

from typing import Any

from core.routing.playbook import House, Story
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.routing.decision_trace import MAX_NAMED, decision_trace
from pilotfish.core.routing.plan import PASSED_KEPT, Home, Plan
from pilotfish.core.state.affinity import AffinityTable, session_key
from pilotfish.core.state.headroom import VendorLimits

WALL = 1_700_000_000.0  # 2023-11-14T22:13:20Z, when the plan's clock says 0
BLOCK = "{ops: [{position: token, operation: ge, value: '500'}, {position: stream, operation: equals, value: 'true'}], services: [{provider: c, model: m}], description: long}"


def of(
    house: House,
    plan: Plan,
    *attempts: str,
    model: str = "m",
    scenario: str = "openai",
    forced: bool = False,
) -> dict[str, Any]:
    """The `why` of a record; its `attempts` beside it."""
    tried: list[dict[str, Any]] = [
        {"service": a if "/" in a else f"{a}/m", **({"forced": True} if forced else {})}
        for a in attempts
    ]
    return {
        **decision_trace(plan, tried, house.snapshot, model=model, scenario=scenario, wall=WALL),
        "attempts": tried,
    }


def of_story(story: Story, *attempts: str, **more: Any) -> list[Any]:
    return [a["why"] for a in of(story.house, story.plan, *attempts, **more)["attempts"]]


def test_a_service_that_cooled_then_is_named_with_its_time_of_then() -> None:
    """What is known of it changes later; why it was passed over does not."""
    house = House("a b")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=30)
    plan = house.plan()
    plan.next(10)
    house.ledger.reset(2.0, "a")
    [attempt] = of(house, plan, "b")["attempts"]
    assert attempt["why"] == "the only one usable of tier 0"
    assert attempt["passed_over"] == [
        {
            "service": "a/m",
            "why": "cooling until 2023-11-14T22:13:50Z (20 s): rate_limited (status 429, asked to wait 30 s)",
        }
    ]


def test_what_was_left_of_a_vendors_limits_then_is_told() -> None:
    house = House("a b")
    left = house.candidate("a").state.headroom
    left.observe(VendorLimits(remaining={"tokens": 50.0}, reset_s={"tokens": 60.0}), 0)
    plan = house.plan(tokens=100)
    plan.next(0)
    left.observe(VendorLimits(remaining={"tokens": 9000.0}, reset_s={"tokens": 60.0}), 1)
    [passed] = of(house, plan, "b")["attempts"][0]["passed_over"]
    assert (
        passed["why"]
        == "rate limit nearly used up: tokens 50 left, this request needs about 100 tokens; until 2023-11-14T22:14:20Z"
    )


def test_a_first_tier_that_is_out_is_passed_over_for_the_next_that_is_as_large() -> None:
    house = House("a b@1")
    house.happened("a", Outcome.SERVER_ERROR, 0, times=3)
    plan = house.plan()
    plan.next(1)
    [attempt] = of(house, plan, "b")["attempts"]
    assert attempt["why"] == "the only one usable of tier 1"
    assert [p["service"] for p in attempt["passed_over"]] == ["a/m"]


def test_the_last_of_a_tier_is_told_from_the_only_one() -> None:
    story = House("a b", "retries: {max_retries: 0}").request()
    story.begins(0)
    story.fails(0, Outcome.SERVER_ERROR, 1)
    assert of_story(story, "a", "b") == [
        "by round_robin, among a/m, b/m (tier 0)",
        "the only one left of tier 0",
    ]


def test_a_limit_of_ours_is_named() -> None:
    house = House("a b", a="no_key_required: true, limits: {concurrency: 1}")
    house.request().begins(0)
    plan = house.plan()
    plan.next(0)
    [passed] = of(house, plan, "b")["attempts"][0]["passed_over"]
    assert passed == {
        "service": "a/m",
        "why": "at its limit: 1 requests at once are the limit of provider a",
    }


def test_whom_nobody_could_serve_is_told_who_was_out_and_why() -> None:
    house = House("a b@1")
    for name in "ab":
        house.happened(name, Outcome.RATE_LIMITED, 0, wait_s=60)
    plan = house.plan()
    assert [plan.next(1), plan.next(2)] == [None, None]
    assert len(plan.choices) == 1, "a request that waits looks again and again"
    assert [p["service"] for p in of(house, plan)["none_usable"]] == ["a/m", "b/m"]


def test_a_request_that_everybody_served_has_nobody_passed_over() -> None:
    house = House("a b c@1")
    plan = house.plan()
    plan.next(0)
    said = of(house, plan, "a")
    assert said["attempts"][0] == {
        "service": "a/m",
        "why": "by round_robin, among a/m, b/m (tier 0)",
        "passed_over": [],
    }
    assert (said["rule"], said["smart_routing"], said["none_usable"], said["left_out"]) == (
        "request_model glob '*' matches",
        None,
        [],
        [],
    )


def test_a_crowd_is_not_listed_whole() -> None:
    house = House(" ".join(f"p{n}" for n in range(MAX_NAMED + 3)))
    plan = house.plan()
    plan.next(0)
    assert (
        of(house, plan, "p0")["attempts"][0]["why"]
        == "by round_robin, among p0/m, p1/m, p2/m, p3/m, p4/m, 3 more (tier 0)"
    )


def test_no_request_holds_more_than_so_many_that_were_passed_over() -> None:
    names = [f"p{n}" for n in range(PASSED_KEPT + 5)]
    house = House(" ".join([*names, "last@1"]))
    for name in names:
        house.happened(name, Outcome.SERVER_ERROR, 0, times=3)
    plan = house.plan()
    plan.next(1)
    assert len(of(house, plan, "last")["attempts"][0]["passed_over"]) == PASSED_KEPT


def test_a_retry_and_the_next_tier_are_told_from_each_other() -> None:
    story = House("a b@1").request()
    story.begins(0)
    story.fails(0, Outcome.SERVER_ERROR, 1)
    story.wakes(1.5)
    story.fails(1, Outcome.TIMEOUT, 2)
    assert of_story(story, "a", "a", "b") == [
        "the only one usable of tier 0",
        "the same service once more",
        "the only one usable of tier 1",
    ]


def test_one_that_is_asked_although_it_cools_is_said_to_be() -> None:
    house = House("a b")
    for name in "ab":
        house.happened(name, Outcome.SERVER_ERROR, 0, times=3)
    story = house.request(now=1)
    assert story.begins(1) == "start 0 a forced"
    [why] = of_story(story, "a", forced=True)
    assert (
        why
        == "cooling after errors, like all that were left: the one that comes back first is asked all the same"
    )


def test_one_that_was_waited_for_is_said_to_be() -> None:
    house = House("a", "health: {probe_enabled: false}")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=5)
    story = house.request(now=1)
    story.begins(1)
    assert story.wakes(5).startswith("start 0 a")
    assert of_story(story, "a") == ["it had said when to come back, and that time had come"]


def test_the_block_that_matched_says_what_it_asks_for_and_not_what_the_request_said() -> None:
    house = House("a b", f"smart_routing: [{BLOCK}]", others="c")
    plan = house.plan(block=0)
    plan.next(0)
    said = of(house, plan, "c")
    assert (
        said["smart_routing"] == "block 0 (long) matched: token ge '500' and stream equals 'true'"
    )
    assert said["attempts"][0]["why"] == "the only one usable of tier 0 of block 0"


def test_when_the_blocks_services_are_out_the_rules_own_are_said_to_be_that() -> None:
    house = House("a b", f"smart_routing: [{BLOCK}]", others="c")
    house.ledger.services["c", "m"].health.force_cooldown(60, "another proxy was told so", 0)
    plan = house.plan(block=0)
    plan.next(1)
    [attempt] = of(house, plan, "a")["attempts"]
    assert attempt["why"] == "by round_robin, among a/m, b/m (tier 0 of the rule's own)"
    assert [p["service"] for p in attempt["passed_over"]] == ["c/m"]


def test_blocks_that_did_not_match_or_were_not_asked_are_told_apart() -> None:
    house = House(
        "a",
        f"smart_routing: [{BLOCK}]",
        others="c",
        more="scenarios: {quiet: {flags: {smart: false}}}",
    )
    assert of(house, house.plan())["smart_routing"] == "its block did not match"
    assert (
        of(house, house.plan(), scenario="quiet")["smart_routing"]
        == "switched off for its scenario"
    )
    two = House("a", f"smart_routing: [{BLOCK}, {BLOCK}]", others="c")
    assert of(two, two.plan())["smart_routing"] == "no block matched"


def test_the_scenario_is_named_where_the_rule_names_it() -> None:
    house = House("a", "scenario: claude_code, request_model: m")
    assert (
        of(house, house.plan(), scenario="claude_code")["rule"]
        == "request_model 'm' is equal, and scenario 'claude_code' is the rule's"
    )


def test_a_race_and_switched_off_services_are_named() -> None:
    rule = "race: {strategy: weighted}, services: [{provider: a, model: m}, {provider: b, model: m}, {provider: c, model: m, active: false}]"
    house = House("", rule, others="a b c")
    plan = house.plan()
    plan.next(0)
    said = of(house, plan, "a")
    assert (
        said["attempts"][0]["why"]
        == "in the race (weighted), by round_robin, among a/m, b/m (tier 0)"
    )
    assert said["left_out"] == [{"service": "c/m", "why": "inactive"}]


def test_one_that_takes_over_for_a_refusal_says_for_which() -> None:
    house = House("a/one b/two@1", "fallback_on: [context_length]")
    story = house.request()
    story.begins(0)
    story.fails(0, Outcome.BAD_REQUEST, 1, reason="context_length")
    assert (
        of_story(story, "a/one", "b/two")[1]
        == "may take over for context_length: the only one usable of tier 1"
    )


def test_a_home_is_told_from_a_tactics_choice() -> None:
    """With one usable service nobody chose."""
    for spec, said in (
        ("by: user", "user"),
        ("by: header, header: x-session-id", "header x-session-id"),
    ):
        house = House("a b", f"affinity: {{{spec}}}")
        rule_state = house.rule_states["chat"]
        home = Home(AffinityTable(), session_key("chat", "somebody"), 60.0)
        plan = Plan(rule_state, house.ledger, op="chat", tokens=1, rng=house.rng, home=home)
        chosen = plan.next(0)
        assert chosen is not None
        [attempt] = of(house, plan, chosen.service.provider.name)["attempts"]
        assert attempt["why"] == f"by affinity ({said}), among a/m, b/m (tier 0)"


def test_the_first_rule_of_a_unified_scenario_says_so() -> None:
    house = House(
        "a",
        "scenario: code, request_model: other",
        more="scenarios: {code: {flags: {unified: true}}}",
    )
    said = of(house, house.plan(), model="mine", scenario="code")
    assert said["rule"].startswith("scenario 'code' is unified: its first rule takes every model")


def test_what_cannot_do_what_was_asked_for_is_named() -> None:
    rule = "services: [{provider: a, model: m}, {provider: cl, model: m}]"
    house = House("", rule, others="a", more="  cl: {kind: anthropic, token: {env: KEY}}")
    plan = house.plan(op="embeddings")
    plan.next(0)
    said = of(house, plan, "a")
    assert said["left_out"] == [
        {"service": "cl/m", "why": "provider kind 'anthropic' has no embeddings"}
    ]
    assert said["attempts"][0]["why"] == "the only service there is"
