"""What all requests share: the rules in force, the ledger, the links to providers. Takes exchanges
in and makes runs of them.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pilotfish import styles
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.calls import chat_of
from pilotfish.core.exchange.inbound import Inbound, shown
from pilotfish.core.exchange.request_view import RequestView, session_of
from pilotfish.core.formats.error_info import ErrorInfo
from pilotfish.core.model.outcome import Failure
from pilotfish.core.model.service import Provider
from pilotfish.core.model.smart_rules import first_match
from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.core.routing.match import direct_rule, match, routes_smartly
from pilotfish.core.routing.plan import Home, Plan, RuleState
from pilotfish.core.state.affinity import AffinityTable, prefix_key, session_key
from pilotfish.core.state.health import COOLING
from pilotfish.core.state.ledger import Ledger, all_rules
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.errors import ClientError
from pilotfish.http1.pool import Connect, Origin, PendingRequest, Pool, connect_directly
from pilotfish.proxy.client import ProviderClient
from pilotfish.proxy.request import Run
from pilotfish.proxy.request_ids import RequestIds
from pilotfish.telemetry import series as s
from pilotfish.telemetry.access_log import AccessLog
from pilotfish.telemetry.children import Counting
from pilotfish.telemetry.recorder import Accounting

if TYPE_CHECKING:
    from pilotfish.core.formats.neutral import Chat
    from pilotfish.core.formats.style import Style
    from pilotfish.credentials.keys import Key
    from pilotfish.http1.server import Exchange, Header
    from pilotfish.proxy.attempt import Attempt
    from pilotfish.shared.redis_limits import SharedState
    from pilotfish.telemetry.registry import Registry
    from pilotfish.telemetry.traces import Tracer

TICK_S = 0.05  # how late a deadline of seconds may be noticed
FINISH_S = 2.0  # how long a complete answer's connection may take to end its framing
DIRECT_RULES = 256  # rules made for requests addressed as provider/model that are remembered
REMEMBERED, MODEL_CHARS = (
    1024,
    200,
)  # of how many models, and how long ones, the rule is remembered: clients may make up any
RETRY_AFTER_S = 1
COUNTS = frozenset({"count_tokens", "google_count_tokens"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_clock = time.monotonic


class LocalReply(NamedTuple):
    """An answer of the proxy's own."""

    status: int
    head: list[tuple[bytes, bytes]]
    body: bytes


