"""What every attempt and every request count in the metrics: once each, here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotfish.core import series as s
from pilotfish.core.outcome import Outcome

if TYPE_CHECKING:
    from pilotfish.core.outcome import Failure
    from pilotfish.shell.attempt import Attempt
    from pilotfish.shell.counting import Counting
    from pilotfish.shell.meters import Meters
    from pilotfish.shell.run import Run

# Clients may send fields of any name: beyond so many they are counted as one.
DROPPED_NAMES = 200


class Accounting:
    def __init__(self, meters: Meters, counting: Counting) -> None:
        self.meters, self.counting = meters, counting

    def attempt_over(self, run: Run, attempt: Attempt) -> None:
        """It has told its outcome."""
        cells, _ = self.counting.of(attempt.candidate, run.rule, run.inbound.op, run.known)
        outcome = attempt.outcome or Outcome.SERVER_ERROR
        cells.outcome(outcome).value += 1
        if attempt.usage is not None:
            cells.usage(attempt.usage, attempt.cost_usd)
            if outcome is Outcome.LOST_RACE:
                self.meters[s.WASTED_TOKENS].number(run.rule.name, "hedge" if run.rule.hedge else "race").value += (
                    attempt.usage.input + attempt.usage.output
                )
        if outcome is Outcome.SERVED:
            cells.first_byte.observe(attempt.head_at - attempt.sent_at)
            speed = attempt.speed()
            if speed is not None:
                cells.speed.observe(speed)
        if attempt.channel is not None and attempt.channel.malformed:
            self.meters[s.MALFORMED].number(*cells.labels[1:]).value += attempt.channel.malformed
        if outcome is Outcome.BROKEN_STREAM:
            self.meters[s.STREAM_BREAKS].number(*cells.labels[1:], attempt.failure.code if attempt.failure else "").value += 1

    def run_over(self, run: Run, failure: Failure | None) -> None:
        """The client has its answer, or has left."""
        now = run.finished_at
        rule = run.rule.name
        duration = now - run.started
        counting, inbound, dispatch = self.counting, run.inbound, run.dispatch
        self.meters[s.IN_FLIGHT].number(rule).value -= 1
        counting.code(rule, inbound.style, run.code).value += 1
        counting.duration(rule, inbound.style, inbound.stream).observe(duration)
        counting.overhead[inbound.stream].observe(min(run.busy_s, duration))
        if dispatch.retries or dispatch.fallbacks or dispatch.forced:
            for series, number in ((s.RETRIES, dispatch.retries), (s.FALLBACKS, dispatch.fallbacks), (s.FORCED, dispatch.forced)):
                self.meters[series].number(rule).value += number
        if failure is not None and failure.outcome is Outcome.CLIENT_GONE:
            self.meters[s.CLIENT_GONE].number(rule).value += 1
        if len(run.attempts) > 1 or run.rule.race is not None:
            self._rescues(run, failure)
            self._races(run)
        if run.dropped_fields:
            self._dropped(inbound.style, run.dropped_fields)
        serving = run.relayed or (run.attempts[-1] if run.attempts else None)
        if serving is not None:
            self._gen_ai(run, serving, failure, duration)

    def _races(self, run: Run) -> None:
        rule = run.rule.name
        if run.rule.race is not None:
            for attempt in run.attempts:
                # A race that waits for the best has losers that were complete: good answers, which nobody got.
                is_loser = not attempt.relayed and attempt.outcome in (Outcome.LOST_RACE, Outcome.SERVED)
                if is_loser and attempt.outcome is Outcome.SERVED and attempt.usage is not None:
                    self.meters[s.WASTED_TOKENS].number(rule, "race").value += attempt.usage.input + attempt.usage.output
                result = "won" if attempt.relayed else "lost" if is_loser else "failed"
                self.meters[s.RACES].number(*self.counting.service(rule, attempt.service, run.known).labels, result).value += 1
        elif run.dispatch.hedges:
            won = any(a.hedge and a.relayed for a in run.attempts)
            self.meters[s.HEDGES].number(rule, "won" if won else "lost").value += 1

    def _rescues(self, run: Run, failure: Failure | None) -> None:
        broke = [a for a in run.attempts if a.outcome is Outcome.BROKEN_STREAM]
        if not broke or not (run.dispatch.rescues or run.rule.buffer):
            return
        mode = "continue" if run.dispatch.rescues else "restart"
        self.meters[s.STREAM_RESCUES].number(run.rule.name, mode, "rescued" if failure is None else "failed").value += 1
        if mode == "restart":
            wasted = sum(a.usage.input + a.usage.output for a in broke if a.usage is not None)
            self.meters[s.WASTED_TOKENS].number(run.rule.name, "rescue").value += wasted

    def _gen_ai(self, run: Run, serving: Attempt, failure: Failure | None, duration: float) -> None:
        _, cells = self.counting.of(serving.candidate, run.rule, run.inbound.op, run.known)
        if failure is None:
            cells.duration.observe(duration)
        else:
            cells.failed(str(failure.outcome)).observe(duration)
        usage = run.usage()
        if usage is not None:
            cells.usage(usage)
        if failure is None and serving.first_at:
            cells.first_token.observe(serving.first_at - serving.sent_at)
            if usage is not None and usage.output > 1 and serving.last_at > serving.first_at:
                cells.per_token.observe((serving.last_at - serving.first_at) / (usage.output - 1))

    def _dropped(self, style: str, fields: tuple[str, ...]) -> None:
        family = self.meters[s.DROPPED]
        for field in fields:
            known = (style, field) in family.cells or len(family.cells) < DROPPED_NAMES
            family.number(style, field if known else "other").value += 1
