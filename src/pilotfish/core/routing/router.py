"""The rules in force, bound to what is known of their services: which rule takes a request, and
what may be tried for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pilotfish.core.exchange.calls import chat_of
from pilotfish.core.exchange.inbound import Inbound, shown
from pilotfish.core.exchange.request_view import RequestView, session_of
from pilotfish.core.exchange.state_ids import ids_named
from pilotfish.core.formats.neutral import Chat
from pilotfish.core.formats.style import Style
from pilotfish.core.model.dot_segments import leaves_path
from pilotfish.core.model.smart_rules import first_match
from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.core.model.tactic import Random
from pilotfish.core.routing.fitness import Fitness
from pilotfish.core.routing.match import (
    direct_rule,
    known_models,
    match,
    match_moderation,
    routes_smartly,
)
from pilotfish.core.routing.passing import own_form_provider
from pilotfish.core.routing.plan import Home, Plan
from pilotfish.core.routing.requested import names_requested, rule_for
from pilotfish.core.routing.rule_state import RuleState
from pilotfish.core.state.affinity import AffinityTable, prefix_key, session_key
from pilotfish.core.state.ledger import Ledger, all_rules, services_of
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.errors import ClientError

# Rules made for one model that are remembered: for requests addressed as provider/model, and of
# rules whose services take any model.
DIRECT_RULES = 256
# Of how many models, and how long ones, the rule is remembered: clients may make up any.
REMEMBERED, MODEL_CHARS = 1024, 200


class Taken(NamedTuple):
    """The rule that takes a request and why. `known`: the rules name its model."""

    rule_state: RuleState
    why: str
    known: bool


class Planned(NamedTuple):
    """The plan for a request, the smart-routing block that matched (its place in the rule), and
    what every block says of the request."""

    plan: Plan
    block: int | None
    checks: list[dict[str, Any]]


class Router:
    """`adopt` puts rules into force; `take` and `plan` are asked for every request."""

    def __init__(
        self,
        ledger: Ledger,
        budgets: Budgets,
        history: RaceHistory,
        styles: Callable[[str], Style],
        rng: Random,
    ) -> None:
        self.snapshot = Snapshot()
        self.ledger, self.budgets, self.history = ledger, budgets, history
        self.affinity = AffinityTable()
        self._styles, self._rng = styles, rng
        self._rule_states: dict[str, RuleState] = {}
        self._taken: dict[tuple[str, str], Taken] = {}  # by scenario and model
        # Rules made for one model: of requests addressed as provider/model by ("", provider,
        # model), of rules with the model `@requested` by (rule, "", model).
        self._made: dict[tuple[str, str, str], RuleState] = {}
        self._requested: frozenset[str] = frozenset()  # names of the rules with `@requested`

    def adopt(self, snapshot: Snapshot) -> None:
        """From now on new requests follow these rules."""
        self.ledger.adopt(snapshot)
        self.budgets.adopt(snapshot, self.ledger)
        # Of those that took a request; of thousands of rules most never do.
        self._rule_states = {
            r.name: RuleState(r, self.ledger, self._rule_states[r.name])
            for r in all_rules(snapshot)
            if r.name in self._rule_states
        }
        self._taken.clear()
        self._made.clear()
        self._requested = frozenset(r.name for r in all_rules(snapshot) if names_requested(r))
        self.history.keep({r.name for r in all_rules(snapshot)})
        self.snapshot = snapshot

    # ---- which rule

    def take(self, inbound: Inbound) -> Taken:
        """The rule that takes this request. Raises ClientError (404) where none does."""
        key = (inbound.scenario, inbound.model)
        taken = self._taken.get(key)
        if taken is None:
            taken = self._match(inbound)
            # What takes a moderation without a model takes no other request without one.
            lasts = taken.known and (inbound.model != "" or inbound.op != "moderations")
            if lasts and len(self._taken) < REMEMBERED and len(key[1]) <= MODEL_CHARS:
                self._taken[key] = taken
        return taken

    def _match(self, inbound: Inbound) -> Taken:
        found = match(self.snapshot, scenario=inbound.scenario, model=inbound.model)
        if found is None and not inbound.model and inbound.op == "moderations":
            found = match_moderation(self.snapshot, scenario=inbound.scenario)
        if found is None:
            passed = own_form_provider(self.snapshot, inbound.scenario, inbound.style, inbound.op)
            if passed is not None:
                why = f"no rule takes it; {passed.name!r} has such models in forms of their own"
                return Taken(self._made_state(None, passed.name, inbound.model), why, False)
            model = inbound.model
            named = f"model {shown(model)!r}" if model else "a request without a model"
            known = known_models(self.snapshot, scenario=inbound.scenario, model=model)
            message = f"no rule for {named} in scenario {inbound.scenario!r}; {known}"
            raise ClientError(404, "model_not_found", message)
        if found.rule is None:
            assert found.direct is not None
            return Taken(self._made_state(None, *found.direct), found.why, False)
        rule = found.rule
        if rule.name in self._requested:
            return Taken(self._made_state(rule, "", inbound.model), found.why, True)
        return Taken(self._state_of(rule), found.why, True)

    def _state_of(self, rule: Rule) -> RuleState:
        rule_state = self._rule_states.get(rule.name)
        if rule_state is None:
            rule_state = self._rule_states[rule.name] = RuleState(rule, self.ledger)
        return rule_state

    def made_rules(self) -> list[Rule]:
        """The rules with `@requested`, for each model that was asked for lately."""
        return [state.rule for (name, _, _), state in self._made.items() if name]

    def _made_state(self, of: Rule | None, provider: str, model: str) -> RuleState:
        """For one model: of this rule with `@requested`, or of one that was addressed directly."""
        key = (of.name if of is not None else "", provider, model)
        rule_state = self._made.get(key)
        if rule_state is None:
            if len(self._made) >= DIRECT_RULES:
                self._forget_made()
            template: RuleState | None = None
            if of is not None:
                template = self._state_of(of)
                rule = rule_for(template.rule, model, self.snapshot.prices)
            else:
                rule = direct_rule(self.snapshot, provider, model)
            _refuse_dot_segments(rule, model)
            rule_state = RuleState(rule, self.ledger, template, model if of is not None else "")
            self._made[key] = rule_state
        return rule_state

    def _forget_made(self) -> None:
        """Clients may make up any model; the ledger keeps only what is configured and what was
        asked for lately.
        """
        configured = {
            (x.provider.name, x.model) for r in all_rules(self.snapshot) for x in services_of(r)
        }
        busy = {k for k, st in self.ledger.services.items() if st.in_flight}
        for key in [k for k in self.ledger.services if k not in configured and k not in busy]:
            del self.ledger.services[key]
        self._made = {
            k: made
            for k, made in self._made.items()
            if any((s.provider.name, s.model) in busy for s in services_of(made.rule))
        }
        self._taken.clear()
        kept = {state.own.key for state in self._made.values()}
        for memory in list(self.ledger.memories):
            group = memory[1]
            if isinstance(group, str) and group.startswith("rule@") and group not in kept:
                del self.ledger.memories[memory]

    # ---- what may be tried

    def plan(self, rule_state: RuleState, inbound: Inbound, now: float, wall: float) -> Plan:
        """What may be tried for a request. `wall`: epoch seconds, for rules that depend on the
        time of day."""
        rule = rule_state.rule
        block: int | None = None
        view: RequestView | None = None
        if rule.smart and routes_smartly(self.snapshot, inbound.scenario):
            view = self.view(inbound, now)
            found = first_match(rule.smart, view, wall)
            block = None if found is None else rule.smart.index(found)
        holders = self.ledger.holders
        holder = holders.first_of(ids_named(inbound)) if holders else None
        fitness: Fitness | None = None
        if holder is not None or (rule.unsupported != "drop" and rule_state.translates(inbound.op)):
            fitness = Fitness(inbound, self._styles, rule.unsupported, holder)
        return Plan(
            rule_state,
            self.ledger,
            op=inbound.op,
            tokens=inbound.tokens,
            rng=self._rng,
            limiter=None if self.budgets.is_empty else self.budgets,
            block=block,
            home=None if rule.affinity is None else self._home(rule, inbound, view, now),
            history=self.history,
            thrift=""
            if self.budgets.is_empty
            else self.budgets.spending.cheaper(rule.name, rule_state.providers, now),
            fitness=fitness,
        )

    def explained_plan(
        self, rule_state: RuleState, inbound: Inbound, now: float, wall: float
    ) -> Planned:
        """The plan for a request, with what every smart-routing block says of it."""
        rule = rule_state.rule
        block: int | None = None
        checks: list[dict[str, Any]] = []
        if rule.smart and routes_smartly(self.snapshot, inbound.scenario):
            view = self.view(inbound, now)
            for one in rule.smart:
                matched, why = one.check(view, wall)
                what = {"block": one.index, "matched": matched, "why": why}
                checks.append({**what, "description": one.description})
            found = first_match(rule.smart, view, wall)
            block = None if found is None else rule.smart.index(found)
        return Planned(self.plan(rule_state, inbound, now, wall), block, checks)

    def unknown_ids(self, inbound: Inbound) -> list[str]:
        """What a request names that vendors keep, if nobody is known here who holds any of it."""
        ids = ids_named(inbound)
        return ids if ids and self.ledger.holders.first_of(ids) is None else []

    def _home(
        self, rule: Rule, inbound: Inbound, view: RequestView | None, now: float
    ) -> Home | None:
        """Where a session, or a request with this beginning, should come back to."""
        affinity = rule.affinity
        assert affinity is not None
        if affinity.by == "prefix":
            key = prefix_key(rule.name, *(view or self.view(inbound, now)).prompt_prefix())
        else:
            key = session_key(rule.name, session_of(inbound, affinity))
        return None if key is None else Home(self.affinity, key, affinity.ttl_s)

    def view(self, inbound: Inbound, now: float) -> RequestView:
        """The request as smart routing looks at it."""
        return RequestView(inbound, self._chat_of, self.ledger, now)

    def _chat_of(self, inbound: Inbound) -> Chat:
        return chat_of(inbound, self._styles)


def _refuse_dot_segments(rule: Rule, model: str) -> None:
    """Raises ClientError (400) where a client's model would lead out of a vendor's path."""
    for service in services_of(rule):
        if service.model == model and leaves_path(service.provider, model):
            raise ClientError(
                400, "invalid_model", f"'model' must be a name, found {shown(model)!r}"
            )
