"""One run: several proxies with the real plan, dispatch and ledger between simulated clients and
vendors, in virtual time.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from math import inf
from typing import Any, NamedTuple

from bench.simulate.vendors import Reply, World
from bench.simulate.workloads import Workload

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.model.provider import ProviderKind
from pilotfish.core.model.service import Provider, Service
from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.core.routing.commands import (
    BreakStream,
    Cancel,
    Command,
    Detach,
    Relay,
    ReplyFailure,
    StartAttempt,
    WakeAt,
)
from pilotfish.core.routing.dispatch import Dispatch
from pilotfish.core.routing.plan import Plan
from pilotfish.core.routing.rule_state import RuleState
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.evidence import SILENT, AttemptResult, Timings, Trials, evidence_of
from pilotfish.core.state.headroom import VendorLimits
from pilotfish.core.state.health import ERRORS
from pilotfish.core.state.ledger import Ledger

KIND = ProviderKind(
    name="simulated",
    style="openai",
    paths={"chat": "/chat/completions"},
    base_url="http://127.0.0.1:9",
)
INPUT_TOKENS = 1000
DICE_SIGMA = 0.25  # standard deviation of the logarithm of a request's time to first token

OUTCOMES = {429: Outcome.RATE_LIMITED, 503: Outcome.OVERLOADED}


@dataclass
class Result:
    """The outcome of a run. `ttfts`: times to first token in seconds. `attempts`: by service.
    `limited_in_vain`: attempts answered with 429 while another service had room; `in_vain`: sent
    to a vendor that was not well; `beside`: sent beside another one. `waits`: when each request came, and how much later its first
    token was than with nothing wrong (None: it never came). `served`: by service, when an answer's
    first token came.
    """

    requests: int = 0
    errors: int = 0
    ttfts: list[float] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    limited_in_vain: int = 0
    cost_usd: float = 0.0
    in_vain: int = 0
    beside: int = 0
    waits: list[tuple[float, float | None]] = field(default_factory=list)
    served: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


class Clock:
    """Virtual time: runs events in the order of their times, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), what))

    def run(self) -> None:
        while self._events:
            self.now, _, what = heapq.heappop(self._events)
            what()


class Proxy:
    """One proxy: a rule and a ledger of its own."""

    def __init__(self, rule: Rule, clock: Clock, world: World, seed: int, result: Result) -> None:
        self.rule, self.clock, self.world, self.result = rule, clock, world, result
        self.ledger = Ledger()
        self.ledger.adopt(
            Snapshot(rules=(rule,), providers={s.provider.name: s.provider for s in rule.services})
        )
        self.rule_state = RuleState(rule, self.ledger)
        self.rng = random.Random(seed)
        self._probed: dict[str, float] = {}

    def probe(self) -> None:
        """One background probe for each service on trial, once a cooldown. A vendor that is down
        answers it with an error; one that hangs still lists its models.
        """
        now = self.clock.now
        for c in self.rule_state.own.all:
            health = c.state.health
            if health.is_due(now) and self._probed.get(c.service.model) != health.until:
                self._probed[c.service.model] = health.until
                if self.world.is_down(c.service.model, now):
                    health.prolong(now, self.rule.health, self.rule.cooldown)

    def request(self, output_tokens: int, dice: float) -> None:
        Request(self, output_tokens, dice).begin()


class Running(NamedTuple):
    """An attempt under way. `trials`: what it tries; `is_unseen`: beaten, it runs on for its
    verdict.
    """

    candidate: Candidate
    began: float
    trials: Trials
    last_resort: bool
    is_unseen: bool = False


