"""Writes the metrics of requests: each attempt's once it is over, each request's once its client has
its answer or has left."""

from __future__ import annotations

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.telemetry import series as s
from pilotfish.telemetry.children import Children
from pilotfish.telemetry.dropped_fields import field_label
from pilotfish.telemetry.record import AttemptRecord, RequestRecord
from pilotfish.telemetry.registry import Histogram, Registry


class MetricsRecorder:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.children = Children(registry)

    def adopt(self, snapshot: Snapshot) -> None:
        """From now on these rules and services are counted."""
        self.children.adopt(snapshot)

    @property
    def keeps_exemplars(self) -> bool:
        """Whether histograms remember trace ids, since somebody reads them."""
        return self._registry.exemplars

    def local_reply(self, rule: str, style: str, code: int) -> None:
        self.children.code(rule, style, code).value += 1

    def passed(self, provider: str, family: str, style: str, code: int) -> None:
        """A request that was passed on to a provider. `family`: of its path, never an id."""
        self.children.code("", style, code).value += 1
        registry = self.children.of_provider(provider)
        registry[s.PASSTHROUGH].counter(provider, family, str(code)).value += 1

    # ---- an attempt

    def attempt_over(self, attempt: AttemptRecord, request: RequestRecord) -> None:
        children, rule = self.children, request.rule
        counted, calls = children.of_attempt(rule, attempt.service, request.op, request.known)
        outcome = attempt.outcome or Outcome.SERVER_ERROR
        counted.outcomes[outcome].value += 1
        usage = attempt.usage
        if usage is not None:
            counted.usage(usage, attempt.service.price, attempt.cost_usd)
            calls.spend(usage)
            if outcome is Outcome.LOST_RACE:
                self._wasted(
                    rule.name, "race" if rule.race else "hedge", usage.input + usage.output
                )
        if outcome is Outcome.SERVED:
            counted.first_byte.observe(attempt.head_at - attempt.sent_at)
            speed = attempt.speed()
            if speed is not None:
                counted.speed.observe(speed)
        if outcome is not Outcome.LOST_RACE and attempt.sent_at:
            served = outcome is Outcome.SERVED
            took = calls.call if served else calls.failed_call(str(outcome))
            took.observe((attempt.over_at or attempt.last_at) - attempt.sent_at)
            if served and request.stream and attempt.first_at:
                calls.first_chunk.observe(attempt.first_at - attempt.sent_at)
        service = counted.labels[1:]
        if attempt.malformed:
            malformed = children.of_service(*service)[s.MALFORMED].counter(*service)
            malformed.value += attempt.malformed
        if outcome is Outcome.BROKEN_STREAM and attempt.failure is not None:
            cause = s.BREAK_CAUSES.get(attempt.failure.code, s.ERROR_EVENT)
            children.of_service(*service)[s.STREAM_BREAKS].counter(*service, cause).value += 1

    # ---- a WebSocket session

    def turn(
        self, attempt: AttemptRecord, request: RequestRecord, usage: Usage, cost_usd: float
    ) -> None:
        """One answer of a session that goes on."""
        counted, calls = self.children.of_attempt(
            request.rule, attempt.service, request.op, request.known
        )
        counted.usage(usage, attempt.service.price, cost_usd)
        calls.spend(usage)
        calls.usage(usage)

    # ---- a request

    def request_over(self, request: RequestRecord) -> None:
        children, rule = self.children, request.rule.name
        duration = request.finished_at - request.started
        counted = children.of_request(rule, request.style, request.stream)
        code = counted.codes.get(request.code)
        if code is None:
            code = counted.codes[request.code] = children.code(rule, request.style, request.code)
        code.value += 1
        _observe(counted.duration, duration, request)
        busy_s = request.busy_s
        children.overhead[request.stream].observe(busy_s if busy_s < duration else duration)
        if request.retries or request.fallbacks or request.last_resort:
            for series, number in (
                (s.RETRIES, request.retries),
                (s.FALLBACKS, request.fallbacks),
                (s.FORCED, request.last_resort),
            ):
                children.of_rule(rule)[series].counter(rule).value += number
        failure = request.failure
        if failure is not None and failure.outcome is Outcome.CLIENT_GONE:
            children.of_rule(rule)[s.CLIENT_GONE].counter(rule).value += 1
        if len(request.attempts) > 1 or request.rule.race is not None:
            self._resumes(request)
            self._races(request)
        for field in request.dropped_fields:
            label = field_label(field)
            self._registry[s.DROPPED].counter(request.style, label).value += 1
        serving = request.relayed or (request.attempts[-1] if request.attempts else None)
        if serving is not None:
            self._gen_ai(request, serving, duration)

    def session_over(self, request: RequestRecord) -> None:
        """Its length is not among the durations of requests: it is its client's to choose."""
        children, rule, serving = self.children, request.rule.name, request.relayed
        children.code(rule, request.style, request.code).value += 1
        if serving is not None:
            self.passed(serving.service.provider.name, "realtime", request.style, request.code)
        for series, number in ((s.RETRIES, request.retries), (s.FALLBACKS, request.fallbacks)):
            if number:
                children.of_rule(rule)[series].counter(rule).value += number
        failure = request.failure
        if failure is not None and failure.outcome is Outcome.CLIENT_GONE:
            children.of_rule(rule)[s.CLIENT_GONE].counter(rule).value += 1

    def _races(self, request: RequestRecord) -> None:
        rule = request.rule.name
        beside = [
            a.usage
            for a in request.attempts
            if a.outcome is Outcome.SERVED and not a.relayed and a.usage is not None
        ]
        if beside:
            reason = "race" if request.rule.race else "hedge"
            self._wasted(rule, reason, sum(u.input + u.output for u in beside))
        if request.rule.race is not None:
            for attempt in request.attempts:
                if attempt.outcome is Outcome.CLIENT_GONE and not attempt.relayed:
                    continue  # nobody waited for who would win
                counted = self.children.service(rule, attempt.service, request.known)
                races = self.children.of_rule(rule)[s.RACES]
                races.counter(*counted.labels, _race_result(attempt)).value += 1
            return
        if request.rivals:
            won = any(a.extra == request.rivals and a.relayed for a in request.attempts)
            rivals = self.children.of_rule(rule)[s.RIVALS]
            rivals.counter(rule, request.rivals, "won" if won else "lost").value += 1
        if request.hedges:
            won = any(a.extra == "hedge" and a.relayed for a in request.attempts)
            hedges = self.children.of_rule(rule)[s.HEDGES]
            hedges.counter(rule, "won" if won else "lost").value += 1

    def _resumes(self, request: RequestRecord) -> None:
        broke = [a for a in request.attempts if a.outcome is Outcome.BROKEN_STREAM]
        if not broke or not (request.resumes or request.rule.buffer):
            return
        mode, rule = "continue" if request.resumes else "restart", request.rule.name
        result = "rescued" if request.failure is None else "failed"
        rescues = self.children.of_rule(rule)[s.STREAM_RESCUES]
        rescues.counter(rule, mode, result).value += 1
        if mode == "restart":
            usages = [a.usage for a in broke if a.usage is not None]
            self._wasted(rule, "rescue", sum(u.input + u.output for u in usages))

    def _wasted(self, rule: str, reason: str, tokens: int) -> None:
        self.children.of_rule(rule)[s.WASTED_TOKENS].counter(rule, reason).value += tokens

    def _gen_ai(self, request: RequestRecord, serving: AttemptRecord, duration: float) -> None:
        _, counted = self.children.of_attempt(
            request.rule, serving.service, request.op, request.known
        )
        failure, usage = request.failure, request.usage()
        durations = counted.duration if failure is None else counted.failed(str(failure.outcome))
        _observe(durations, duration, request)
        if usage is not None:
            counted.usage(usage)
        if failure is None and serving.first_at:
            _observe(counted.first_token, serving.first_at - serving.sent_at, request)
            if usage is not None and usage.output > 1 and serving.last_at > serving.first_at:
                per_token = (serving.last_at - serving.first_at) / (usage.output - 1)
                counted.per_token.observe(per_token)


def _race_result(attempt: AttemptRecord) -> str:
    """One that was complete, but not the one that was chosen, lost as well."""
    if attempt.relayed and attempt.outcome is not Outcome.REFUSED:
        return "won"
    return "lost" if attempt.outcome in (Outcome.LOST_RACE, Outcome.SERVED) else "failed"


def _observe(histogram: Histogram, value: float, request: RequestRecord) -> None:
    if request.trace_id:
        wall = request.started_wall + request.finished_at - request.started
        histogram.observe_traced(value, request.trace_id, wall)
    else:
        histogram.observe(value)
