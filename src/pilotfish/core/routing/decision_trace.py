"""Why a request that is over went where it went, in words: made when somebody looks, of what its
plan has kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilotfish.core.model.snapshot import Affinity, Rule, Snapshot
from pilotfish.core.routing.explain import obstacle_text, unsupported_text
from pilotfish.core.routing.match import is_unified, routes_smartly, why_taken
from pilotfish.core.routing.plan import CandidateSet, Choice, Passed, Plan, op_for

NAMED = 5  # of the services among which one was chosen


def decision_trace(
    plan: Plan,
    attempts: Sequence[dict[str, Any]],
    snapshot: Snapshot,
    *,
    model: str,
    scenario: str,
    wall: float,
) -> dict[str, Any]:
    """The record's `why`, and to each of its `attempts` (as the access log has them, in order) a
    `why` of its own and whom it `passed_over`.

    `snapshot`: the rules in force, for what scenarios say. `wall`: what added to the plan's clock
    gives epoch seconds.
    """
    rule = plan.rule
    choices = [Choice(*c) for c in plan.choices]
    left = [c for c in choices if c.chosen is not None]
    seen: set[str] = set()
    for attempt in attempts:
        service = attempt["service"]
        choice = next(
            (c for c in left if c.chosen is not None and c.chosen.service.id == service), None
        )
        if choice is not None:
            left.remove(choice)
            attempt["why"] = chosen_because(plan, choice, choices[: choices.index(choice)])
            attempt["passed_over"] = passed_over(plan, choice, wall)
        elif attempt.get("forced"):
            attempt["why"] = (
                "cooling after errors, like all that were left: the one that comes back first is asked all the same"
            )
        elif service in seen:
            attempt["why"] = "the same service once more"
        else:
            attempt["why"] = "it had said when to come back, and that time had come"
        seen.add(service)
    nobody = [c for c in choices if c.chosen is None]
    scenario_said = (
        f", and scenario '{scenario}' is the rule's" if rule.scenario is not None else ""
    )
    return {
        "rule": why_taken(rule, model, scenario, unified=is_unified(snapshot, scenario))
        + scenario_said,
        "smart_routing": smart_because(plan, routes_smartly(snapshot, scenario)),
        "tactic": rule.tactic.name if rule.tactic is not None else None,
        "none_usable": passed_over(plan, nobody[-1], wall) if nobody else [],
        "left_out": left_out(plan),
    }


def smart_because(plan: Plan, routed: bool) -> str | None:
    """Which block came first and what it asks for; None where the rule has no blocks. What the
    request said is not kept.
    """
    rule = plan.rule
    if not rule.smart:
        return None
    if len(plan.candidate_sets) == 1:
        if not routed:
            return "switched off for its scenario"
        return "no block matched" if len(rule.smart) > 1 else "its block did not match"
    block = rule.smart[plan.rule_state.blocks.index(plan.candidate_sets[0])]
    name = f" ({block.description})" if block.description else ""
    asked = " and ".join(op.text for op in block.ops) or "it asks for nothing"
    return f"block {block.index}{name} matched: {asked}"


def chosen_because(plan: Plan, choice: Choice, before: Sequence[Choice] = ()) -> str:
    """`before`: the choices made earlier for the same request."""
    assert choice.candidate_set is not None
    rule, usable = plan.rule, choice.usable
    tier = usable[0].service.tier
    where = f"tier {tier}{_of_block(plan, choice.candidate_set)}"
    if len(usable) > 1:
        names = [c.service.id for c in usable[:NAMED]] + (
            [f"{len(usable) - NAMED} more"] if len(usable) > NAMED else []
        )
        how = (
            _affinity(rule.affinity)
            if plan.has_home and rule.affinity is not None
            else _tactic(rule)
        )
        why = f"{how}, among {', '.join(names)} ({where})"
    elif len(plan.candidates()) == 1:
        why = "the only service there is"
    else:
        others = {(c.candidate_set, c.chosen.service.tier) for c in before if c.chosen is not None}
        why = f"{_race(rule)}the only one {'left' if (choice.candidate_set, tier) in others else 'usable'} of {where}"
    return f"may take over for {choice.reason}: {why}" if choice.reason else why


def _tactic(rule: Rule) -> str:
    return (
        f"{_race(rule)}by {rule.tactic.name}"
        if rule.tactic is not None
        else f"{_race(rule)}as they stand in the rule"
    )


def _race(rule: Rule) -> str:
    return f"in the race ({rule.race.strategy}), " if rule.race is not None else ""


def _affinity(affinity: Affinity) -> str:
    return f"by affinity ({affinity.by}{f' {affinity.header}' if affinity.by == 'header' else ''})"


def _of_block(plan: Plan, candidate_set: CandidateSet) -> str:
    if candidate_set is plan.rule_state.own:
        return " of the rule's own" if len(plan.candidate_sets) > 1 else ""
    return f" of block {plan.rule_state.blocks.index(candidate_set)}"


def passed_over(plan: Plan, choice: Choice, wall: float) -> list[dict[str, str]]:
    return [
        {
            "service": p.candidate.service.id,
            "why": obstacle_text(p, plan.tokens, choice.at, choice.at + wall),
        }
        for p in _once(choice)
    ]


def _once(choice: Choice) -> list[Passed]:
    """A service that a block and the rule name both is passed over once."""
    found: dict[int, Passed] = {}
    for passed in choice.passed:
        found.setdefault(id(passed.candidate.state), passed)
    return list(found.values())


def left_out(plan: Plan) -> list[dict[str, str]]:
    """Those that the rules switch off, and those that cannot do what was asked for."""
    said: dict[str, str] = {}
    for candidate_set in plan.candidate_sets:
        said.update({service.id: reason for service, reason in candidate_set.left_out})
        said.update(
            {
                c.service.id: unsupported_text(c, plan.op)
                for c in candidate_set.all
                if op_for(c.service, plan.op) is None
            }
        )
    return [{"service": service, "why": why} for service, why in said.items()]
