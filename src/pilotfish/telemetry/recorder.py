"""Counts what has happened: each attempt once it is over, each request once its client has its
answer or has left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.telemetry import series as s
from pilotfish.telemetry.traceparent import trace_id_of

if TYPE_CHECKING:
    from pilotfish.proxy.attempt import Attempt
    from pilotfish.proxy.request import Run
    from pilotfish.telemetry.children import Counting
    from pilotfish.telemetry.registry import Histogram, Registry


class Accounting:
    def __init__(self, registry: Registry, counting: Counting) -> None:
        self._registry, self._counting = registry, counting

    def attempt_over(self, run: Run, attempt: Attempt) -> None:
        counting, rule = self._counting, run.rule.name
        children, _ = counting.of(attempt.candidate, run.rule, run.inbound.op, run.known)
        outcome = attempt.outcome or Outcome.SERVER_ERROR
        children.outcomes[outcome].value += 1
        if attempt.usage is not None:
            children.usage(attempt.usage, attempt.cost_usd)
            if outcome is Outcome.LOST_RACE:
                self._wasted(
                    rule,
                    "race" if run.rule.race else "hedge",
                    attempt.usage.input + attempt.usage.output,
                )
        if outcome is Outcome.SERVED:
            children.first_byte.observe(attempt.head_at - attempt.sent_at)
            speed = attempt.speed()
            if speed is not None:
                children.speed.observe(speed)
        if attempt.channel is not None and attempt.channel.malformed:
            counting.of_service(*children.labels[1:])[s.MALFORMED].counter(
                *children.labels[1:]
            ).value += attempt.channel.malformed
        if outcome is Outcome.BROKEN_STREAM and attempt.failure is not None:
            cause = s.BREAK_CAUSES.get(attempt.failure.code, s.ERROR_EVENT)
            counting.of_service(*children.labels[1:])[s.STREAM_BREAKS].counter(
                *children.labels[1:], cause
            ).value += 1

    def run_over(self, run: Run, failure: Failure | None) -> None:
        now = run.finished_at
        rule = run.rule.name
        duration = now - run.started
        counting, inbound, dispatch = self._counting, run.inbound, run.dispatch
        counting.code(rule, inbound.style, run.code).value += 1
        trace = ""
        if self._registry.exemplars:
            trace = trace_id_of(inbound) if run.trace is None else run.trace.trace_id
        observe(counting.duration(rule, inbound.style, inbound.stream), duration, trace, run)
        counting.overhead[inbound.stream].observe(run.busy_s if run.busy_s < duration else duration)
        if dispatch.retries or dispatch.fallbacks or dispatch.forced:
            for series, number in (
                (s.RETRIES, dispatch.retries),
                (s.FALLBACKS, dispatch.fallbacks),
                (s.FORCED, dispatch.forced),
            ):
                counting.of_rule(rule)[series].counter(rule).value += number
        if failure is not None and failure.outcome is Outcome.CLIENT_GONE:
            counting.of_rule(rule)[s.CLIENT_GONE].counter(rule).value += 1
        if len(run.attempts) > 1 or run.rule.race is not None:
            self._rescues(run, failure)
            self._races(run)
        for field in run.dropped_fields:
            self._registry[s.DROPPED].counter(inbound.style, s.field_label(field)).value += 1
        serving = run.relayed or (run.attempts[-1] if run.attempts else None)
        if serving is not None:
            self._gen_ai(run, serving, failure, duration, trace)

    def _races(self, run: Run) -> None:
        rule = run.rule.name
        beside = [
            a.usage
            for a in run.attempts
            if a.outcome is Outcome.SERVED and not a.relayed and a.usage is not None
        ]
        if beside:
            self._wasted(
                rule, "race" if run.rule.race else "hedge", sum(u.input + u.output for u in beside)
            )
        if run.rule.race is not None:
            for attempt in run.attempts:
                if attempt.outcome is Outcome.CLIENT_GONE and not attempt.relayed:
                    continue  # nobody waited for who would win
                # One that was complete, but not the one that was chosen, lost as well.
                result = (
                    "won"
                    if attempt.relayed
                    else "lost"
                    if attempt.outcome in (Outcome.LOST_RACE, Outcome.SERVED)
                    else "failed"
                )
                children = self._counting.service(rule, attempt.service, run.known)
                self._counting.of_rule(rule)[s.RACES].counter(*children.labels, result).value += 1
        elif run.dispatch.hedges:
            won = any(a.hedge and a.relayed for a in run.attempts)
            self._counting.of_rule(rule)[s.HEDGES].counter(
                rule, "won" if won else "lost"
            ).value += 1

    def _rescues(self, run: Run, failure: Failure | None) -> None:
        broke = [a for a in run.attempts if a.outcome is Outcome.BROKEN_STREAM]
        if not broke or not (run.dispatch.rescues or run.rule.buffer):
            return
        mode, rule = "continue" if run.dispatch.rescues else "restart", run.rule.name
        result = "rescued" if failure is None else "failed"
        self._counting.of_rule(rule)[s.STREAM_RESCUES].counter(rule, mode, result).value += 1
        if mode == "restart":
            self._wasted(
                rule,
                "rescue",
                sum(a.usage.input + a.usage.output for a in broke if a.usage is not None),
            )

    def _wasted(self, rule: str, reason: str, tokens: int) -> None:
        self._counting.of_rule(rule)[s.WASTED_TOKENS].counter(rule, reason).value += tokens

    def _gen_ai(
        self, run: Run, serving: Attempt, failure: Failure | None, duration: float, trace: str
    ) -> None:
        _, children = self._counting.of(serving.candidate, run.rule, run.inbound.op, run.known)
        observe(
            children.duration if failure is None else children.failed(str(failure.outcome)),
            duration,
            trace,
            run,
        )
        usage = run.usage()
        if usage is not None:
            children.usage(usage)
        if failure is None and serving.first_at:
            observe(children.first_token, serving.first_at - serving.sent_at, trace, run)
            if usage is not None and usage.output > 1 and serving.last_at > serving.first_at:
                children.per_token.observe(
                    (serving.last_at - serving.first_at) / (usage.output - 1)
                )


def observe(child: Histogram, value: float, trace_id: str, run: Run) -> None:
    if trace_id:
        child.observe_traced(value, trace_id, run.started_wall + run.finished_at - run.started)
    else:
        child.observe(value)
