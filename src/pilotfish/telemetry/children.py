"""The children of the registry's families that requests count in: found once for each service,
rule or code, so that a request only adds. Series of configured services exist from the start, and
those of removed ones go; where only what was used is told, they come with the first request.
"""

from __future__ import annotations

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.price import Price
from pilotfish.core.model.service import REQUESTED, Service
from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.core.routing.match import DIRECT
from pilotfish.core.state.ledger import all_rules, services_of
from pilotfish.telemetry import series as s
from pilotfish.telemetry.configured import configured, costed
from pilotfish.telemetry.operations import operation_of
from pilotfish.telemetry.registry import Counter, Histogram, Registry

_LIKELY_STYLES = {
    "openai": ("openai",),
    "anthropic": ("anthropic",),
    "claude_code": ("anthropic",),
    "google": ("google",),
}
_COMMON_CODES = (200, 400, 429, 499, 500, 502, 503, 504)
# Of how many services that clients made up (`provider/model`) the children are remembered.
_REMEMBERED = 2048


class ServiceChildren:
    """What attempts at one service of one rule count in."""

    __slots__ = (
        "_registry",
        "cost",
        "estimated",
        "first_byte",
        "labels",
        "outcomes",
        "speed",
        "tokens",
        "unpriced",
    )

    def __init__(self, registry: Registry, rule: str, provider: str, model: str) -> None:
        at = self.labels = (rule, provider, model)
        self._registry = registry
        self.outcomes: dict[Outcome, Counter] = {
            o: registry[s.ATTEMPTS].counter(*at, str(o)) for o in Outcome
        }
        self.speed: Histogram = registry[s.OUTPUT_SPEED].histogram(*at)
        self.first_byte: Histogram = registry[s.FIRST_BYTE].histogram(*at)
        self.tokens: dict[str, Counter] = {
            k: registry[s.TOKENS_TOTAL].counter(*at, k)
            for k in ("input", "cached_input", "cache_write", "output", "reasoning")
        }
        self.estimated: Counter = registry[s.ESTIMATED].counter(*at)
        # Whether there is a price may change with the rules: a service without one has no cost, as
        # opposed to a cost of 0.
        self.cost: Counter | None = None
        self.unpriced: Counter | None = None

    def counted(self) -> dict[str, int]:
        """Attempts so far by outcome, those that there were."""
        return {
            str(outcome): int(child.value)
            for outcome, child in self.outcomes.items()
            if child.value
        }

    def is_in(self, registry: Registry) -> bool:
        return registry[s.ESTIMATED].children.get(self.labels) is self.estimated

    def begin(self, *, priced: bool) -> None:
        """The series of what it costs exists from now on."""
        registry = self._registry
        if priced:
            self.cost = registry[s.COST].counter(*self.labels)
        else:
            self.unpriced = registry[s.UNPRICED].counter(*self.labels[1:])

    def usage(self, usage: Usage, price: Price | None, cost_usd: float) -> None:
        """What an attempt took. `price`: the service's own then; None: nobody knows it."""
        tokens = self.tokens
        tokens["input"].value += usage.input
        tokens["output"].value += usage.output
        if usage.cached_input:
            tokens["cached_input"].value += usage.cached_input
        if usage.cache_write:
            tokens["cache_write"].value += usage.cache_write
        if usage.reasoning:
            tokens["reasoning"].value += usage.reasoning
        if usage.estimated:
            self.estimated.value += 1
        if price is None:
            if self.unpriced is None:
                self.begin(priced=False)
            assert self.unpriced is not None
            self.unpriced.value += usage.input + usage.output
            return
        if self.cost is None:
            self.begin(priced=True)
        assert self.cost is not None
        self.cost.value += cost_usd