class Request:
    """The part of `proxy` for one request: carries out the commands of the dispatch machine."""

    def __init__(self, proxy: Proxy, output_tokens: int, dice: float) -> None:
        self.proxy, self.clock, self.world = proxy, proxy.clock, proxy.world
        self.output_tokens, self.dice = output_tokens, dice
        self.arrived_at = self.clock.now
        plan = Plan(proxy.rule_state, proxy.ledger, op="chat", tokens=INPUT_TOKENS, rng=proxy.rng)
        self.dispatch = Dispatch(
            plan, deadline=self.arrived_at + proxy.rule.timeouts.total_s, streams=True
        )
        self.running: dict[int, Running] = {}
        self.with_first_token: set[int] = set()
        self.counted: list[str] = []  # the services against which this request counts already
        self.wake = 0
        self.look_at = inf

    def begin(self) -> None:
        self.proxy.result.requests += 1
        self.obey(self.dispatch.begin(self.clock.now))

    def obey(self, commands: Iterable[Command]) -> None:
        for command in commands:
            if isinstance(command, StartAttempt):
                self.start(command)
            elif isinstance(command, Relay):
                took = self.clock.now - self.arrived_at
                self.proxy.result.ttfts.append(took)
                usual = self.dice * min(v.ttft_s for v in self.world.vendors.values())
                self.proxy.result.waits.append((self.arrived_at, took - usual))
            elif isinstance(command, Cancel):
                self.over(command.n, command.outcome, None, silent=command.silent)
            elif isinstance(command, Detach):
                self.detach(command.n)
            elif isinstance(command, WakeAt):
                self.wake += 1
                self.clock.at(command.at, partial(self.on_timer, self.wake))
            elif isinstance(command, (ReplyFailure, BreakStream)):
                self.proxy.result.errors += 1
                self.proxy.result.waits.append((self.arrived_at, None))
        look_at = self.dispatch.look_at
        if look_at != self.look_at and look_at < inf:
            self.clock.at(look_at, self.on_tick)
        self.look_at = look_at

    def on_timer(self, wake: int) -> None:
        if wake == self.wake and not self.dispatch.over:
            self.obey(self.dispatch.on_timer(self.clock.now))

    def on_tick(self) -> None:
        if not self.dispatch.over and self.clock.now >= self.dispatch.look_at:
            self.obey(self.dispatch.on_tick(self.clock.now))

    def start(self, command: StartAttempt) -> None:
        n, c = command.n, command.candidate
        now, name, result = self.clock.now, c.service.model, self.proxy.result
        trials = self.proxy.ledger.begin(c, 0, INPUT_TOKENS, now, streams=True)
        if command.last_resort:
            for health in trials:
                health.end_trial()
            trials = ()
        c.state.headroom.take(INPUT_TOKENS)
        reply = self.world.ask(name, now, self.output_tokens, self.dice)
        result.attempts[name] += 1
        result.in_vain += not self.world.is_well(name, now)
        result.beside += bool(command.extra)
        if reply.status == 429 and any(
            self.world.left(o, now) != 0 and not self.world.is_down(o, now)
            for o in self.world.vendors
            if o != name
        ):
            result.limited_in_vain += 1
        self.world.in_flight[name] = self.world.in_flight.get(name, 0) + 1
        self.running[n] = Running(c, now, trials, command.last_resort)
        if reply.status == 200:
            self.clock.at(
                now + min(reply.ttft_s, self.proxy.rule.timeouts.first_token_s),
                lambda: self.first_token(n, reply),
            )
        else:
            self.clock.at(
                now + reply.total_s, lambda: self.failed(n, OUTCOMES[reply.status], reply)
            )

    def detach(self, n: int) -> None:
        """A beaten trial: the first token, or its time without one, ends it."""
        self.running[n] = self.running[n]._replace(is_unseen=True)

    def first_token(self, n: int, reply: Reply) -> None:
        running = self.running.get(n)
        if running is None:
            return
        c, began = running.candidate, running.began
        now = self.clock.now
        if now - began < reply.ttft_s - 1e-9:
            self.failed(n, Outcome.TIMEOUT, reply)
            return
        if reply.remaining is not None:
            c.state.headroom.observe(
                VendorLimits(
                    remaining={"requests": reply.remaining}, reset_s={"requests": reply.reset_s}
                ),
                now,
            )
        trials = running.trials
        if not trials and running.last_resort:
            trials = (c.state.health,)
        self.proxy.ledger.on_first_token(c, began, now, trials)
        self.proxy.result.served[c.service.model].append(now)
        self.with_first_token.add(n)
        if running.is_unseen:
            self.over(n, Outcome.LOST_RACE, None)
            return
        self.clock.at(began + reply.total_s, lambda: self.completed(n, reply))
        self.obey(self.dispatch.on_first_token(n, now))

    def completed(self, n: int, reply: Reply) -> None:
        if n in self.running:
            speed = self.output_tokens / max(1e-9, reply.total_s - reply.ttft_s)
            timings = Timings(reply.total_s, reply.ttft_s, speed)
            self.over(n, Outcome.SERVED, None, timings=timings)
            self.obey(self.dispatch.on_complete(n, self.clock.now))

    def failed(self, n: int, outcome: Outcome, reply: Reply) -> None:
        running = self.running.get(n)
        if running is not None:
            failure = Failure(
                outcome=outcome,
                status=reply.status,
                message="simulated",
                wait_s=reply.retry_after_s,
            )
            self.over(n, outcome, failure)
            if not running.is_unseen:
                self.obey(self.dispatch.on_failure(n, failure, self.clock.now))

    def over(
        self,
        n: int,
        outcome: Outcome,
        failure: Failure | None,
        *,
        timings: Timings | None = None,
        silent: bool = False,
    ) -> None:
        c, began, trials, last_resort, _ = self.running.pop(n)
        proxy, now = self.proxy, self.clock.now
        self.world.in_flight[c.service.model] -= 1
        usage, cost = None, 0.0
        if outcome is Outcome.SERVED and c.service.price is not None:
            usage = Usage(input=INPUT_TOKENS, output=self.output_tokens)
            cost = (
                INPUT_TOKENS * c.service.price.input + self.output_tokens * c.service.price.output
            ) / 1e6
            proxy.result.cost_usd += cost
        result = AttemptResult(
            key=0,
            tokens=INPUT_TOKENS,
            outcome=outcome,
            evidence=evidence_of(
                outcome,
                failure,
                silent=silent,
                counted=c.service.model in self.counted,
                last_resort=last_resort,
                trial=bool(trials),
            ),
            failure=failure or (SILENT if silent else None),
            usage=usage,
            timings=timings or Timings(now - began),
            cost_usd=cost,
            began=began,
            streams=True,
            awaited=n not in self.with_first_token,
            silent_s=now - began if silent and outcome is Outcome.LOST_RACE else None,
            trials=trials,
        )
        if outcome in ERRORS:
            self.counted.append(c.service.model)
        proxy.ledger.finish(c, proxy.rule, result, now)


