"""Playbooks of one request: events with `now` in, commands out as short words, and the ledger told
as the shell tells it.

    house = House("a b", "retries: {max_retries: 0}")      rules in force over services of the
    providers a and b story = house.request() assert story.begins(0) == "start 0 a" assert
    story.fails(0, Outcome.SERVER_ERROR, 1) == "start 1 b"

Whatever the story, a `Story` checks at every step what must always hold: commands name only
attempts that run, a request ends once and nothing follows its end, no more attempts than the rule
allows.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import cache
from typing import Any

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.model.service import Service
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.routing.commands import (
    BreakStream,
    Cancel,
    Command,
    Detach,
    Done,
    Relay,
    ReplyFailure,
    StartAttempt,
    WakeAt,
)
from pilotfish.core.routing.dispatch import Dispatch
from pilotfish.core.routing.plan import Plan
from pilotfish.core.routing.rule_state import RuleState
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import documents_of_text
from pilotfish.core.state.candidate import Candidate, ServiceState
from pilotfish.core.state.evidence import SILENT, AttemptResult, Timings, Trials, evidence_of
from pilotfish.core.state.health import ERRORS
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.providers import all_kinds
from pilotfish.tactics import all_tactics

STATUS = {
    Outcome.RATE_LIMITED: 429,
    Outcome.OVERLOADED: 503,
    Outcome.SERVER_ERROR: 500,
    Outcome.CONNECT_FAILED: 502,
    Outcome.TIMEOUT: 504,
    Outcome.AUTH_FAILED: 401,
    Outcome.NOT_FOUND: 404,
    Outcome.BAD_REQUEST: 400,
    Outcome.BROKEN_STREAM: 502,
    Outcome.REFUSED: 200,
}
_PROVIDER = "kind: openai_compatible, api_base: 'http://127.0.0.1:9/v1'"
# Services in the order in which they are written, until a test says otherwise; no jitter, so that
# backoffs are round numbers.
_IN_ORDER = "{type: round_robin, params: {request_threshold: 1000000}}"


def short(service: Service) -> str:
    """`a` for `a/m`, the model that services have where a story does not care; else `a/other`."""
    return service.provider.name if service.model == "m" else service.id


@cache
def compiled(text: str) -> Snapshot:
    """The rules of a text: frozen, so houses with the same rules may share them."""
    return compile_documents(
        documents_of_text("rules.yaml", text), kinds=all_kinds(), tactics=all_tactics()
    )


class House:
    """Rules in force and all that requests share. `services`: words such as `a`, `a/large`, `b@1`
    (tier 1). `rule`: more of the rule, in YAML's flow style. `others`: names of providers that only
    this speaks of; `more`: what stands beside the rules. `providers`: more of a provider, by its
    name."""

    def __init__(
        self,
        services: str,
        rule: str = "",
        *,
        seed: int = 1,
        others: str = "",
        more: str = "",
        tactic: str = _IN_ORDER,
        **providers: str,
    ) -> None:
        lines = [
            f"  {name}: {{{_PROVIDER}, {providers.get(name, 'no_key_required: true')}}}"
            for name in others.split()
        ]
        served = []
        for word in services.split():
            address, _, tier = word.partition("@")
            provider, _, model = address.partition("/")
            lines.append(
                f"  {provider}: {{{_PROVIDER}, {providers.get(provider, 'no_key_required: true')}}}"
            )
            served.append(f"{{provider: {provider}, model: {model or 'm'}, tier: {tier or 0}}}")
        services_key = f"services: [{', '.join(served)}]," if served else ""
        text = "\n".join(
            [
                "defaults: {retries: {jitter: 0}}",
                "providers:",
                *dict.fromkeys(lines),
                more,
                "rules:",
                f"- {{name: chat, lb_tactic: {tactic}, {services_key} {rule}}}",
            ]
        )
        self.snapshot = compiled(text)
        self.ledger, self.budgets, self.history = Ledger(), Budgets(), RaceHistory()
        self.ledger.adopt(self.snapshot)
        self.budgets.adopt(self.snapshot, self.ledger)
        self.rng = random.Random(seed)
        rules = [*self.snapshot.rules, *self.snapshot.virtual_models.values()]
        self.rule_states = {rule.name: RuleState(rule, self.ledger) for rule in rules}

    def request(
        self,
        rule: str = "chat",
        *,
        now: float = 0.0,
        streams: bool = True,
        may_double: bool = True,
        thinking: bool = False,
        tokens: int = 100,
        block: int | None = None,
    ) -> Story:
        """A request that comes at `now`; its deadline follows from the rule's `total_s`."""
        plan = self.plan(rule, tokens=tokens, block=block)
        deadline = now + plan.rule.timeouts.total_s
        return Story(
            self,
            plan,
            Dispatch(
                plan, deadline=deadline, streams=streams, may_double=may_double, thinking=thinking
            ),
            deadline,
        )

    def plan(
        self, rule: str = "chat", *, tokens: int = 100, block: int | None = None, op: str = "chat"
    ) -> Plan:
        rule_state = self.rule_states[rule]
        return Plan(
            rule_state,
            self.ledger,
            op=op,
            tokens=tokens,
            rng=self.rng,
            limiter=self.budgets,
            block=block,
            history=self.history,
        )

    def candidate(self, word: str) -> Candidate:
        provider, _, model = word.partition("/")
        [found] = [
            s
            for r in self.rule_states.values()
            for s in r.rule.services
            if (s.provider.name, s.model) == (provider, model or "m")
        ][:1]
        return self.ledger.candidate(found)

    def state(self, word: str) -> ServiceState:
        return self.candidate(word).state

    def happened(
        self,
        word: str,
        outcome: Outcome,
        now: float,
        *,
        wait_s: float | None = None,
        times: int = 1,
        ttft: float = 0.2,
    ) -> None:
        """Another request met this outcome at this service."""
        failed = None if outcome is Outcome.SERVED else failure(outcome, wait_s=wait_s)
        for _ in range(times):
            self._happened(word, outcome, failed, now, ttft)

    def failed(self, word: str, failed: Failure, now: float) -> None:
        """Another request failed so at this service."""
        self._happened(word, failed.outcome, failed, now, 0.2)

    def _happened(
        self, word: str, outcome: Outcome, failed: Failure | None, now: float, ttft: float
    ) -> None:
        c, rule = self.candidate(word), self.rule_states["chat"].rule
        key = self.ledger.key_for(c.state, now) or 0
        trials = self.ledger.begin(c, key, 0, now)
        result = result_of(
            outcome,
            failed,
            key=key,
            tokens=0,
            timings=Timings(ttft * 2, ttft),
            began=now,
            trials=trials,
        )
        self.ledger.finish(c, rule, result, now)