class GenAiChildren:
    """The families of the GenAI conventions for one (operation, provider, request model, response
    model): those of requests, and those of calls to the provider.
    """

    __slots__ = (
        "_at",
        "_registry",
        "call",
        "duration",
        "first_chunk",
        "first_token",
        "per_token",
        "spent",
        "tokens",
    )

    def __init__(
        self,
        registry: Registry,
        operation: str,
        provider: str,
        request_model: str,
        response_model: str,
    ) -> None:
        at = self._at = (operation, provider, request_model, response_model)
        self._registry = registry
        self.first_token: Histogram = registry[s.GEN_AI_FIRST_TOKEN].histogram(*at)
        self.per_token: Histogram = registry[s.GEN_AI_PER_TOKEN].histogram(*at)
        self.duration: Histogram = registry[s.GEN_AI_DURATION].histogram(*at, "")
        self.tokens: dict[str, Histogram] = {
            t: registry[s.GEN_AI_TOKENS].histogram(*at, t) for t in ("input", "output")
        }

        self.call: Histogram = registry[s.CALL_DURATION].histogram(*at, "")
        self.first_chunk: Histogram = registry[s.CALL_FIRST_CHUNK].histogram(*at)
        # Vendors that break usage down by modality do so in forms of their own.
        self.spent: list[Counter] = [
            registry[series].counter(*at, "unknown")
            for series in (
                s.SPENT_INPUT,
                s.SPENT_OUTPUT,
                s.SPENT_CACHE_READ,
                s.SPENT_CACHE_WRITE,
                s.SPENT_REASONING,
            )
        ]

    def is_in(self, registry: Registry) -> bool:
        return registry[s.GEN_AI_FIRST_TOKEN].children.get(self._at) is self.first_token

    def failed(self, error_type: str) -> Histogram:
        return self._registry[s.GEN_AI_DURATION].histogram(*self._at, error_type)

    def failed_call(self, error_type: str) -> Histogram:
        return self._registry[s.CALL_DURATION].histogram(*self._at, error_type)

    def spend(self, usage: Usage) -> None:
        """What a call took, whether the client got something of it or not."""
        spent = self.spent
        spent[0].value += usage.input
        spent[1].value += usage.output
        spent[2].value += usage.cached_input
        spent[3].value += usage.cache_write
        spent[4].value += usage.reasoning

    def usage(self, usage: Usage) -> None:
        """What a request took."""
        self.tokens["input"].observe(usage.input)
        self.tokens["output"].observe(usage.output)
        if not (usage.cached_input or usage.cache_write or usage.reasoning):
            return
        for kind, count in (
            ("cached_input", usage.cached_input),
            ("cache_creation_input", usage.cache_write),
            ("reasoning", usage.reasoning),
        ):
            if count:
                child = self.tokens.get(kind)
                if child is None:
                    child = self.tokens[kind] = self._registry[s.GEN_AI_TOKENS].histogram(
                        *self._at, kind
                    )
                child.observe(count)


class RequestChildren:
    """What a rule's requests in one style count in. `codes` by status, as far as they are known."""

    __slots__ = ("codes", "duration")

    def __init__(self, duration: Histogram) -> None:
        self.duration = duration
        self.codes: dict[int, Counter] = {}


