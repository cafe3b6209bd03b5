"""One run: several proxies with the real plan, dispatch and ledger between simulated clients and
vendors, in virtual time.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from bench.simulate.vendors import Reply, World
from bench.simulate.workloads import Workload

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.model.provider import ProviderKind
from pilotfish.core.model.service import Provider, Service
from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.core.routing.dispatch import (
    BreakStream,
    Cancel,
    Command,
    Dispatch,
    Relay,
    ReplyFailure,
    StartAttempt,
    WakeAt,
)
from pilotfish.core.routing.plan import Plan
from pilotfish.core.routing.rule_state import RuleState
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.headroom import VendorLimits
from pilotfish.core.state.ledger import Ledger, Timings

KIND = ProviderKind(
    name="simulated",
    style="openai",
    paths={"chat": "/chat/completions"},
    base_url="http://127.0.0.1:9",
)
INPUT_TOKENS = 1000
PROBE_S = 0.05  # how long a probe takes
DICE_SIGMA = 0.25  # standard deviation of the logarithm of a request's time to first token

OUTCOMES = {429: Outcome.RATE_LIMITED, 503: Outcome.OVERLOADED}


@dataclass
class Result:
    """The outcome of a run. `ttfts`: times to first token in seconds. `attempts`: by service.
    `limited_in_vain`: attempts answered with 429 while another service had room.
    """

    requests: int = 0
    errors: int = 0
    ttfts: list[float] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    limited_in_vain: int = 0
    cost_usd: float = 0.0


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

    def probe(self) -> None:
        """One background probe for each service whose cooldown is over."""
        now = self.clock.now
        for c in self.rule_state.own.all:
            if c.state.health.is_due(now):
                c.state.health.probe()
                self.clock.at(now + PROBE_S, partial(self._probed, c))

    def _probed(self, c: Candidate) -> None:
        now = self.clock.now
        if self.world.is_down(c.service.model, now):
            rules = {"health": self.rule.health, "cooldown": self.rule.cooldown}
            c.state.health.failed(
                Outcome.OVERLOADED, wait_s=None, reason="probe", began=now, now=now, **rules
            )  # type: ignore[arg-type]
        else:
            c.state.health.recover()

    def request(self, output_tokens: int, dice: float) -> None:
        Request(self, output_tokens, dice).begin()


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
        self.running: dict[int, tuple[Candidate, float]] = {}
        self.with_first_token: set[int] = set()
        self.wake = 0

    def begin(self) -> None:
        self.proxy.result.requests += 1
        self.obey(self.dispatch.begin(self.clock.now))

    def obey(self, commands: Iterable[Command]) -> None:
        for command in commands:
            if isinstance(command, StartAttempt):
                self.start(command.n, command.candidate)
            elif isinstance(command, Relay):
                self.proxy.result.ttfts.append(self.clock.now - self.arrived_at)
            elif isinstance(command, Cancel):
                self.over(command.n, command.outcome, None, None)
            elif isinstance(command, WakeAt):
                self.wake += 1
                self.clock.at(command.at, partial(self.on_timer, self.wake))
            elif isinstance(command, (ReplyFailure, BreakStream)):
                self.proxy.result.errors += 1

    def on_timer(self, wake: int) -> None:
        if wake == self.wake and not self.dispatch.over:
            self.obey(self.dispatch.on_timer(self.clock.now))

    def start(self, n: int, c: Candidate) -> None:
        now, name, result = self.clock.now, c.service.model, self.proxy.result
        self.proxy.ledger.begin(c, INPUT_TOKENS, now, streams=True)
        c.state.headroom.take(INPUT_TOKENS)
        reply = self.world.ask(name, now, self.output_tokens, self.dice)
        result.attempts[name] += 1
        if reply.status == 429 and any(
            self.world.left(o, now) != 0 and not self.world.is_down(o, now)
            for o in self.world.vendors
            if o != name
        ):
            result.limited_in_vain += 1
        self.world.in_flight[name] = self.world.in_flight.get(name, 0) + 1
        self.running[n] = (c, now)
        if reply.status == 200:
            self.clock.at(
                now + min(reply.ttft_s, self.proxy.rule.timeouts.first_token_s),
                lambda: self.first_token(n, reply),
            )
        else:
            self.clock.at(
                now + reply.total_s, lambda: self.failed(n, OUTCOMES[reply.status], reply)
            )

    def first_token(self, n: int, reply: Reply) -> None:
        if n not in self.running:
            return
        c, began = self.running[n]
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
        self.proxy.ledger.on_first_token(c, began, now)
        self.with_first_token.add(n)
        self.clock.at(began + reply.total_s, lambda: self.completed(n, reply))
        self.obey(self.dispatch.on_first_token(n, now))

    def completed(self, n: int, reply: Reply) -> None:
        if n in self.running:
            speed = self.output_tokens / max(1e-9, reply.total_s - reply.ttft_s)
            self.over(n, Outcome.SERVED, None, Timings(reply.total_s, reply.ttft_s, speed))
            self.obey(self.dispatch.on_complete(n, self.clock.now))

    def failed(self, n: int, outcome: Outcome, reply: Reply) -> None:
        if n in self.running:
            failure = Failure(
                outcome=outcome,
                status=reply.status,
                message="simulated",
                wait_s=reply.retry_after_s,
            )
            self.over(n, outcome, failure, None)
            self.obey(self.dispatch.on_failure(n, failure, self.clock.now))

    def over(
        self, n: int, outcome: Outcome, failure: Failure | None, timings: Timings | None
    ) -> None:
        c, began = self.running.pop(n)
        proxy, now = self.proxy, self.clock.now
        self.world.in_flight[c.service.model] -= 1
        usage, cost = None, 0.0
        if outcome is Outcome.SERVED and c.service.price is not None:
            usage = Usage(input=INPUT_TOKENS, output=self.output_tokens)
            cost = (
                INPUT_TOKENS * c.service.price.input + self.output_tokens * c.service.price.output
            ) / 1e6
            proxy.result.cost_usd += cost
        proxy.ledger.finish(
            c,
            proxy.rule,
            key=0,
            tokens=INPUT_TOKENS,
            outcome=outcome,
            failure=failure,
            usage=usage,
            timings=timings or Timings(now - began),
            cost_usd=cost,
            began=began,
            now=now,
            awaited=n not in self.with_first_token,
        )


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
