"""A rule in force, bound to the ledger: its candidates by tier, and its budgets of retries, hedges
and rivals."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

from pilotfish.core.exchange.request_url import native_op
from pilotfish.core.formats.header_text import header_text
from pilotfish.core.model.service import Service
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.retry_budget import RetryBudget

# Operations that one style's service answers for another's client, besides the chats (which all
# translate into each other).
ALIKE = {
    "embeddings": "google_batch_embeddings",
    "google_embeddings": "embeddings",
    "google_batch_embeddings": "embeddings",
    "count_tokens": "google_count_tokens",
    "google_count_tokens": "count_tokens",
}


def op_for(service: Service, op: str, endpoints: Collection[str] | None = None) -> str | None:
    """The operation to call at this service for a client's `op`; None if it cannot serve it in any
    way. `endpoints`: the paths that its vendor says the model is served at, where it says so."""
    native = native_op(service.provider, service.model, op, endpoints)
    if native:
        return native
    alike = ALIKE.get(op)
    return native_op(service.provider, service.model, alike) or None if alike else None


class CandidateSet:
    """The candidates of a rule, or of one of its smart-routing blocks: by tier, without those that
    the rules switch off.
    """

    __slots__ = ("_by_op", "all", "key", "left_out", "rule", "tiers")

    def __init__(
        self, rule: Rule, key: Hashable, services: Sequence[Service], ledger: Ledger
    ) -> None:
        self.rule, self.key = rule, key
        self.left_out = [
            (s, "inactive" if not s.active else "its provider is disabled")
            for s in services
            if not (s.active and s.provider.enabled)
        ]
        self.all = tuple(ledger.candidate(s) for s in services if s.active and s.provider.enabled)
        tiers = sorted({c.service.tier for c in self.all})
        self.tiers = tuple(tuple(c for c in self.all if c.service.tier == t) for t in tiers)
        self._by_op: dict[str, tuple[tuple[Candidate, ...], ...]] = {}

    def tiers_for(self, op: str) -> tuple[tuple[Candidate, ...], ...]:
        """The tiers with only those that can serve this operation; there are few operations, so
        they are remembered.
        """
        found = self._by_op.get(op)
        if found is None:
            kept = (tuple(c for c in tier if op_for(c.service, op)) for tier in self.tiers)
            found = self._by_op[op] = tuple(t for t in kept if t)
        return found


class RuleState:
    """A rule in force, bound to the ledger: its candidate_sets, its budgets of retries and
    hedges.
    """

    __slots__ = ("blocks", "hedges", "named", "own", "retries", "rivals", "rule")

    def __init__(self, rule: Rule, ledger: Ledger, known: RuleState | None = None) -> None:
        self.rule = rule
        self.named = (b"x-pilotfish-rule", header_text(rule.name))
        self.own = CandidateSet(rule, "rule", rule.services, ledger)
        self.blocks = tuple(
            CandidateSet(rule, ("block", i), block.services, ledger)
            for i, block in enumerate(rule.smart)
        )
        self.retries: RetryBudget = (
            known.retries if known else RetryBudget(rule.retries.budget_percent, 3, 10.0)
        )
        self.retries.percent = rule.retries.budget_percent
        percent = rule.hedge.budget_percent if rule.hedge else 0.0
        self.hedges: RetryBudget = (
            known.hedges if known else RetryBudget(percent, 1 if percent else 0, 60.0)
        )
        self.hedges.percent = percent
        # Rivals beside silent services (of requests over 10 s), and at least three.
        self.rivals: RetryBudget = known.rivals if known else RetryBudget(20.0, 3, 10.0)
