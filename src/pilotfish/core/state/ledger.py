"""The state of all services and credentials: the only long-lived mutable state of the core.

An attempt changes it by `begin`, `on_first_token` and `finish`; a background probe by
`Health.succeeded` and `Health.failed`. Everything else only reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pilotfish.core.model.outcome import NO_CREDENTIAL, Failure, Outcome
from pilotfish.core.model.service import REQUESTED, Service
from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.core.model.tactic import Memory
from pilotfish.core.state.candidate import Candidate, LastError, ServiceState
from pilotfish.core.state.evidence import AttemptResult, Trials
from pilotfish.core.state.health import PROBING, SERVING, Health
from pilotfish.core.state.holders import Holders

# Outcomes that say nothing about a service's health.
NOT_TO_BLAME = frozenset(
    {Outcome.CLIENT_GONE, Outcome.LOST_RACE, Outcome.BAD_REQUEST, Outcome.REFUSED}
)


OUT, BACK, REFUSED = "out", "back", "refused"


class HealthChange(NamedTuple):
    """A health went out (`out`), came back (`back`), or a credential was refused (`refused`).

    `service`: the one whose attempt showed it. `key`: the index of the credential, where it is a
    credential's. `seconds`: how long it is out, or was. `failure`: why it went out.
    """

    kind: str
    service: Service
    health: Health
    key: int | None
    seconds: float
    failure: Failure | None = None


class Ledger:
    """The state of services by (provider, model), of credentials by provider, and the memories of
    tactics by (rule, candidate set); and who holds what vendors keep. An entry lives as long as the
    rules in force name it.
    """

    def __init__(self) -> None:
        self.services: dict[tuple[str, str], ServiceState] = {}
        self.credentials: dict[str, list[Health]] = {}
        self.memories: dict[tuple[str, object], Memory] = {}
        self.holders = Holders()

    def adopt(self, snapshot: Snapshot) -> None:
        """Takes over new rules: keeps the state of services that are still named, and drops that of
        the others. Those of models that were asked for stay with a service that takes any.
        """
        wanted = {(s.provider.name, s.model): s for s in all_services(snapshot)}
        for key in [k for k in self.services if k not in wanted]:
            if (key[0], REQUESTED) not in wanted:
                del self.services[key]
        for key, service in wanted.items():
            known = self.services.get(key)
            tokens = len(service.provider.tokens)
            if known is None or len(known.keys) != (tokens if tokens > 1 else 0):
                self.services[key] = ServiceState(*key, tokens)
        for key, state in list(self.services.items()):
            if key not in wanted:  # of a model that was asked for
                tokens = len(wanted[key[0], REQUESTED].provider.tokens)
                if len(state.keys) != (tokens if tokens > 1 else 0):
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

    # ---- questions

    def blocking(self, state: ServiceState, now: float) -> Health | None:
        """What keeps a service from being asked longest: its own health, or that of the credential
        which comes back first. None if it may be asked. Everybody asks this one function.
        """
        own = state.health if not state.health.may_be_asked(now) else None
        credentials = self.credentials.get(state.provider)
        keys = state.keys
        if credentials is None or (not keys and not credentials[0].out):  # the common case
            return own
        blocking: Health | None = None
        for i, credential in enumerate(credentials):
            of_key = keys[i] if keys else credential
            worse = credential if not credential.may_be_asked(now) else of_key
            if worse.may_be_asked(now):
                return own
            if blocking is None or (worse.refused, worse.until) < (
                blocking.refused,
                blocking.until,
            ):
                blocking = worse
        if own is None or blocking is None:
            return blocking or own
        return max(own, blocking, key=lambda health: (health.refused, health.until))

    def state_of(self, state: ServiceState, now: float) -> str:
        """`serving`, `cooling` or `probing`, its credentials considered."""
        blocking = self.blocking(state, now)
        if blocking is not None:
            return blocking.state(now)
        return PROBING if self.on_trial(state, now) else SERVING

    def on_trial(self, state: ServiceState, now: float) -> bool:
        """Whether the next request to this service would be its trial, or its credential's."""
        if state.health.out:
            return True
        credentials = self.credentials.get(state.provider)
        if not state.keys and (credentials is None or not credentials[0].out):  # the common case
            return False
        key = self.key_for(state, now)
        return key is not None and any(h.out for h in self._keys_of(state, key))

    def key_for(self, state: ServiceState, now: float) -> int | None:
        """The index of the provider's credential to use: the first that serves, else the first that
        may be tried. None if all are out.
        """
        credentials = self.credentials.get(state.provider)
        if credentials is None:
            return 0
        keys = state.keys
        if not keys and not credentials[0].out:  # the common case
            return 0
        due: int | None = None
        for i, health in enumerate(credentials):
            if health.may_be_asked(now) and (not keys or keys[i].may_be_asked(now)):
                if not health.out and (not keys or not keys[i].out):
                    return i
                due = i if due is None else due
        return due

    def _keys_of(self, state: ServiceState, key: int) -> list[Health]:
        """The health of one of the provider's credentials: in general, and for this model."""
        found = []
        credentials = self.credentials.get(state.provider)
        if credentials is not None and key < len(credentials):
            found.append(credentials[key])
        if state.keys and key < len(state.keys):
            found.append(state.keys[key])
        return found

    def due(self, now: float) -> list[tuple[str, str]]:
        """Services on trial."""
        return [key for key, state in self.services.items() if state.health.is_due(now)]

    def next_due(self, now: float) -> float | None:
        """When the next of the cooling services is due; None if none cools."""
        times = [st.health.until for st in self.services.values() if st.health.out]
        return min((at for at in times if at > now), default=None)

    # ---- one attempt

    def begin(
        self, candidate: Candidate, key: int, tokens: int, now: float, *, streams: bool = False
    ) -> Trials:
        """An attempt starts with the credential `key`. `tokens`: estimated input tokens. Returns
        what it tries: whatever of the service and its credentials is out and due. For a stream
        (`streams`), `on_first_token` follows, or `finish` with `awaited`.
        """
        state = candidate.state
        state.in_flight += 1
        state.tokens_in_flight += tokens
        state.requests_total += 1
        if streams:
            state.waiting.begin(now)
        if not state.health.out and key == 0 and not state.keys:
            credentials = self.credentials.get(state.provider)
            if credentials is None or not credentials[0].out:  # the common case
                return ()
        tried = [
            h for h in (state.health, *self._keys_of(state, key)) if h.is_due(now) and not h.trial
        ]
        for health in tried:
            health.begin_trial(now)
        return tuple(tried)

    def occupy(self, candidate: Candidate) -> None:
        """A request that is passed on begins. It says nothing of health: what answers files may
        not answer chats, and a key may be good for one of them only.
        """
        candidate.state.in_flight += 1
        candidate.state.requests_total += 1

    def vacate(self, candidate: Candidate, now: float) -> None:
        """It is over."""
        candidate.state.in_flight -= 1
        candidate.state.last_used = now

    def on_first_token(
        self, candidate: Candidate, began: float, now: float, trials: Trials = ()
    ) -> list[HealthChange]:
        """The first content of a stream arrived; `began` is when its attempt began. It ends a
        trial.
        """
        candidate.state.waiting.on_first_token(began, now)
        return self._back(candidate, trials, began, now) if trials else []

    def finish(
        self, candidate: Candidate, rule: Rule, result: AttemptResult, now: float
    ) -> list[HealthChange]:
        """An attempt is over. Returns which health changed."""
        state = candidate.state
        state.in_flight -= 1
        state.tokens_in_flight -= result.tokens
        state.last_used = now
        if result.awaited:
            state.waiting.abandon(result.began)
        self._count(candidate, result, now)
        outcome = result.outcome
        if outcome is Outcome.SERVED:
            return self._served(candidate, result, now)
        if result.silent_s is not None:
            # It was silent for its whole patience when another one answered: the time it was
            # silent is a sample, so that a slow service gets more patience.
            (state.ttft if result.streams else state.latency).add(result.silent_s, now)
        changes: list[HealthChange] = []
        if result.evidence is not None and result.failure is not None:
            state.last_error = LastError(now, outcome, result.failure.message)
            changes = self._failed(candidate, rule, result, result.evidence, now)
        for health in result.trials:
            health.end_trial()  # unless it has begun another cooldown, the question is open
        return changes

    def _count(self, candidate: Candidate, result: AttemptResult, now: float) -> None:
        served, usage = result.outcome is Outcome.SERVED, result.usage
        if not served and usage is None:
            return
        window = candidate.state.window(candidate.service.time_window_s, now)
        window.requests += served
        if usage is not None:
            window.input_tokens += usage.input
            window.output_tokens += usage.output
            window.cost_usd += result.cost_usd
            if usage.cached_input:
                window.cache_hits += 1
            elif served:
                window.cache_misses += 1

    def _served(
        self, candidate: Candidate, result: AttemptResult, now: float
    ) -> list[HealthChange]:
        state, timings = candidate.state, result.timings
        state.latency.add(timings.latency_s, now)
        if timings.ttft_s is not None:
            state.ttft.add(timings.ttft_s, now)
        if timings.speed is not None:
            state.speed.add(timings.speed, now)
        state.health.ratio.add(False, now)
        if not state.health.out and not result.trials and not state.keys and not result.key:
            state.health.consecutive = 0
            return []
        return self._back(candidate, result.trials, result.began, now, result.key)

    def _back(
        self, candidate: Candidate, trials: Trials, began: float, now: float, key: int | None = None
    ) -> list[HealthChange]:
        state = candidate.state
        healths = [state.health, *(self._keys_of(state, key) if key is not None else ())]
        healths += [h for h in trials if h not in healths]
        changes = []
        for health in healths:
            since = health.since
            if health.succeeded(began, now, trial=health in trials):
                changes.append(HealthChange(BACK, candidate.service, health, None, now - since))
        return changes

    def _failed(
        self,
        candidate: Candidate,
        rule: Rule,
        result: AttemptResult,
        evidence: Outcome,
        now: float,
    ) -> list[HealthChange]:
        failure, state = result.failure, candidate.state
        assert failure is not None
        health, cooldown, kind = state.health, rule.cooldown, OUT
        if evidence is Outcome.AUTH_FAILED:
            credentials = self.credentials.get(state.provider, [])
            if result.key < len(credentials):
                health, cooldown = credentials[result.key], rule.credential_cooldown
                kind = REFUSED
        elif evidence is Outcome.RATE_LIMITED and state.keys:
            health = state.keys[result.key]
        changed = health.failed(
            evidence,
            wait_s=failure.wait_s,
            reason=reason_of(failure, evidence),
            began=result.began,
            now=now,
            trial=health in result.trials,
            health=rule.health,
            cooldown=cooldown,
        )
        if not changed:
            return []
        return [
            HealthChange(kind, candidate.service, health, result.key, health.until - now, failure)
        ]

    # ---- by hand

    def renewed(self, provider: str, key: int, now: float) -> None:
        """A credential was replaced, so it serves again."""
        credentials = self.credentials.get(provider, [])
        if key < len(credentials):
            credentials[key].reset(now)

    def reset(self, now: float, provider: str | None = None, model: str | None = None) -> int:
        """Puts a service, all services of a provider, or all there are, and the credentials of
        their providers back to serving. Returns the number of services.
        """
        found = [
            s for (p, m), s in self.services.items() if provider in (None, p) and model in (None, m)
        ]
        healths = [h for s in found for h in (s.health, *s.keys)]
        for name, credentials in self.credentials.items():
            if provider in (None, name):
                healths += credentials
        for health in healths:
            health.reset(now)
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


def reason_of(failure: Failure, evidence: Outcome) -> str:
    """Why a service went out, for `/status` and `explain`. It never holds the upstream's own text,
    which may quote the request.
    """
    if failure.code == NO_CREDENTIAL:
        return failure.message  # it names the credential's source, and is the proxy's own
    asked = f", asked to wait {failure.wait_s:.0f} s" if failure.wait_s is not None else ""
    if failure.status and failure.outcome is evidence:
        return f"{evidence} (status {failure.status}{asked})"
    return f"{evidence}{asked}"
