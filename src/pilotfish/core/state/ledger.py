"""The state of all services and credentials: the only long-lived mutable state of the core.

An attempt changes it by `begin`, `on_first_token` and `finish`; a background probe by
`Health.succeeded` and `Health.failed`. Everything else only reads it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import NO_CREDENTIAL, Failure, Outcome
from pilotfish.core.model.service import Service
from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.core.model.tactic import Memory
from pilotfish.core.state.candidate import Candidate, ServiceState
from pilotfish.core.state.health import COOLING, PROBING, SERVING, Health

# Outcomes that say nothing about a service's health.
NOT_TO_BLAME = frozenset(
    {Outcome.CLIENT_GONE, Outcome.LOST_RACE, Outcome.BAD_REQUEST, Outcome.REFUSED}
)


class Timings:
    """Measurements of one attempt. `latency_s`: seconds to its end. `ttft_s`: seconds to the first
    token, None if there was none. `speed`: output tokens per second, for streams only.
    """

    __slots__ = ("latency_s", "speed", "ttft_s")

    def __init__(
        self, latency_s: float, ttft_s: float | None = None, speed: float | None = None
    ) -> None:
        self.latency_s, self.ttft_s, self.speed = latency_s, ttft_s, speed


class Ledger:
    """The state of services by (provider, model), of credentials by provider, and the memories of
    tactics by (rule, candidate set). An entry lives as long as the rules in force name it.
    """

    def __init__(self) -> None:
        self.services: dict[tuple[str, str], ServiceState] = {}
        self.credentials: dict[str, list[Health]] = {}
        self.memories: dict[tuple[str, object], Memory] = {}

    def adopt(self, snapshot: Snapshot) -> None:
        """Takes over new rules: keeps the state of services that are still named, and drops that of
        the others.
        """
        wanted = {(s.provider.name, s.model): s for s in all_services(snapshot)}
        for key in [k for k in self.services if k not in wanted]:
            del self.services[key]
        for key, service in wanted.items():
            known = self.services.get(key)
            tokens = len(service.provider.tokens)
            if known is None or len(known.keys) != (tokens if tokens > 1 else 0):
                self.services[key] = ServiceState(*key, tokens)
        for name in [n for n in self.credentials if n not in snapshot.providers]:
            del self.credentials[name]
        for name, provider in snapshot.providers.items():
            count = max(1, len(provider.tokens))
            if len(self.credentials.get(name, ())) != count:
                self.credentials[name] = [Health() for _ in range(count)]
        names = {r.name for r in all_rules(snapshot)}
        for memory in [m for m in self.memories if m[0] not in names]:
            del self.memories[memory]

    def candidate(self, service: Service) -> Candidate:
        """The service bound to its state, which is made on first use."""
        key = (service.provider.name, service.model)
        state = self.services.get(key)
        if state is None:
            state = self.services[key] = ServiceState(*key, len(service.provider.tokens))
        return Candidate(service, state)

    def memory(self, rule: str, group: object) -> Memory:
        """The tactic's memory for one candidate set of a rule (`group`: the set's key), made on
        first use.
        """
        key = (rule, group)
        found = self.memories.get(key)
        if found is None:
            found = self.memories[key] = Memory()
        return found

    def key_for(self, candidate: Candidate, now: float) -> int | None:
        """The index of the provider's credential to use: the first that is serving or due for a
        probe. None if all are out.
        """
        credentials = self.credentials.get(candidate.service.provider.name)
        if credentials is None:
            return 0
        keys = candidate.state.keys
        if not keys and credentials[0].state == SERVING:  # the common case
            return 0
        for i, health in enumerate(credentials):
            if (health.state == SERVING or health.is_due(now)) and (
                not keys or keys[i].state == SERVING or keys[i].is_due(now)
            ):
                return i
        return None

    def due(self, now: float) -> list[tuple[str, str]]:
        """Services whose time out is over, which wait for a probe."""
        return [key for key, state in self.services.items() if state.health.is_due(now)]

    def next_due(self) -> float | None:
        """When the next of the cooling services is due; None if none cools."""
        times = [st.health.until for st in self.services.values() if st.health.state == COOLING]
        return min(times, default=None)

    # ---- one attempt

    def begin(
        self, candidate: Candidate, tokens: int, now: float, *, streams: bool = False
    ) -> None:
        """An attempt starts. `tokens`: estimated input tokens. If a probe of the service is due,
        the attempt is that probe. For a stream (`streams`), `on_first_token` follows, or `finish`
        with `awaited`.
        """
        state = candidate.state
        state.in_flight += 1
        state.tokens_in_flight += tokens
        if streams:
            state.waiting.begin(now)
        if state.health.state != SERVING and state.health.is_due(now):
            state.health.probe()

    def on_first_token(self, candidate: Candidate, began: float, now: float) -> None:
        """The first content of a stream arrived; `began` is when its attempt began."""
        candidate.state.waiting.on_first_token(began, now)

    def finish(
        self,
        candidate: Candidate,
        rule: Rule,
        *,
        key: int,
        tokens: int,
        outcome: Outcome,
        failure: Failure | None,
        usage: Usage | None,
        timings: Timings,
        cost_usd: float,
        began: float,
        now: float,
        awaited: bool = False,
    ) -> bool:
        """An attempt is over. Returns whether the health of its service changed.

        `key`: index of the credential it used. `tokens`: the estimate given to `begin`. `usage`:
        tokens that the upstream reported, None if it reported none. `awaited`: a stream whose first
        token never came.
        """
        state = candidate.state
        state.in_flight -= 1
        state.tokens_in_flight -= tokens
        if awaited:
            state.waiting.abandon(began)
        served = outcome is Outcome.SERVED
        if served or usage is not None:
            window = state.window(candidate.service.time_window_s, now)
            window.requests += served
        if usage is not None:
            window.input_tokens += usage.input
            window.output_tokens += usage.output
            window.cost_usd += cost_usd
            if usage.cached_input:
                window.cache_hits += 1
            elif served:
                window.cache_misses += 1
        if served:
            return self._served(candidate, key, timings, began, now)
        if failure is None or failure.local or outcome in NOT_TO_BLAME:
            # The service is not to blame. If this attempt was its probe, the probe has no result.
            if state.health.state == PROBING and began >= state.health.until:
                state.health.abandon_probe()
            return False
        return self._failed(candidate, rule, key, outcome, failure, began, now)

    def _served(
        self, candidate: Candidate, key: int, timings: Timings, began: float, now: float
    ) -> bool:
        state = candidate.state
        state.latency.add(timings.latency_s, now)
        if timings.ttft_s is not None:
            state.ttft.add(timings.ttft_s, now)
        if timings.speed is not None:
            state.speed.add(timings.speed, now)
        credentials = self.credentials.get(state.provider)
        if credentials is not None and key < len(credentials) and credentials[key].state != SERVING:
            credentials[key].succeeded(began, now)
        if state.keys:
            state.keys[key].succeeded(began, now)
        return state.health.succeeded(began, now)

    def _failed(
        self,
        candidate: Candidate,
        rule: Rule,
        key: int,
        outcome: Outcome,
        failure: Failure,
        began: float,
        now: float,
    ) -> bool:
        state = candidate.state

        def record(health: Health, wait_s: float | None) -> bool:
            return health.failed(
                outcome,
                wait_s=wait_s,
                reason=reason_of(failure),
                began=began,
                now=now,
                health=rule.health,
                cooldown=rule.cooldown,
            )

        if outcome is Outcome.AUTH_FAILED:
            credentials = self.credentials.get(state.provider)
            if credentials is not None and key < len(credentials):
                record(credentials[key], failure.wait_s)
                if any(h.state == SERVING for h in credentials):
                    return True
        elif outcome is Outcome.RATE_LIMITED and state.keys:
            record(state.keys[key], failure.wait_s)
            if any(h.state == SERVING for h in state.keys):
                return True
            # All keys are out, and so is the service until the first of them is back.
            first = min(state.keys, key=lambda h: h.until)
            changed = record(state.health, max(0.0, first.until - now))
            state.health.retry_after_given = first.retry_after_given
            return changed
        return record(state.health, failure.wait_s)

    def renewed(self, provider: str, key: int) -> None:
        """A credential was replaced. It serves again, and so do the services that are out because
        the old one was refused.
        """
        credentials = self.credentials.get(provider, [])
        if key < len(credentials):
            credentials[key].recover()
        for (name, _), state in self.services.items():
            if name == provider and state.health.refused:
                state.health.recover()

    def reset(self, provider: str, model: str | None = None) -> int:
        """Reset by hand: puts a service, or all services of a provider, and the provider's
        credentials back to serving. Returns the number of services.
        """
        found = [
            s
            for (p, m), s in self.services.items()
            if p == provider and (model is None or m == model)
        ]
        for state in found:
            state.health.recover()
            for health in state.keys:
                health.recover()
        for health in self.credentials.get(provider, []):
            health.recover()
        return len(found)


def all_rules(snapshot: Snapshot) -> Iterator[Rule]:
    """Rules and virtual models, inactive ones too."""
    yield from snapshot.rules
    yield from snapshot.virtual_models.values()


def all_services(snapshot: Snapshot) -> Iterator[Service]:
    """The services of all rules and virtual models, those of smart-routing blocks included. A
    service that is named twice comes twice.
    """
    for rule in all_rules(snapshot):
        yield from services_of(rule)


def services_of(rule: Rule) -> Iterator[Service]:
    """A rule's own services, then those of its smart-routing blocks."""
    yield from rule.services
    for block in rule.smart:
        yield from block.services


def reason_of(failure: Failure) -> str:
    """Why a service went out, for `/status` and `explain`. It never holds the upstream's own text,
    which may quote the request.
    """
    if failure.code == NO_CREDENTIAL:
        return failure.message  # it names the credential's source, and is the proxy's own
    asked = f", asked to wait {failure.wait_s:.0f} s" if failure.wait_s is not None else ""
    return (
        f"{failure.outcome} (status {failure.status}{asked})"
        if failure.status
        else f"{failure.outcome}{asked}"
    )
