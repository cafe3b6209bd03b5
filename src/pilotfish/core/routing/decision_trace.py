"""Why a finished request went where it went, in words. The text is made when the record is read,
from the choices that the request's plan kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilotfish.core.model.snapshot import Affinity, Rule, Snapshot
from pilotfish.core.routing.explain import obstacle_text, unsupported_text
from pilotfish.core.routing.match import is_unified, routes_smartly, why_taken
from pilotfish.core.routing.plan import Choice, Passed, Plan
from pilotfish.core.routing.rule_state import CandidateSet, op_for

MAX_NAMED = 5  # how many of the services of a choice are named


def decision_trace(
    plan: Plan,
    attempts: Sequence[dict[str, Any]],
    snapshot: Snapshot,
    *,
    model: str,
    scenario: str,
    wall: float,
) -> dict[str, Any]:
    """The `why` of a request's record. Also adds to each of `attempts` (as the access log has them,
    in order) its own `why`, and the services `passed_over` for it.

    `snapshot`: the rules in force, for the flags of scenarios. `wall`: epoch seconds minus the
    plan's clock.
    """
    rule = plan.rule
    choices = [Choice(*c) for c in plan.choices]
    unexplained = [c for c in choices if c.chosen is not None]
    seen: set[str] = set()
    for attempt in attempts:
        service = attempt["service"]
        choice = next(
            (c for c in unexplained if c.chosen is not None and c.chosen.service.id == service),
            None,
        )
        if choice is not None:
            unexplained.remove(choice)
            attempt["why"] = chosen_because(plan, choice, choices[: choices.index(choice)])
            attempt["passed_over"] = passed_over(plan, choice, wall)
        elif attempt.get("forced"):
            attempt["why"] = (
                "cooling after errors, like all that were left: "
                "the one that comes back first is asked all the same"
            )
        elif service in seen:
            attempt["why"] = "the same service once more"
        else:
            attempt["why"] = "it had said when to come back, and that time had come"
        seen.add(service)
    none_usable = [c for c in choices if c.chosen is None]
    by_scenario = f", and scenario '{scenario}' is the rule's" if rule.scenario is not None else ""
    return {
        "rule": why_taken(rule, model, scenario, unified=is_unified(snapshot, scenario))
        + by_scenario,
        "smart_routing": smart_because(plan, routes_smartly(snapshot, scenario)),
        "tactic": rule.tactic.name if rule.tactic is not None else None,
        "none_usable": passed_over(plan, none_usable[-1], wall) if none_usable else [],
        "left_out": left_out(plan),
    }


def smart_because(plan: Plan, routed: bool) -> str | None:
    """Which smart-routing block matched, and its operations; None for a rule without blocks.
    `routed`: whether smart routing applies to the request's scenario. The request's content is not
    kept, so the text does not say what it held.
    """
    rule = plan.rule
    if not rule.smart:
        return None
    if len(plan.candidate_sets) == 1:
        if not routed:
            return "switched off for its scenario"
        return "no block matched" if len(rule.smart) > 1 else "its block did not match"
    keys = [one.key for one in plan.rule_state.blocks]
    block = rule.smart[keys.index(plan.candidate_sets[0].key)]
    name = f" ({block.description})" if block.description else ""
    operations = " and ".join(op.text for op in block.ops) or "it asks for nothing"
    return f"block {block.index}{name} matched: {operations}"


def chosen_because(plan: Plan, choice: Choice, before: Sequence[Choice] = ()) -> str:
    """Why a service was chosen. `before`: the earlier choices of the same request."""
    assert choice.candidate_set is not None
    rule, usable = plan.rule, choice.usable
    tier = usable[0].service.tier
    where = f"tier {tier}{_of_block(plan, choice.candidate_set)}"
    if len(usable) > 1:
        names = [c.service.id for c in usable[:MAX_NAMED]]
        if len(usable) > MAX_NAMED:
            names.append(f"{len(usable) - MAX_NAMED} more")
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
        which = "left" if (choice.candidate_set, tier) in others else "usable"
        why = f"{_race(rule)}the only one {which} of {where}"
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
    """The services that could not be used at this choice, each with the reason. `wall`: epoch
    seconds minus the plan's clock.
    """
    return [
        {
            "service": p.candidate.service.id,
            "why": obstacle_text(p, plan.tokens, choice.at, choice.at + wall),
        }
        for p in _once(choice)
    ]


def _once(choice: Choice) -> list[Passed]:
    """The services passed over, each once: a block and the rule may both name one."""
    found: dict[int, Passed] = {}
    for passed in choice.passed:
        found.setdefault(id(passed.candidate.state), passed)
    return list(found.values())


def left_out(plan: Plan) -> list[dict[str, str]]:
    """The services that the rules switch off or that do not have the operation, each with the
    reason.
    """
    reasons: dict[str, str] = {}
    for candidate_set in plan.candidate_sets:
        reasons.update({service.id: reason for service, reason in candidate_set.left_out})
        reasons.update(
            {
                c.service.id: unsupported_text(c, plan.op)
                for c in candidate_set.all
                if op_for(c.service, plan.op) is None
            }
        )
    return [{"service": service, "why": why} for service, why in reasons.items()]