def result_of(
    outcome: Outcome,
    failed: Failure | None,
    *,
    key: int = 0,
    tokens: int = 0,
    timings: Timings | None = None,
    began: float = 0.0,
    trials: Trials = (),
    silent: bool = False,
    silent_s: float | None = None,
    counted: bool = False,
    last_resort: bool = False,
    streams: bool = True,
    awaited: bool = False,
) -> AttemptResult:
    """What the shell tells the ledger of an attempt that is over."""
    return AttemptResult(
        key=key,
        tokens=tokens,
        outcome=outcome,
        evidence=evidence_of(
            outcome,
            failed,
            silent=silent,
            counted=counted,
            last_resort=last_resort,
            trial=bool(trials),
        ),
        failure=failed or (SILENT if silent else None),
        usage=None,
        timings=timings or Timings(1.0),
        cost_usd=0.0,
        began=began,
        streams=streams,
        awaited=awaited,
        silent_s=silent_s,
        trials=trials,
    )


def failure(
    outcome: Outcome,
    *,
    wait_s: float | None = None,
    reason: str = "",
    status: int | None = None,
    local: bool = False,
) -> Failure:
    return Failure(
        outcome=outcome,
        status=status or STATUS[outcome],
        message=f"{outcome}, made for a test",
        reason=reason,
        wait_s=wait_s,
        local=local,
    )


