"""Takes exchanges in and makes requests of them: the rules in force, the clients of their
providers, the limits of the proxy itself."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from pilotfish import styles
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.exchange.request_url import headers_kept_from_clients
from pilotfish.core.model.cost_owner import NOBODY, CostOwner
from pilotfish.core.model.service import Provider
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.routing.router import Router
from pilotfish.core.routing.rule_state import RuleState
from pilotfish.core.state.candidate import Candidate
from pilotfish.core.state.ledger import Ledger
from pilotfish.credentials.keys import Key
from pilotfish.errors import ClientError
from pilotfish.http1 import proxies
from pilotfish.http1.exchange import Exchange
from pilotfish.http1.origin import Connect, Origin
from pilotfish.http1.pool import Pool
from pilotfish.proxy.client import ProviderClient
from pilotfish.proxy.in_flight import InFlight
from pilotfish.proxy.local_reply import COUNTS, LocalReplies, unknown_path
from pilotfish.proxy.request import INTERNAL_ERROR, Backend, ProxyRequest
from pilotfish.telemetry.record import RequestRecord
from pilotfish.telemetry.reporter import Reporter

_clock = time.monotonic
_REFUSED = {403: "forbidden", 503: "overloaded"}


class SharedLimits(Protocol):
    """Limits in common with other proxies (`shared.redis_limits`)."""

    async def reserve(self, candidates: Sequence[Candidate], tokens: int) -> None:
        """Asks for what a request may need, for two milliseconds at most."""
        ...

    async def find(self, ids: Sequence[str]) -> None:
        """Looks up who holds these, for a tenth of a second at most."""
        ...


class Engine:
    """`handle` and `refuse` are the server's; `adopt` puts rules into force."""

    def __init__(
        self,
        router: Router,
        reporter: Reporter,
        replies: LocalReplies,
        keys: Callable[[Provider], Sequence[Key]],
        *,
        max_in_flight: int,
        health_changed: asyncio.Event,
        shared: SharedLimits | None = None,
        connect: Connect = proxies.connect,
        owner: CostOwner = NOBODY,
    ) -> None:
        self.router, self.reporter = router, reporter
        self.ready = False
        self.draining = False
        self.in_flight = InFlight()
        self.pools: dict[Origin, Pool] = {}
        self._keys, self._connect, self._shared, self._owner = keys, connect, shared, owner
        self._health_changed = health_changed
        self._backend = self._backend_with({})
        self._replies = replies
        self._max_in_flight = max_in_flight
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ledger(self) -> Ledger:
        return self.router.ledger

    @property
    def snapshot(self) -> Snapshot:
        return self.router.snapshot

    @property
    def clients(self) -> Mapping[str, ProviderClient]:
        return self._backend.clients

    # ---- rules

    def adopt(self, snapshot: Snapshot) -> None:
        """From now on new requests follow these rules; requests under way go on with theirs."""
        for provider in snapshot.providers.values():
            # Imported now, and not with a request that may come when no descriptor is left to
            # read it.
            styles.get(provider.style)
        self.router.adopt(snapshot)
        private = headers_kept_from_clients(snapshot.providers.values())
        clients = {
            name: ProviderClient(provider, self._keys(provider), self._pool, private, self._owner)
            for name, provider in snapshot.providers.items()
        }
        self._backend = self._backend_with(clients)
        wanted = {client.origin for client in clients.values()}
        for origin in [o for o in self.pools if o not in wanted]:
            self.pools.pop(origin).close()
        self.ready = True
        self.reporter.recorder.adopt(snapshot)

    def _backend_with(self, clients: Mapping[str, ProviderClient]) -> Backend:
        router = self.router
        return Backend(
            router.ledger,
            router.budgets,
            clients,
            self.in_flight,
            self.reporter,
            self._health_changed,
        )

    def _pool(self, origin: Origin) -> Pool:
        found = self.pools.get(origin)
        if found is None:
            found = self.pools[origin] = Pool(origin, clock=_clock, connect=self._connect)
        return found

    # ---- one exchange

    def handle(self, exchange: Exchange) -> None:
        """Never raises: an unexpected exception is logged, and the client gets a 500 without
        detail."""
        started = _clock()
        path, _, query = exchange.target.decode("latin-1").partition("?")
        try:
            self._handle(exchange, path, query, started)
        except ClientError as e:
            self._replies.send_error(exchange, e, path)
        except Exception:
            self.reporter.bug("request")
            self._replies.send_error(
                exchange, ClientError(500, "internal_error", INTERNAL_ERROR), path
            )

    def _handle(self, exchange: Exchange, path: str, query: str, started: float) -> None:
        request_id = self._replies.request_id(exchange.fields.get(b"x-request-id"))
        endpoint = endpoints.find(path)
        if endpoint is None:
            raise unknown_path("POST", path)
        self.check_may_serve()
        inbound = Inbound(
            endpoint,
            path,
            query,
            exchange.headers,
            exchange.body,
            request_id,
            exchange.peer,
            exchange.fields,
        )
        shared = self._shared
        if shared is not None:
            unknown = self.router.unknown_ids(inbound)
            if unknown:
                self._spawn(self._find_and_begin(shared, unknown, exchange, inbound, started))
                return
        self._plan_and_begin(exchange, inbound, started)

    def _plan_and_begin(self, exchange: Exchange, inbound: Inbound, started: float) -> None:
        router = self.router
        taken = router.take(inbound)
        wall = time.time()
        plan = router.plan(taken.rule_state, inbound, started, wall)
        if inbound.op in COUNTS and not plan.candidates():
            self._count_tokens(exchange, inbound, plan.rule_state)
            return
        record = RequestRecord(
            rule=plan.rule,
            known=taken.known,
            plan=plan,
            request_id=inbound.request_id,
            style=inbound.style,
            op=inbound.op,
            path=inbound.path,
            model=inbound.model,
            scenario=inbound.scenario,
            stream=inbound.stream,
            started=started,
            started_wall=wall,
        )
        request = ProxyRequest(self._backend, exchange, inbound, plan, record)
        self.in_flight.add(request)
        if self._shared is None:
            _begin(request, started)
        else:
            self._spawn(self._reserve_and_begin(self._shared, request, started))

    def check_may_serve(self) -> None:
        """Raises ClientError (503) where the proxy takes no request now."""
        if self.draining:
            raise ClientError(503, "draining", "this proxy is shutting down")
        if len(self.in_flight) >= self._max_in_flight:
            message = f"{self._max_in_flight} requests are in flight, the most this proxy takes"
            raise ClientError(503, "overloaded", message)
        if not self.ready:
            raise ClientError(503, "no_rules", "no good rules have been read yet")

    async def _find_and_begin(
        self,
        shared: SharedLimits,
        ids: Sequence[str],
        exchange: Exchange,
        inbound: Inbound,
        started: float,
    ) -> None:
        """For a request that names what this proxy has not seen: another one may have."""
        await shared.find(ids)
        if exchange.is_gone:
            return
        try:
            self._plan_and_begin(exchange, inbound, started)
        except ClientError as e:
            self._replies.send_error(exchange, e, inbound.path)
        except Exception:
            self.reporter.bug("request")
            error = ClientError(500, "internal_error", INTERNAL_ERROR)
            self._replies.send_error(exchange, error, inbound.path)

    async def _reserve_and_begin(
        self, shared: SharedLimits, request: ProxyRequest, started: float
    ) -> None:
        plan = request.record.plan
        await shared.reserve(plan.candidates(), plan.tokens)
        if not request.over:
            _begin(request, started)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _count_tokens(self, exchange: Exchange, inbound: Inbound, rule_state: RuleState) -> None:
        """No service of the rule counts tokens: our estimate."""
        from pilotfish.styles._alike import counted

        inbound.chat = counted(inbound)
        tokens = self.router.view(inbound, _clock()).tokens
        self._replies.send_token_count(exchange, inbound, rule_state, tokens)

    def refuse(self, exchange: Exchange, status: int, message: str) -> None:
        """What never became a request."""
        path = exchange.target.decode("latin-1").partition("?")[0]
        code = _REFUSED.get(status, "bad_request")
        self._replies.send_error(exchange, ClientError(status, code, message), path)

    # ---- beside the requests

    def records_in_flight(self) -> list[RequestRecord]:
        """Of the requests that a rule took and that are not over."""
        return [r.record for r in self.in_flight if isinstance(r, ProxyRequest)]

    def in_flight_by_rule(self) -> Mapping[str, int]:
        """How many requests of each rule are in flight now."""
        return Counter(r.record.rule.name for r in self.in_flight if isinstance(r, ProxyRequest))

    def sweep(self, now: float) -> None:
        """Called about once a second."""
        for pool in self.pools.values():
            pool.sweep(now)
        for name, healths in self.ledger.credentials.items():
            client = self.clients.get(name)
            for i, health in enumerate(healths):
                if health.refused and client is not None and client.keys[i].replaced():
                    self.ledger.renewed(name, i, now)
        spending = self.router.budgets.spending
        if not spending.is_empty:
            self.reporter.budgets_changed(spending.news(now), now)

    def close(self) -> None:
        for pool in self.pools.values():
            pool.close()


def _begin(request: ProxyRequest, started: float) -> None:
    try:
        request.begin(started)
    except Exception:
        request.fail_internal()
