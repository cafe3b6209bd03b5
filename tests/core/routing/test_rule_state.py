"""A rule in force: its candidates by tier and operation, and the budgets that outlast a reload."""

from __future__ import annotations

from core.routing.playbook import House
from pilotfish.core.routing.rule_state import RuleState, op_for


def test_candidates_stand_by_tier_without_those_that_are_switched_off() -> None:
    house = House("a b@1 c", others="d", more="")
    own = house.rule_states["chat"].own
    assert [[c.service.provider.name for c in tier] for tier in own.tiers] == [["a", "c"], ["b"]]
    off = House("", "services: [{provider: a, model: m, active: false}]", others="a")
    assert [why for _, why in off.rule_states["chat"].own.left_out] == ["inactive"]


def test_a_tier_that_cannot_do_an_operation_is_none_of_its_tiers() -> None:
    house = House("a b@1")
    own = house.rule_states["chat"].own
    assert own.tiers_for("chat") == own.tiers
    assert own.tiers_for("invoke_what") == ()
    assert own.tiers_for("chat") is own.tiers_for("chat"), "worked out once"


def test_an_operation_is_served_by_its_like_where_a_vendor_has_no_other() -> None:
    service = House("a").candidate("a").service
    assert op_for(service, "embeddings") == "embeddings"
    assert op_for(service, "google_embeddings") == "embeddings"


def test_budgets_outlast_a_reload_and_take_the_new_rules_share() -> None:
    house = House("a", "hedge: {after: 100, budget_percent: 5}")
    before = house.rule_states["chat"]
    before.rivals.take(0.0)
    after = RuleState(before.rule, house.ledger, before)
    assert (after.retries, after.hedges, after.rivals) == (
        before.retries,
        before.hedges,
        before.rivals,
    )