class Engine:
    """`handle` is the server's; everything else is for the app, the admin pages and the runs
    themselves.
    """

    def __init__(
        self,
        registry: Registry,
        log: AccessLog,
        keys: Callable[[Provider], Sequence[Key]],
        *,
        max_in_flight: int,
        max_body_bytes: int,
        rng: random.Random | None = None,
    ) -> None:
        self.registry, self.log = registry, log
        self.snapshot = Snapshot()
        self.ready = False
        self.draining = False
        self.ledger = Ledger()
        self.history = RaceHistory()
        self.budgets = Budgets()
        self.homes = AffinityTable()
        self.counting = Counting(registry, self.ledger)
        self.accounting = Accounting(registry, self.counting)
        self.links: dict[str, ProviderClient] = {}
        self.pools: dict[Origin, Pool] = {}
        self.runs: set[Run] = set()
        self.rng = rng or random.Random()  # spreads load; nothing secret hangs on it
        self.idle = asyncio.Event()
        self.idle.set()
        registry.before_scrape.append(self._count_in_flight)
        self.tracer: Tracer | None = None
        self.on_trip: Callable[[], None] = lambda: None
        self.connect: Connect = connect_directly  # how pools make connections
        self.shared: SharedState | None = (
            None  # limits and cooldowns in common with other proxies (REDIS_URL)
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._keys = keys
        self._max_in_flight = max_in_flight
        self.max_body_bytes = max_body_bytes
        self._rule_states: dict[str, RuleState] = {}
        self._rule_state_of: dict[
            tuple[str, str], RuleState
        ] = {}  # by scenario and model, as requests have found them
        self._direct: dict[tuple[str, str], RuleState] = {}
        self._finishing: list[tuple[PendingRequest, float]] = []
        self._new_id = RequestIds().next
        self._ticking = False

    def styles(self, name: str) -> Style:
        return styles.get(name)

    # ---- rules

    def adopt(self, snapshot: Snapshot) -> None:
        """From now on new requests follow these rules; requests under way go on with theirs."""
        for provider in snapshot.providers.values():
            styles.get(
                provider.style
                # imported now, and not with a request that may come when no descriptor is left to read
                # it
            )
        self.ledger.adopt(snapshot)
        self.budgets.adopt(snapshot, self.ledger)
        self._rule_states = {
            r.name: RuleState(r, self.ledger, self._rule_states.get(r.name))
            for r in all_rules(snapshot)
        }
        self._rule_state_of.clear()
        self._direct.clear()
        self.links = {
            name: ProviderClient(p, self._keys(p), self._pool)
            for name, p in snapshot.providers.items()
        }
        self.history.keep({r.name for r in all_rules(snapshot)})
        wanted = {link.origin for link in self.links.values()}
        for origin in [o for o in self.pools if o not in wanted]:
            self.pools.pop(origin).close()
        self.snapshot, self.ready = snapshot, True
        self.counting.adopt(snapshot)

    def _pool(self, origin: Origin) -> Pool:
        found = self.pools.get(origin)
        if found is None:
            found = self.pools[origin] = Pool(origin, clock=_clock, connect=self.connect)
        return found

    # ---- one exchange

    def handle(self, exchange: Exchange) -> None:
        """Never raises: what is nobody's fault but ours is logged, and the client gets a 500
        without detail.
        """
        started = _clock()
        path, _, query = exchange.target.decode("latin-1").partition("?")
        try:
            self._handle(exchange, path, query, started)
        except ClientError as e:
            self.send_local_reply(exchange, e, path)
        except Exception:
            self.log.bug("request")
            self.send_local_reply(
                exchange,
                ClientError(500, "internal_error", "an error inside the proxy; its log has more"),
                path,
            )

    def _handle(self, exchange: Exchange, path: str, query: str, started: float) -> None:
        request_id = self.request_id(exchange.headers)
        endpoint = endpoints.find(path)
        if endpoint is None:
            raise ClientError(404, "unknown_path", f"no such path: POST {shown(path)}")
        if self.draining:
            raise ClientError(503, "draining", "this proxy is shutting down")
        if len(self.runs) >= self._max_in_flight:
            raise ClientError(
                503,
                "overloaded",
                f"{self._max_in_flight} requests are in flight, the most this proxy takes",
            )
        if not self.ready:
            raise ClientError(503, "no_rules", "no good rules have been read yet")
        inbound = Inbound(
            endpoint, path, query, exchange.headers, exchange.body, request_id, exchange.peer
        )
        rule_state, known = self._rule_state(inbound)
        plan, _, _ = self.planned(rule_state, inbound)
        if inbound.op in COUNTS and not plan.candidates():
            self._count_here(exchange, inbound, plan)
            return
        run = Run(self, exchange, inbound, plan, known, started)
        if self.tracer is not None:
            run.trace = self.tracer.begin(run)
        if not self.runs:
            self.idle.clear()
        self.runs.add(run)
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(TICK_S, self._tick)
        if self.shared is None:
            self._begin(run, started)
        else:
            self._spawn(self._begin_shared(self.shared, run, started))

    async def _begin_shared(self, shared: SharedState, run: Run, started: float) -> None:
        """With limits in common with other proxies: asks for what this request may need, for two
        milliseconds at most.
        """
        await shared.reserve(run.plan.candidates(), run.plan.tokens)
        if not run.over:
            self._begin(run, started)

    def _begin(self, run: Run, started: float) -> None:
        try:
            run.begin(started)
        except Exception:
            self._spoilt(run)

    def _spoilt(self, run: Run) -> None:
        """An error of ours, while it is handled: its run ends, and is not counted as in flight for
        ever.
        """
        self.log.bug("request")
        try:
            run.spoilt()
        except Exception:
            self.log.bug("request")
            run.exchange.abort()
            self._forget(run)

    def _forget(self, run: Run) -> None:
        self.runs.discard(run)
        if not self.runs:
            self.idle.set()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _count_here(self, exchange: Exchange, inbound: Inbound, plan: Plan) -> None:
        """No service of the rule counts tokens: an estimate, marked as one."""
        from pilotfish.styles._alike import counted, token_count

        inbound.chat = counted(inbound)
        tokens = RequestView(inbound, self._chat_of, self.ledger, _clock()).tokens
        head = [
            (b"content-type", b"application/json"),
            (b"x-request-id", inbound.request_id.encode()),
            plan.rule_state.named,
            (b"x-pilotfish-attempts", b"0"),
            (b"x-pilotfish-estimated", b"true"),
        ]
        self.counting.code(plan.rule.name, inbound.style, 200).value += 1
        self.log.turned_away(
            request_id=inbound.request_id,
            style=inbound.style,
            path=shown(inbound.path),
            code=200,
            reason="estimated",
        )
        exchange.respond(200, head, token_count(inbound.op, tokens))

    def planned(
        self, rule_state: RuleState, inbound: Inbound, *, checked: bool = False
    ) -> tuple[Plan, int | None, list[dict[str, Any]]]:
        """The plan for a request, the smart-routing block that matched, and with `checked` what
        every block said.
        """
        rule = rule_state.rule
        block: int | None = None
        said: list[dict[str, Any]] = []
        view: RequestView | None = None
        if rule.smart and routes_smartly(self.snapshot, inbound.scenario):
            view = RequestView(inbound, self._chat_of, self.ledger, _clock())
            wall = time.time()
            if checked:
                for one in rule.smart:
                    matched, why = one.check(view, wall)
                    said.append(
                        {
                            "block": one.index,
                            "matched": matched,
                            "why": why,
                            "description": one.description,
                        }
                    )
            found = first_match(rule.smart, view, wall)
            block = None if found is None else rule.smart.index(found)
        plan = Plan(
            rule_state,
            self.ledger,
            op=inbound.op,
            tokens=inbound.tokens,
            rng=self.rng,
            limiter=None if self.budgets.is_empty else self.budgets,
            block=block,
            home=self._home(rule, inbound, view) if rule.affinity is not None else None,
            history=self.history,
        )
        return plan, block, said

    def _home(self, rule: Rule, inbound: Inbound, view: RequestView | None) -> Home | None:
        """Where a session, or a request with this beginning, should come back to."""
        affinity = rule.affinity
        assert affinity is not None
        if affinity.by == "prefix":
            seen = view or RequestView(inbound, self._chat_of, self.ledger, _clock())
            key = prefix_key(rule.name, *seen.prompt_prefix())
        else:
            key = session_key(rule.name, session_of(inbound, affinity))
        return None if key is None else Home(self.homes, key, affinity.ttl_s)

    def _chat_of(self, inbound: Inbound) -> Chat:
        return chat_of(inbound, self.styles)

    def rule_state_for(self, inbound: Inbound) -> tuple[RuleState, str, bool]:
        """The rule of a request, why, and whether the rules name its model. Raises ClientError
        (404).
        """
        found = match(self.snapshot, scenario=inbound.scenario, model=inbound.model)
        if found is None:
            named = (
                f"model {shown(inbound.model)!r}" if inbound.model else "a request without a model"
            )
            raise ClientError(
                404, "model_not_found", f"no rule for {named} in scenario {inbound.scenario!r}"
            )
        if found.rule is not None:
            return self._rule_states[found.rule.name], found.why, True
        assert found.direct is not None
        key = found.direct
        rule_state = self._direct.get(key)
        if rule_state is None:
            rule_state = RuleState(direct_rule(self.snapshot, *key), self.ledger)
            if len(self._direct) >= DIRECT_RULES:
                self._forget_direct()
            self._direct[key] = rule_state
        return rule_state, found.why, False

    def _rule_state(self, inbound: Inbound) -> tuple[RuleState, bool]:
        key = (inbound.scenario, inbound.model)
        rule_state = self._rule_state_of.get(key)
        if rule_state is not None:
            return rule_state, True
        rule_state, _, known = self.rule_state_for(inbound)
        if known and len(self._rule_state_of) < REMEMBERED and len(inbound.model) <= MODEL_CHARS:
            self._rule_state_of[key] = rule_state
        return rule_state, known

    def _forget_direct(self) -> None:
        """Clients may make up any model; the ledger keeps only what is configured and what was
        asked for lately.
        """
        configured = {
            (x.provider.name, x.model) for r in all_rules(self.snapshot) for x in r.services
        }
        busy = {k for k, st in self.ledger.services.items() if st.in_flight}
        for key in [k for k in self.ledger.services if k not in configured and k not in busy]:
            del self.ledger.services[key]
        self._direct = {k: d for k, d in self._direct.items() if k in busy}

    def request_id(self, headers: Sequence[Header]) -> str:
        """The client's own, where it sent a usable one."""
        for name, value in headers:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                return value.decode()
        return self._new_id()

    def local_reply(self, error: ClientError, path: str, headers: Sequence[Header]) -> LocalReply:
        """What the client of a request to `path` is told, in the style of that path; counted and
        logged.
        """
        style = endpoints.find(path)
        name = style.style if style is not None else endpoints.style_of_path(path)
        request_id = self.request_id(headers)
        head = [
            (b"content-type", b"application/json"),
            (b"x-request-id", request_id.encode()),
            (b"x-pilotfish-attempts", b"0"),
        ]
        if error.status == 503:
            head.append((b"retry-after", b"%d" % RETRY_AFTER_S))
        elif error.status == 405:
            head.append((b"allow", b"POST"))
        body = self.styles(name).write_error(
            error.status, ErrorInfo(message=error.message, code=error.code, status=error.status)
        )
        self.counting.code("", name, error.status).value += 1
        self.log.turned_away(
            request_id=request_id,
            style=name,
            path=shown(path),
            code=error.status,
            reason=error.code,
        )
        return LocalReply(error.status, head, body)

    def send_local_reply(self, exchange: Exchange, error: ClientError, path: str) -> None:
        status, head, body = self.local_reply(error, path, exchange.headers)
        exchange.respond(status, head, body)

    def report_bug(self) -> None:
        """Logs the error that is being handled, with its traceback."""
        self.log.bug("request")

    def refuse(self, exchange: Exchange, status: int, message: str) -> None:
        """What never became a request."""
        self.send_local_reply(
            exchange,
            ClientError(status, "bad_request", message),
            exchange.target.decode("latin-1").partition("?")[0],
        )

    # ---- while runs run

    def attempt_over(self, run: Run, attempt: Attempt, changed: bool) -> None:
        self.accounting.attempt_over(run, attempt)
        if run.trace is not None:
            run.trace.attempt_over(attempt)
        if changed and attempt.candidate.state.health.state == COOLING:
            self.on_trip()

    def run_over(self, run: Run, failure: Failure | None) -> None:
        """The client has its answer, or has left."""
        self._forget(run)
        self.accounting.run_over(run, failure)
        if run.trace is not None:
            run.trace.over(failure)
        self.log.request(run, failure)

    def _count_in_flight(self) -> None:
        """Counted when asked for: a gauge that goes up and down with requests would outlive a rule
        that went meanwhile.
        """
        family = self.registry[s.IN_FLIGHT]
        by_rule = Counter([run.rule.name for run in self.runs])
        for (rule,), child in family.children.items():
            child.value = float(by_rule[rule])

    def drain_upstream(self, pending: PendingRequest, now: float) -> None:
        """The answer is complete but its last frame is not: the connection may end it by itself,
        for a moment.
        """
        self._finishing.append((pending, now + FINISH_S))

    def _tick(self) -> None:
        now = _clock()
        for run in list(self.runs):
            try:
                run.tick(now)
            except Exception:  # one that went wrong must not stop the clock of all others
                self._spoilt(run)
        if self._finishing:
            for pending, until in self._finishing:
                if until <= now:
                    pending.cancel()
            self._finishing = [f for f in self._finishing if not f[0].cancelled]
        if self.runs or self._finishing:
            asyncio.get_running_loop().call_later(TICK_S, self._tick)
        else:
            self._ticking = False

    def sweep(self, now: float) -> None:
        """Called about once a second."""
        for pool in self.pools.values():
            pool.sweep(now)
        for name, healths in self.ledger.credentials.items():
            for i, health in enumerate(healths):
                if health.refused and name in self.links and self.links[name].keys[i].replaced():
                    self.ledger.renewed(name, i)

    def close(self) -> None:
        for pool in self.pools.values():
            pool.close()

    def due(self, now: float) -> list[tuple[str, str]]:
        """Services whose time out is over and which wait for a background probe."""
        return [key for key, state in self.ledger.services.items() if state.health.is_due(now)]

    def next_due(self, now: float) -> float | None:
        """When the next of the cooling services will be due; None if all serve."""
        times = [
            st.health.until for st in self.ledger.services.values() if st.health.state == COOLING
        ]
        return min(times, default=None)
