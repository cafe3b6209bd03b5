"""The answer of `/explain` and `pilotfish explain`: which rule a request takes and why, the
candidates in order, and why each other service is left out.
"""

from __future__ import annotations

from typing import Any

from pilotfish.core.routing.plan import COOLING, HEADROOM, LIMITED, UNFIT, Passed, Plan
from pilotfish.core.routing.rule_state import op_for
from pilotfish.core.state.candidate import Candidate

LAST_S = 253_402_300_799.0  # the end of the year 9999


def explained(
    plan: Plan, why: str, checked: list[dict[str, Any]], block: int | None, now: float, wall: float
) -> dict[str, Any]:
    """The JSON of `/explain`. Changes nothing.

    `why`: the reason for the rule, from `match`. `checked`: the smart-routing blocks looked at.
    `block`: the number of the block that matched, None for none. `now`: the ledger's clock, and
    `wall` the same moment in epoch seconds.
    """
    plan.look_at_all()
    candidates: list[dict[str, Any]] = []
    left_out: list[dict[str, str]] = []
    seen: set[int] = set()
    tactic = plan.rule.tactic
    for candidate_set in plan.candidate_sets:
        left_out += [{"service": s.id, "why": reason} for s, reason in candidate_set.left_out]
        for tier in candidate_set.tiers:
            usable = []
            for c in tier:
                if id(c.state) in seen:
                    continue
                if op_for(c.service, plan.op) is None:
                    seen.add(id(c.state))
                    left_out.append({"service": c.service.id, "why": unsupported_text(c, plan.op)})
                    continue
                obstacle = plan.obstacle(c, now)
                if obstacle is None:
                    usable.append(c)
                else:
                    seen.add(id(c.state))
                    left_out.append(
                        {
                            "service": c.service.id,
                            "why": obstacle_text(
                                plan.passed(c, obstacle, now), plan.tokens, now, wall
                            ),
                        }
                    )
            memory = plan.ledger.memory(plan.rule.name, candidate_set.key)
            for c in plan.ordered(candidate_set, usable, now) if usable else ():
                seen.add(id(c.state))
                score = tactic.explain_score(c, memory, now) if tactic is not None else ""
                one = {"service": c.service.id, "tier": c.service.tier, "why": score}
                if c.service.provider.tags:
                    one["tags"] = list(c.service.provider.tags)
                candidates.append(one)
    return {
        "rule": plan.rule.name,
        "why": why,
        "tactic": tactic.name if tactic is not None else None,
        "smart_routing": {"block": block, "checked": checked},
        "candidates": candidates,
        "left_out": left_out,
        "thrift": plan.thrift or None,
    }


def obstacle_text(passed: Passed, tokens: int, now: float, wall: float) -> str:
    """Why a service was not usable, in words. `now` (on the ledger's clock) and `wall` (in epoch
    seconds) are the moment of the decision.
    """
    obstacle, until, detail = passed.obstacle, passed.until, passed.detail
    if obstacle == HEADROOM and until is not None and not isinstance(detail, str):
        left = ", ".join(f"{kind} {count:.0f}" for kind, count in sorted(detail.items()))
        needs = f"this request needs about {tokens} tokens"
        return f"{obstacle}: {left} left, {needs}; until {rfc3339(wall + until - now)}"
    if obstacle == COOLING and until is not None:
        return f"{obstacle} until {rfc3339(wall + until - now)} ({until - now:.0f} s): {detail}"
    if obstacle == UNFIT:
        return str(detail)
    return f"{obstacle}: {detail}" if obstacle == LIMITED else obstacle


def unsupported_text(candidate: Candidate, op: str) -> str:
    """Why a service cannot do an operation, in words."""
    return f"provider kind '{candidate.service.provider.kind.name}' has no {op}"


def rfc3339(wall: float) -> str:
    """Epoch seconds as an RFC 3339 time in UTC; beyond the calendar's last year its end."""
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(min(max(0.0, wall), LAST_S), UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
