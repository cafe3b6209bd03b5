"""What a client reads where no service could be asked: which ones there are, why none of them can
be used, and until when."""

from __future__ import annotations

import msgspec

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.routing.explain import obstacle_text, rfc3339, unsupported_text
from pilotfish.core.routing.fitness import ELSEWHERE
from pilotfish.core.routing.plan import Plan
from pilotfish.core.routing.rule_state import NOT_ALLOWED
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.health import Health

MAX_NAMED = 5  # services named in one error


def last_words(failure: Failure, plan: Plan, now: float, wall: float) -> Failure:
    """`failure`, which is the dispatch machine's own, with the services and their reasons in its
    message. Where none of the rule's services could ever serve the request it is the client's
    error: 400, which SDKs do not try again. `wall`: `now` in epoch seconds.
    """
    candidates = plan.candidates()
    rule = plan.rule.name
    if candidates:
        out = [f"{c.service.id}: {_why(plan, c, now, wall)}" for c in candidates]
        message = f"{failure.message} (rule {rule!r}): {_listed(out)}"
        return msgspec.structs.replace(failure, message=message)
    if plan.unfit:
        return _unfit(plan)
    unfit = [
        f"{c.service.id} ({unsupported_text(c, plan.op)})"
        for candidate_set in plan.candidate_sets
        for c in candidate_set.all
    ]
    if unfit:
        return Failure(
            outcome=Outcome.BAD_REQUEST,
            status=400,
            code="unsupported_operation",
            message=f"no service of rule {rule!r} can do {plan.op}: {_listed(unfit)}",
        )
    left_out = [left for one in plan.candidate_sets for left in one.left_out]
    off = [f"{s.id} is {why}" for s, why in left_out]
    if left_out and all(why.startswith(NOT_ALLOWED) for _, why in left_out):
        return Failure(
            outcome=Outcome.BAD_REQUEST,
            status=404,
            code="model_not_found",
            message=f"no service of rule {rule!r} has this model: {_listed(off)}",
        )
    return msgspec.structs.replace(
        failure, message=f"no service of rule {rule!r} is in use: {_listed(off)}"
    )


def _unfit(plan: Plan) -> Failure:
    """None of the services that know the operation can take what the request holds."""
    reasons = [
        f"{c.service.id} {why}"
        for candidate_set in plan.candidate_sets
        for c in candidate_set.all
        if (why := plan.unfit.get(id(c.state), ""))
    ]
    if all(ELSEWHERE in reason for reason in reasons):
        assert plan.fitness is not None
        assert plan.fitness.holder is not None
        return Failure(
            outcome=Outcome.BAD_REQUEST,
            status=503,
            code="holder_away",
            message=(
                f"what this request names is held by provider {plan.fitness.holder.provider!r}, "
                f"of which rule {plan.rule.name!r} has no service"
            ),
        )
    return Failure(
        outcome=Outcome.BAD_REQUEST,
        status=400,
        code="unsupported",
        message=f"no service of rule {plan.rule.name!r} can take this request: {_listed(reasons)}",
    )


def _why(plan: Plan, candidate: Candidate, now: float, wall: float) -> str:
    """What keeps this service from being asked."""
    refusal = _refusal(plan, candidate)
    if refusal is not None:
        at = rfc3339(wall + refusal.since - now)
        _, refused, status = refusal.reason.partition(Outcome.AUTH_FAILED)
        if not refused:
            return f"{refusal.reason}, at {at}"
        provider = candidate.service.provider.name
        return f"{provider} refused the proxy's credential{status} at {at}"
    obstacle = plan.obstacle(candidate, now)
    if obstacle is None:
        return "has been asked"
    return obstacle_text(plan.passed(candidate, obstacle, now), plan.tokens, now, wall)


def _refusal(plan: Plan, candidate: Candidate) -> Health | None:
    """The last refusal of a credential, where the service has no other one."""
    credentials = plan.ledger.credentials.get(candidate.service.provider.name, ())
    if not credentials or not all(health.refused for health in credentials):
        return None
    return max(credentials, key=lambda health: health.since)


def _listed(words: list[str]) -> str:
    words = list(dict.fromkeys(words))
    more = [f"and {len(words) - MAX_NAMED} more"] if len(words) > MAX_NAMED else []
    return "; ".join([*words[:MAX_NAMED], *more])
