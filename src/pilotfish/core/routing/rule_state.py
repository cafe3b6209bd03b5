"""A rule in force, bound to the ledger: its candidates by tier, and its budgets of retries, hedges
and rivals."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

from pilotfish.core.exchange.request_url import native_op
from pilotfish.core.formats.header_text import header_text
from pilotfish.core.model.service import Service
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.ledger import Ledger, services_of
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


# Why a service is left out whose provider's allow-list lacks the model that is asked for.
NOT_ALLOWED = "not allowed"


def op_for(service: Service, op: str, endpoints: Collection[str] | None = None) -> str | None:
    """The operation to call at this service for a client's `op`; None if it cannot serve it in any
    way. `endpoints`: the paths that its vendor says the model is served at, where it says so."""
    if not service.model and op != "moderations":
        return None  # no other operation has a model that vendors choose themselves
    native = native_op(service.provider, service.model, op, endpoints)
    if native:
        return native
    alike = ALIKE.get(op)
    return native_op(service.provider, service.model, alike) or None if alike else None


def switched_off(service: Service) -> str:
    """Why the rules do not let this service be used; empty if they do."""
    provider = service.provider
    if not service.active:
        return "inactive"
    if not provider.enabled:
        return "its provider is disabled"
    if provider.models is not None and service.model not in provider.models:
        return f"{NOT_ALLOWED}: its provider does not have model {service.model!r} in its models"
    return ""


def _tier(service: Service) -> float:
    return float(service.tier)


# Of the tokens of a request, as far as it decides which service is cheaper.
_INPUT_SHARE = 0.75


def _costs(service: Service) -> float:
    """US dollars per million tokens; without a price more than any."""
    price = service.price
    if price is None:
        return float("inf")
    return price.input * _INPUT_SHARE + price.output * (1.0 - _INPUT_SHARE)


class CandidateSet:
    """The candidates of a rule, or of one of its smart-routing blocks: by tier, without those that
    the rules switch off.
    """

    __slots__ = ("_by_op", "_translating", "all", "key", "left_out", "rule", "tiers")

    def __init__(
        self,
        rule: Rule,
        key: Hashable,
        services: Sequence[Service],
        ledger: Ledger,
        *,
        by_price: bool = False,
    ) -> None:
        """`by_price`: the cheapest ones are the first tier, and so on."""
        self.rule, self.key = rule, key
        self.left_out = [(s, why) for s in services if (why := switched_off(s))]
        self.all = tuple(ledger.candidate(s) for s in services if not switched_off(s))
        tier = _costs if by_price else _tier
        tiers = sorted({tier(c.service) for c in self.all})
        self.tiers = tuple(tuple(c for c in self.all if tier(c.service) == t) for t in tiers)
        self._by_op: dict[str, tuple[tuple[Candidate, ...], ...]] = {}
        self._translating: dict[str, bool] = {}

    def translates(self, op: str) -> bool:
        """Whether any of them would serve this operation in another one's form."""
        found = self._translating.get(op)
        if found is None:
            found = self._translating[op] = any(
                op_for(c.service, op) not in (op, None) for c in self.all
            )
        return found

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
    hedges. `is_straight`: what a request's first attempt shows is relayed at once, and none is
    begun beside it while it is quick.
    """

    def __init__(
        self, rule: Rule, ledger: Ledger, known: RuleState | None = None, model: str = ""
    ) -> None:
        """`known`: whose budgets it goes on with. `model`: the one that a rule with `@requested`
        is made for; its tactic remembers apart from those of other models.
        """
        self.rule = rule
        self._ledger = ledger
        self._thrifty: dict[Hashable, CandidateSet] = {}
        self.providers = frozenset(s.provider.name for s in services_of(rule))
        group = f"@{model}" if model else ""
        self.named = (b"x-pilotfish-rule", header_text(rule.name))
        self.own = CandidateSet(rule, f"rule{group}", rule.services, ledger)
        self.blocks = tuple(
            CandidateSet(rule, (f"block{group}", i), block.services, ledger)
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
        self.is_straight = rule.race is None and rule.hedge is None and not rule.buffer
        # Rivals beside silent services (of requests over 10 s), and at least three.
        self.rivals: RetryBudget = known.rivals if known else RetryBudget(20.0, 3, 10.0)

    def candidate_sets(self, block: int | None, thrifty: bool) -> tuple[CandidateSet, ...]:
        """Those of the block that matched, then the rule's own."""
        sets = (self.own,) if block is None else (self.blocks[block], self.own)
        return tuple([self._by_price(one) for one in sets]) if thrifty else sets

    def _by_price(self, candidate_set: CandidateSet) -> CandidateSet:
        """The same services, the cheapest first: while a budget is spent that asks for it."""
        found = self._thrifty.get(candidate_set.key)
        if found is None:
            services = [c.service for c in candidate_set.all]
            found = self._thrifty[candidate_set.key] = CandidateSet(
                self.rule, candidate_set.key, services, self._ledger, by_price=True
            )
            found.left_out = candidate_set.left_out
        return found

    def translates(self, op: str) -> bool:
        """Whether a service of the rule would serve this operation in another one's form."""
        return self.own.translates(op) or any(one.translates(op) for one in self.blocks)

    def count_request(self, now: float) -> None:
        """The budgets are shares of the requests."""
        self.retries.request(now)
        self.rivals.request(now)
        if self.rule.hedge is not None:
            self.hedges.request(now)