def simulate(workload: Workload, tactic_of: Callable[[World], Any], seed: int = 1) -> Result:
    """Runs a workload with one tactic. The same seed gives every tactic the same requests at the
    same times.
    """
    world, clock, result = World({v.name: v for v in workload.vendors}), Clock(), Result()
    services = tuple(
        Service(
            provider=Provider(
                name=v.name, kind=KIND, base=KIND.base_url, style="openai", paths=KIND.paths
            ),
            model=v.name,
            rule="chat",
            weight=v.weight,
            tier=v.tier,
            price=v.price,
            id=f"{v.name}/{v.name}",
        )
        for v in workload.vendors
    )
    proxies = []
    for i in range(workload.proxies):
        rule = Rule(name="chat", services=services, tactic=tactic_of(world))
        proxies.append(Proxy(rule, clock, world, seed * 1000 + i, result))
    rng, now = random.Random(seed), 0.0
    while now < workload.seconds:
        now += rng.expovariate(workload.rate)
        proxy = proxies[rng.randrange(len(proxies))]
        tokens = max(2, int(rng.gammavariate(4.0, workload.output_tokens / 4.0)))
        dice = rng.lognormvariate(0.0, DICE_SIGMA)
        clock.at(now, partial(proxy.request, tokens, dice))
    for second in range(int(workload.seconds)):
        for proxy in proxies:
            clock.at(float(second), proxy.probe)
    clock.run()
    return result