class _Played:
    """An attempt of a story."""

    def __init__(
        self, candidate: Candidate, key: int, began: float, trials: Trials, last_resort: bool
    ) -> None:
        self.candidate, self.key, self.began = candidate, key, began
        self.trials, self.last_resort = trials, last_resort
        self.ttft: float | None = None
        self.over = False  # the ledger has its outcome
        self.unseen = False  # a beaten trial that runs on for its verdict


class Story:
    """One request. Every event answers with the commands as words; `starts` are the names of the
    services asked, in order.
    """

    def __init__(self, house: House, plan: Plan, dispatch: Dispatch, deadline: float) -> None:
        self.house, self.plan, self.dispatch, self.deadline = house, plan, dispatch, deadline
        self.attempts: list[_Played] = []
        self.starts: list[str] = []
        self.relayed: int | None = None
        self.ended = ""
        self.wake: float | None = None
        self.later: list[Command] = []
        self.counted: list[ServiceState] = []  # against which this request counts already
        self.failing_at_start: dict[str, Outcome] = {}  # by the service's name
        self.other_ways = (
            0  # how often a refusal was followed by the same request, worded otherwise
        )

    # ---- events

    def begins(self, now: float = 0.0) -> str:
        return self._obey(self.dispatch.begin(now), now)

    def speaks(self, n: int, now: float) -> str:
        """The first content of this attempt."""
        attempt = self.attempts[n] if self.runs(n) else None
        if attempt is not None and attempt.ttft is None:
            attempt.ttft = now - attempt.began
            trials = attempt.trials or (
                (attempt.candidate.state.health,) if attempt.last_resort else ()
            )
            self.house.ledger.on_first_token(attempt.candidate, attempt.began, now, trials)
        return self._obey(self.dispatch.on_first_token(n, now), now)

    def completes(self, n: int, now: float, *, quality: float = 0.0) -> str:
        """The whole of this attempt's answer, and it is good."""
        self._finish(n, Outcome.SERVED, None, now)
        return self._obey(self.dispatch.on_complete(n, now, quality=quality), now)

    def fails(
        self,
        n: int,
        outcome: Outcome,
        now: float,
        *,
        resumable: bool = False,
        other_way: bool = False,
        resend: bool = False,
        **told: Any,
    ) -> str:
        """`retry_after_given` as for `failure`."""
        failed = failure(outcome, **told)
        self.other_ways += other_way
        self._finish(n, outcome, failed, now)
        return self._obey(
            self.dispatch.on_failure(
                n, failed, now, resumable=resumable, other_way=other_way, resend=resend
            ),
            now,
        )

    def wakes(self, now: float | None = None) -> str:
        """At the time asked for, or at another."""
        assert now is not None or self.wake is not None, "nobody asked to be woken"
        at = self.wake if now is None else now
        self.wake = None
        return self._obey(self.dispatch.on_timer(at), at)

    def ticks(self, now: float | None = None) -> str:
        """At the time at which the machine wants to look for silence, or at another."""
        at = self.dispatch.look_at if now is None else now
        return self._obey(self.dispatch.on_tick(at), at)

    def is_late(self, now: float) -> str:
        """The request's own time is over."""
        return self._obey(self.dispatch.on_deadline(now), now)

    def leaves(self, now: float) -> str:
        """The client is gone."""
        words = self._obey(self.dispatch.on_client_disconnect(now), now)
        self.ended = self.ended or "left"
        return words

    def ends_unseen(self, now: float) -> None:
        """Beaten trials end without a verdict."""
        for n, attempt in enumerate(self.attempts):
            if attempt.unseen and not attempt.over:
                self._finish(n, Outcome.LOST_RACE, None, now)

    # ---- the shell's part

    def runs(self, n: int) -> bool:
        return n < len(self.attempts) and not self.attempts[n].over

    def running(self) -> list[int]:
        return [n for n, a in enumerate(self.attempts) if not a.over and not a.unseen]

    def _finish(
        self,
        n: int,
        outcome: Outcome,
        failed: Failure | None,
        now: float,
        *,
        silent: bool = False,
    ) -> None:
        if not self.runs(n):
            return
        attempt = self.attempts[n]
        attempt.over = True
        timings = Timings(now - attempt.began, attempt.ttft)
        self.house.budgets.settle(attempt.candidate, self.plan.tokens, 0, now, attempt.began)
        result = result_of(
            outcome,
            failed,
            key=attempt.key,
            tokens=self.plan.tokens,
            timings=timings,
            began=attempt.began,
            trials=attempt.trials,
            silent=silent,
            silent_s=now - attempt.began if silent and outcome is Outcome.LOST_RACE else None,
            counted=attempt.candidate.state in self.counted,
            last_resort=attempt.last_resort,
        )
        if failed is not None and outcome in ERRORS:
            self.counted.append(attempt.candidate.state)
        self.house.ledger.finish(attempt.candidate, self.plan.rule, result, now)

    def _obey(self, commands: Iterable[Command], now: float) -> str:
        words = [self._word(command, now) for command in commands]
        while self.later:
            words.append(self._word(self.later.pop(0), now))
        return "; ".join(words)

    def _word(self, command: Command, now: float) -> str:
        assert not self.ended, f"{command} after the request's end: {self.ended}"
        match command:
            case StartAttempt():
                return self._start(command, now)
            case WakeAt(at):
                self.wake = at
                return f"wake {at:.6g}"
            case Cancel(n, outcome, silent):
                assert self.runs(n), f"{command}, but it does not run"
                failed = failure(outcome) if outcome is Outcome.TIMEOUT else None
                self._finish(n, outcome, failed, now, silent=silent)
                return f"cancel {n} {outcome}{' silent' if silent else ''}"
            case Detach(n):
                assert self.runs(n), f"{command}, but it does not run"
                self.attempts[n].unseen = True
                return f"detach {n}"
            case Relay(n):
                assert self.relayed is None or self.dispatch.resumes, (
                    f"{command}, but {self.relayed} is the client's"
                )
                self.relayed = n
                return f"relay {n}"
            case Done(n):
                assert self.relayed == n, f"{command}, but the client reads {self.relayed}"
                assert self.attempts[n].over, f"{command}, but it is not complete"
                self.ended = f"done {n}"
            case BreakStream(failed):
                self.ended = f"break {failed.status} {failed.outcome}"
            case ReplyFailure(failed, wait_s):
                assert self.relayed is None, f"{command}, but the client reads {self.relayed}"
                self.ended = f"answer {failed.status} {failed.outcome}" + (
                    f" retry-after {wait_s:.6g}" if wait_s is not None else ""
                )
        assert not [n for n in self.running() if not self.attempts[n].unseen], (
            f"{self.ended}, but {self.running()} still run"
        )
        return self.ended

    def _start(self, command: StartAttempt, now: float) -> str:
        assert command.n == len(self.attempts), f"{command}, expected number {len(self.attempts)}"
        assert command.n < self.plan.rule.retries.max_attempts, f"{command}, more than max_attempts"
        c = command.candidate
        health = c.state.health  # who is due is asked to find out how it is, whatever sent it out
        assert not health.must_wait(now), (
            f"{command}, but {c} told us to stay away, or refused our key"
        )
        assert self.house.ledger.key_for(c.state, now) is not None, (
            f"{command}, but {c} has no usable key"
        )
        blocked = self.house.budgets.blocked(c, self.plan.tokens, now)
        assert blocked is None, f"{command}, but {blocked}"
        key = self.house.ledger.key_for(c.state, now) or 0
        trials = self.house.ledger.begin(c, key, self.plan.tokens, now)
        self.house.budgets.take(c, self.plan.tokens, now)
        self.attempts.append(_Played(c, key, now, trials, command.last_resort))
        self.starts.append(short(c.service))
        broken = self.failing_at_start.get(self.starts[-1])
        if (
            broken is not None
            # it tells so before the next command is obeyed; what follows waits its turn, as in the
            # shell
        ):
            failed = failure(broken)
            self._finish(command.n, broken, failed, now)
            self.later += self.dispatch.on_failure(command.n, failed, now)
        words = {"last_resort": "forced", "resumes": "rescue"}
        flags = [word for name, word in words.items() if getattr(command, name)]
        if command.extra:
            flags.append("hedge" if command.extra == "hedge" else f"beside {command.extra}")
        return " ".join(
            [f"start {command.n} {self.starts[-1]}", *([f"key {key}"] if key else []), *flags]
        )
