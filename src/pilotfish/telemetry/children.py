"""Which children a rule, a service or an attempt counts in: looked up when rules come into force, so
that a request only adds.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Service
from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.core.routing.match import DIRECT
from pilotfish.core.state.health import COOLING, PROBING, SERVING
from pilotfish.core.state.ledger import Ledger, all_rules, all_services, services_of
from pilotfish.telemetry import series as s
from pilotfish.telemetry.registry import Registry

if TYPE_CHECKING:
    from pilotfish.core.state.candidate import Candidate
    from pilotfish.telemetry.registry import Counter, Histogram

# The OpenTelemetry names of what is asked for; unlisted operations go by their own.
_OPERATIONS = {
    "responses": "chat",
    "messages": "chat",
    "generate": "chat",
    "converse": "chat",
    "completions": "text_completion",
    "google_embeddings": "embeddings",
}
_LIKELY_STYLES = {
    "openai": ("openai",),
    "anthropic": ("anthropic",),
    "claude_code": ("anthropic",),
    "google": ("google",),
}
_COMMON_CODES = ("200", "400", "429", "499", "500", "502", "503", "504")
STATES = (SERVING, COOLING, PROBING)


def operation_of(op: str) -> str:
    """What OpenTelemetry calls it."""
    word = op.partition("/")[0]
    return _OPERATIONS.get(word, word)


class ServiceChildren:
    """What attempts at one service of one rule count in."""

    __slots__ = ("cost", "estimated", "first_byte", "labels", "outcomes", "speed", "tokens")

    def __init__(self, registry: Registry, rule: str, provider: str, model: str) -> None:
        at = self.labels = (rule, provider, model)
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
        self.cost: Counter = registry[s.COST].counter(*at)

    def counted(self) -> dict[str, int]:
        """Attempts so far by outcome, those that there were."""
        return {
            str(outcome): int(child.value)
            for outcome, child in self.outcomes.items()
            if child.value
        }

    def is_in(self, registry: Registry) -> bool:
        return registry[s.COST].children.get(self.labels) is self.cost

    def usage(self, usage: Usage, cost_usd: float) -> None:
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
        self.cost.value += cost_usd


class GenAiChildren:
    """The four standard families for one (operation, provider, request model, response model)."""

    __slots__ = ("_at", "_registry", "duration", "first_token", "per_token", "tokens")

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

    def is_in(self, registry: Registry) -> bool:
        return registry[s.GEN_AI_FIRST_TOKEN].children.get(self._at) is self.first_token

    def failed(self, error_type: str) -> Histogram:
        return self._registry[s.GEN_AI_DURATION].histogram(*self._at, error_type)

    def usage(self, usage: Usage) -> None:
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


class Counting:
    """All children in use, by what they count. A new snapshot makes what is missing and drops what
    went.
    """

    def __init__(self, registry: Registry, ledger: Ledger) -> None:
        self.registry, self.ledger = registry, ledger
        # What requests count in that are still on their way when their rule or service is removed:
        # no series comes back for them.
        self._gone = Registry()
        self._rules: set[str] = {""}
        self._pairs: set[tuple[str, str]] = set()
        self._triples: set[tuple[str, str, str]] = set()
        self.generation = (
            object()
        )  # another one after each reload, since children of removed services are dropped
        self._services: dict[tuple[str, str, str], ServiceChildren] = {}
        self._gen_ai: dict[tuple[str, str, str, str], GenAiChildren] = {}
        self._codes: dict[tuple[str, str, int], Counter] = {}
        self._durations: dict[tuple[str, str, bool], Histogram] = {}
        self.overhead = {
            flag: registry[s.OVERHEADS].histogram("true" if flag else "false")
            for flag in (False, True)
        }
        registry.before_scrape.append(self.refresh)

    def of(
        self, candidate: Candidate, rule: Rule, op: str, known: bool
    ) -> tuple[ServiceChildren, GenAiChildren]:
        """What an attempt at this candidate counts in; looked up once per candidate and
        operation.
        """
        found = candidate.kept.get(op)
        if found is None or found[0] is not self.generation:
            children = (
                self.service(rule.name, candidate.service, known),
                self.gen_ai(op, rule, candidate.service, known),
            )
            found = candidate.kept[op] = (self.generation, children)
        pair: tuple[ServiceChildren, GenAiChildren] = found[1]
        return pair

    def service(self, rule: str, service: Service, known: bool) -> ServiceChildren:
        """`known`: the rules name this model; one that a client made up is counted as `other`."""
        key = (rule, service.provider.name, service.model if known else s.OTHER_MODEL)
        found = self._services.get(key)
        if found is None:
            found = self._services[key] = ServiceChildren(
                self.registry if key in self._triples else self._gone, *key
            )
        return found

    def gen_ai(self, op: str, rule: Rule, service: Service, known: bool) -> GenAiChildren:
        key = (
            operation_of(op),
            service.provider.name,
            rule.request_model if known else s.OTHER_MODEL,
            service.model if known else s.OTHER_MODEL,
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

    def of_service(self, provider: str, model: str) -> Registry:
        return self.registry if (provider, model) in self._pairs else self._gone

    def code(self, rule: str, style: str, code: int) -> Counter:
        key = (rule, style, code)
        found = self._codes.get(key)
        if found is None:
            self._common_codes(rule, style)
            found = self._codes[key] = self.of_rule(rule)[s.REQUESTS].counter(
                rule, style, str(code)
            )
        return found

    def _common_codes(self, rule: str, style: str) -> None:
        """At 0 before they happen: the first failure is an increase, too."""
        for code in _COMMON_CODES:
            self.of_rule(rule)[s.REQUESTS].counter(rule, style, code)

    def duration(self, rule: str, style: str, stream: bool) -> Histogram:
        key = (rule, style, stream)
        found = self._durations.get(key)
        if found is None:
            found = self._durations[key] = self.of_rule(rule)[s.DURATIONS].histogram(
                rule, style, "true" if stream else "false"
            )
        return found

    def adopt(self, snapshot: Snapshot) -> None:
        """Series of configured services exist from the start, and those of removed ones go."""
        self.generation = object()
        self._gone = Registry()
        rules = self._rules = {r.name for r in all_rules(snapshot)} | {"", DIRECT}
        pairs = self._pairs = {(x.provider.name, x.model) for x in all_services(snapshot)} | {
            (p, s.OTHER_MODEL) for p in snapshot.providers
        }
        triples = self._triples = {
            (x.rule, x.provider.name, x.model) for x in all_services(snapshot)
        } | {(r, p, s.OTHER_MODEL) for r in ("", DIRECT) for p in snapshot.providers}
        models = {r.request_model for r in all_rules(snapshot)} | {s.OTHER_MODEL}
        for family in self.registry.families.values():
            names = family.series.labels
            if names[:3] == ("rule", "provider", "model"):
                family.keep(lambda at: at[:3] in triples)
            elif names[:2] == ("provider", "model"):
                family.keep(lambda at: at[:2] in pairs)
            elif names[:1] == ("rule",):
                family.keep(lambda at: at[0] in rules)
            elif names[1:2] == ("gen_ai_provider_name",):
                family.keep(lambda at: (at[1], at[3]) in pairs and at[2] in models)
        self._services = {
            k: v for k, v in self._services.items() if k in triples and v.is_in(self.registry)
        }
        self._gen_ai = {
            k: v
            for k, v in self._gen_ai.items()
            if (k[1], k[3]) in pairs and k[2] in models and v.is_in(self.registry)
        }
        # Looked up again: a child may stand for a rule that was gone and is back.
        self._codes.clear()
        self._durations.clear()
        for rule in all_rules(snapshot):
            self._begin(rule)
        self.refresh()

    def _begin(self, rule: Rule) -> None:
        """All that a rule and its services may count in exists before the first request: an
        increase from nothing is none to Prometheus.
        """
        registry, name = self.registry, rule.name
        registry[s.IN_FLIGHT].gauge(name)
        for series in (s.RETRIES, s.FALLBACKS, s.CLIENT_GONE, s.FORCED):
            registry[series].counter(name)
        for style in _LIKELY_STYLES.get(rule.scenario or "", ("openai", "anthropic")):
            self._common_codes(name, style)
            for stream in (False, True):
                self.duration(name, style, stream)
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
            self.gen_ai("chat", rule, service, True)
            registry[s.MALFORMED].counter(*children.labels[1:])
            for cause in (*s.BREAK_CAUSES.values(), s.ERROR_EVENT):
                registry[s.STREAM_BREAKS].counter(*children.labels[1:], cause)
            if rule.race is not None:
                for result in ("won", "lost", "failed"):
                    registry[s.RACES].counter(*children.labels, result)

    def refresh(self) -> None:
        """Gauges that follow the ledger. Services that a client made up (`provider/model`) have
        none.
        """
        now = monotonic()
        state_family, cooldown = self.registry[s.SERVICE_STATE], self.registry[s.SERVICE_COOLDOWN]
        for (provider, model), state in self.ledger.services.items():
            if (provider, model) not in self._pairs:
                continue
            for name in STATES:
                state_family.gauge(provider, model, name).value = (
                    1.0 if state.health.state == name else 0.0
                )
            left = state.health.until - now if state.health.state != SERVING else 0.0
            cooldown.gauge(provider, model).value = max(0.0, left)
            for kind, remaining in state.headroom.remaining.items():
                self.registry[s.LIMIT_REMAINING].gauge(provider, model, kind).value = remaining
            for kind, limit in state.headroom.limit.items():
                self.registry[s.LIMIT].gauge(provider, model, kind).value = limit