class Children:
    """All children in use, by what they count."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        # What requests count in that are still on their way when their rule or service is removed:
        # no series comes back for them.
        self._gone = Registry()
        self._rules: set[str] = {""}
        self._pairs: set[tuple[str, str]] = set()
        self._triples: set[tuple[str, str, str]] = set()
        self._of_attempts: dict[Service, dict[str, tuple[ServiceChildren, GenAiChildren]]] = {}
        self._services: dict[tuple[str, str, str], ServiceChildren] = {}
        self._gen_ai: dict[tuple[str, str, str, str], GenAiChildren] = {}
        self._requests: dict[tuple[str, str, bool], RequestChildren] = {}
        self.overhead = {
            flag: registry[s.OVERHEADS].histogram("true" if flag else "false")
            for flag in (False, True)
        }

    def of_attempt(
        self, rule: Rule, service: Service, op: str, known: bool
    ) -> tuple[ServiceChildren, GenAiChildren]:
        """What an attempt at this service counts in."""
        by_op = self._of_attempts.get(service)
        if by_op is None:
            if len(self._of_attempts) >= _REMEMBERED:
                self._of_attempts.clear()
            by_op = self._of_attempts[service] = {}
        pair = by_op.get(op)
        if pair is None:
            pair = by_op[op] = (
                self.service(rule.name, service, known),
                self.gen_ai(op, rule, service, known),
            )
        return pair

    def service(self, rule: str, service: Service, known: bool) -> ServiceChildren:
        """`known`: the rules name this model; one that a client made up is counted as `other`."""
        key = (
            rule,
            service.provider.name,
            (service.label or service.model) if known else s.OTHER_MODEL,
        )
        found = self._services.get(key)
        if found is None:
            found = self._services[key] = ServiceChildren(
                self.registry if key in self._triples else self._gone, *key
            )
        return found

    def outcomes(self, rule: str, service: Service) -> dict[str, int]:
        """A configured service's attempts so far by outcome. Asking begins no series."""
        at = (rule, service.provider.name, service.label or service.model)
        found = self._services.get(at)
        return found.counted() if found is not None else {}

    def gen_ai(self, op: str, rule: Rule, service: Service, known: bool) -> GenAiChildren:
        key = (
            operation_of(op),
            service.provider.name,
            rule.request_model if known else s.OTHER_MODEL,
            (service.label or service.model) if known else s.OTHER_MODEL,
        )
        found = self._gen_ai.get(key)
        if found is None:
            found = self._gen_ai[key] = GenAiChildren(
                self.registry if (key[1], key[3]) in self._pairs else self._gone, *key
            )
        return found

    def of_rule(self, rule: str) -> Registry:
        """Where what is labelled with a rule is counted."""
        return self.registry if rule in self._rules else self._gone

    def is_configured(self, provider: str, model: str) -> bool:
        """Whether the rules name this service."""
        return (provider, model) in self._pairs

    def of_provider(self, provider: str) -> Registry:
        return self.of_service(provider, s.OTHER_MODEL)

    def of_service(self, provider: str, model: str) -> Registry:
        return self.registry if (provider, model) in self._pairs else self._gone

    def of_request(self, rule: str, style: str, stream: bool) -> RequestChildren:
        key = (rule, style, stream)
        found = self._requests.get(key)
        if found is None:
            durations = self.of_rule(rule)[s.DURATIONS]
            found = self._requests[key] = RequestChildren(
                durations.histogram(rule, style, "true" if stream else "false")
            )
            for common in _COMMON_CODES:
                found.codes[common] = self.code(rule, style, common)
        return found

    def code(self, rule: str, style: str, code: int) -> Counter:
        """What answers with this status count in."""
        requests = self.of_rule(rule)[s.REQUESTS]
        for common in _COMMON_CODES:  # at 0 before they happen: the first failure is an increase
            requests.counter(rule, style, str(common))
        return requests.counter(rule, style, str(code))

    def adopt(self, snapshot: Snapshot) -> None:
        """Series of removed services go; those of configured ones exist from the start, if all are
        told.
        """
        self._of_attempts.clear()
        self._gone = Registry()
        rules = self._rules = {r.name for r in all_rules(snapshot)} | {"", DIRECT}
        triples = self._triples = set(configured(snapshot))
        pairs = self._pairs = {(provider, model) for _, provider, model in triples}
        models = {r.request_model for r in all_rules(snapshot)} | {s.OTHER_MODEL}
        for family in self.registry.families.values():
            names = family.series.labels
            if names[:3] == ("rule", "provider", "model"):
                family.keep(lambda at: at[:3] in triples)
            elif names[:2] == ("provider", "model"):
                family.keep(lambda at: at[:2] in pairs)
            elif names[:1] == ("provider",):
                family.keep(lambda at: (at[0], s.OTHER_MODEL) in pairs)
            elif names[:1] == ("rule",):
                family.keep(lambda at: at[0] in rules)
            elif names[1:2] == ("gen_ai_provider_name",):
                family.keep(lambda at: (at[1], at[3]) in pairs and at[2] in models)
        self._services = {
            k: v for k, v in self._services.items() if k in triples and v.is_in(self.registry)
        }
        self._forget_costs(snapshot)
        self._gen_ai = {
            k: v
            for k, v in self._gen_ai.items()
            if (k[1], k[3]) in pairs and k[2] in models and v.is_in(self.registry)
        }
        # Looked up again: a child may stand for a rule that was gone and is back.
        self._requests.clear()
        self.registry.serves(sum(rule not in ("", DIRECT) for rule, _, _ in triples))
        if self.registry.detail == "full":
            for rule in all_rules(snapshot):
                self._begin(rule)

    def _forget_costs(self, snapshot: Snapshot) -> None:
        """No cost stays of services that have no price any more, and no unpriced tokens of those
        that have one now."""
        priced, unpriced = costed(snapshot)
        self.registry[s.COST].keep(lambda at: at in priced)
        self.registry[s.UNPRICED].keep(lambda at: at in unpriced)
        for children in self._services.values():
            children.cost = children.unpriced = None

    def _begin(self, rule: Rule) -> None:
        """All that a rule and its services may count in exists before the first request: an
        increase from nothing is none to Prometheus.
        """
        registry, name = self.registry, rule.name
        registry[s.IN_FLIGHT].gauge(name)
        for series in (s.RETRIES, s.FALLBACKS, s.CLIENT_GONE, s.FORCED):
            registry[series].counter(name)
        for style in _LIKELY_STYLES.get(rule.scenario or "", ("openai", "anthropic")):
            for stream in (False, True):
                self.of_request(name, style, stream)
        for reason in ("silence", "trial"):
            for result in ("won", "lost"):
                registry[s.RIVALS].counter(name, reason, result)
        if rule.hedge is not None:
            registry[s.WASTED_TOKENS].counter(name, "hedge")
            for result in ("won", "lost"):
                registry[s.HEDGES].counter(name, result)
        elif rule.race is not None:
            registry[s.WASTED_TOKENS].counter(name, "race")
        if rule.buffer:
            registry[s.WASTED_TOKENS].counter(name, "rescue")
        for mode in {rule.on_stream_break, "restart" if rule.buffer else "error"} - {"error"}:
            for result in ("rescued", "failed"):
                registry[s.STREAM_RESCUES].counter(name, mode, result)
        for service in services_of(rule):
            children = self.service(name, service, True)
            if service.model != REQUESTED:
                children.begin(priced=service.price is not None)
            self.gen_ai("chat", rule, service, True)
            registry[s.MALFORMED].counter(*children.labels[1:])
            for cause in (*s.BREAK_CAUSES.values(), s.ERROR_EVENT):
                registry[s.STREAM_BREAKS].counter(*children.labels[1:], cause)
            if rule.race is not None:
                for result in ("won", "lost", "failed"):
                    registry[s.RACES].counter(*children.labels, result)
