"""How the proxy is put together: what is built, in which order it starts and stops. Read this
first.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import structlog

from pilotfish import __version__, process, styles
from pilotfish.admin.port import AdminPort
from pilotfish.admin.routes import Admin
from pilotfish.core.exchange import endpoints
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Provider, Service
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.routing.router import Router
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.credentials import CredentialContext, CredentialStore, Key
from pilotfish.credentials.requirements import Requirements
from pilotfish.errors import StartError
from pilotfish.http1 import proxies
from pilotfish.http1.callers import AllowedCallers
from pilotfish.http1.origin import Connect
from pilotfish.http1.server import Server
from pilotfish.optional_parts import (
    RaceFilesOnDemand,
    held_ids_keeper,
    limits_in_common,
    metrics_to,
    statistics_keeper,
    tracer_to,
)
from pilotfish.passthrough.handler import Passthrough
from pilotfish.passthrough.request import PassingContext
from pilotfish.passthrough.upstreams import Upstreams
from pilotfish.proxy.connection_test import probe
from pilotfish.proxy.engine import Engine
from pilotfish.proxy.local_reply import LocalReplies
from pilotfish.proxy.other_requests import OtherRequests
from pilotfish.proxy.prober import Prober
from pilotfish.realtime.context import SocketContext
from pilotfish.realtime.on_demand import SocketsOnDemand
from pilotfish.settings import Address, Settings, address, log_format
from pilotfish.sources.chosen import RulesSource, source_of_rules
from pilotfish.sources.store import RulesStore
from pilotfish.telemetry import series as s
from pilotfish.telemetry.access_log import AccessLog
from pilotfish.telemetry.gauges import LedgerGauges
from pilotfish.telemetry.logs import line_format
from pilotfish.telemetry.recorder import MetricsRecorder
from pilotfish.telemetry.registry import Registry
from pilotfish.telemetry.reporter import Reporter

log = structlog.get_logger(__name__)

SWEEP_S = 1.0
LAG_S = 0.25
# After the last answer is written, the kernel may still have to send it.
LAST_BYTES_S = 0.05
LAST_SPANS_S = 5.0


class App:
    """One proxy. `run` serves until a signal comes; tests and the demo use it as an async context
    manager, which is `start` and `stop`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        access_log: AccessLog | None = None,
        connect: Connect = proxies.connect,
    ) -> None:
        self.settings = settings

        # What is known of services, and which of them a request may use.
        self.ledger, self.history = Ledger(), RaceHistory()
        self.budgets = Budgets(settings.workload)
        self.router = Router(self.ledger, self.budgets, self.history, styles.get, random.Random())
        self.races = RaceFilesOnDemand(settings.state_dir, self.history)
        kept = self.ledger, self.history, None if settings.redis_url else self.budgets.spending
        self.state = statistics_keeper(settings.state_dir, *kept)
        self.held = held_ids_keeper(settings.state_dir, self.ledger.holders)
        self.shared = limits_in_common(settings.redis_url, self.ledger, self.budgets)

        # What is told of requests: metrics, access log, traces.
        self.registry = Registry(detail=settings.metrics_detail or None, owner=settings.owner())
        self.registry[s.BUILD_INFO].gauge(__version__).set(1)
        self.log = access_log or self._access_log()
        self.tracer = tracer_to(settings.otlp_endpoint)
        self.pusher = metrics_to(settings.otlp_metrics, settings.otlp_endpoint, self.registry)
        reporter = Reporter(MetricsRecorder(self.registry), self.log, self.tracer)

        # What goes upstream with a request.
        self.context = CredentialContext(settings.secrets_dir, settings.state_dir)
        self.fetcher = self.context.fetcher
        self.credentials = CredentialStore(self.context)

        # From a client's request to its answer.
        replies = LocalReplies(reporter)
        health_changed = asyncio.Event()
        self.engine = Engine(
            self.router,
            reporter,
            replies,
            self._keys,
            max_in_flight=settings.max_in_flight,
            health_changed=health_changed,
            shared=self.shared,
            connect=connect,
            owner=settings.owner(),
        )
        self.other_requests = self._other_requests(replies, reporter, connect)
        self.server = self._client_port()
        told, flying = reporter.recorder.children, self.engine.in_flight_by_rule
        LedgerGauges(told, self.ledger, flying, self.budgets.spending).begin()

        # Beside the requests: rules, probes of services that are out, the admin port.
        self.store = self._rules_store()
        self._source: RulesSource | None = None  # from `start` on
        self.prober = Prober(self.router, self._probe, health_changed, reporter.health_changed)
        self.admin_port = self._admin_port(health_changed)
        self.listen = self.admin_listen = Address(("", 0))
        self._listener: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: set[asyncio.Task[None]] = set()

    def _access_log(self) -> AccessLog:
        settings = self.settings
        return AccessLog(
            enabled=settings.access_log,
            sample=settings.access_log_sample,
            form=line_format(log_format(settings, sys.stdout), colors=sys.stdout.isatty()),
        )

    def _other_requests(
        self, replies: LocalReplies, reporter: Reporter, connect: Connect
    ) -> OtherRequests:
        context = PassingContext(self.ledger, self.budgets, Upstreams(connect), self.shared)
        self.passthrough = Passthrough(self.engine, context, replies, self.settings.max_body_bytes)
        shared = SocketContext(
            self.router,
            self.ledger,
            self.budgets,
            reporter,
            replies,
            self.engine.in_flight,
            connect,
            lambda name: self.engine.clients[name],
            self.engine.check_may_serve,
        )
        self.sockets = SocketsOnDemand(shared, self.passthrough.handle)
        return OtherRequests(replies, self.router, self.sockets.handle)

    def _client_port(self) -> Server:
        buffered = process.buffered_bytes(self.settings.max_buffered_bytes)
        return Server(
            self.engine.handle,
            self.engine.refuse,
            # A body that alone is more than may be held is too large, and not to be tried again.
            max_body_bytes=min(self.settings.max_body_bytes, buffered),
            max_buffered_bytes=buffered,
            clock=time.monotonic,
            callers=self._callers(self.settings.listen),
            takes=endpoints.takes,
            hand_over=self.other_requests.protocol,
        )

    def _rules_store(self) -> RulesStore:
        requirements = Requirements(self.context, self._keys)
        return RulesStore(
            self._adopt,
            self.registry,
            unmet=requirements.unmet,
            warnings=requirements.warnings,
            allow_inline_secrets=self.settings.allow_inline_secrets,
        )

    def _admin_port(self, health_changed: asyncio.Event) -> AdminPort:
        admin = Admin(
            self.engine,
            self.store,
            self.registry,
            health_changed,
            max_body_bytes=self.settings.max_body_bytes,
            writes_from_anywhere=self.settings.admin_write == "any",
            callers=self._callers(self.settings.admin_listen, serves_pages=True),
        )
        return AdminPort(admin.application())

    def _callers(self, listen: str, *, serves_pages: bool = False) -> AllowedCallers:
        """Of a port; the name that it listens at is ours."""
        settings = self.settings
        hosts = (*settings.allowed_hosts, address(listen)[0])
        return AllowedCallers(settings.allowed_origins, hosts, serves_pages=serves_pages)

    def _keys(self, provider: Provider) -> Sequence[Key]:
        return self.credentials.of(provider).keys

    async def _probe(self, service: Service, mode: str) -> Outcome | None:
        """`mode`: `models`, or `chat`: one token of the service's own model, with the key that its
        next request would have.
        """
        provider = service.provider
        keys = self._keys(provider)
        if mode == "chat":
            state = self.ledger.candidate(service).state
            key = keys[self.ledger.key_for(state, time.monotonic()) or 0]
            return (await probe(provider, [key], self.fetcher, chat=service.model)).outcome
        if provider.kind.probe is None:
            return None
        return (await probe(provider, keys, self.fetcher)).outcome

    def _adopt(self, snapshot: Snapshot) -> None:
        self.engine.adopt(snapshot)
        if self.state is not None and self.store.snapshot is None:
            self.state.restore()
        self.races.adopt(snapshot)
        closing = asyncio.get_running_loop().create_task(
            self.credentials.adopt(snapshot.providers.values()), name="credentials"
        )
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    # ---- start

    async def start(self) -> None:
        """Serving, if not ready yet: rules may still be missing. Raises StartError for a port that
        is taken and the like.
        """
        source = self._source = source_of_rules(self.settings, self.store, self.registry)
        await source.read()
        await self.other_requests.start()
        await self._open_ports()
        process.calm_collector()
        self._spawn(self._housekeeping(), "housekeeping")
        self._spawn(self.prober.run(), "prober")
        if self.state is not None:
            self._spawn(self.state.run(), "state")
        self._spawn(self.races.run(), "races")
        if self.held is not None:
            self.held.restore()
            self._spawn(self.held.run(), "held")
        if self.shared is not None:
            self._spawn(self.shared.run(), "shared")
        if self.pusher is not None:
            self._spawn(self.pusher.run(), "metrics")
        self._spawn(source.follow(), source.name)
        log.info(
            "listening",
            listen=str(self.listen),
            admin=str(self.admin_listen),
            version=__version__,
            ready=self.engine.ready,
        )

    async def _open_ports(self) -> None:
        at = address(self.settings.admin_listen)
        try:
            self.admin_listen = await self.admin_port.open(at)
        except OSError as e:
            raise StartError(f"cannot listen on {at} (admin): {process.why(e)}") from None
        at = address(self.settings.listen)
        try:
            self._listener, self.listen = await process.listen(self.server.protocol, at)
        except OSError as e:
            raise StartError(f"cannot listen on {at}: {process.why(e)}") from None

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        task.add_done_callback(process.log_failed_task)
        self._tasks.append(task)

    async def _housekeeping(self) -> None:
        """Sweeps slow and idle connections, and measures how late the event loop is."""
        lag = self.registry[s.LOOP_LAG].histogram()
        swept = time.monotonic()
        while True:
            before = time.monotonic()
            await asyncio.sleep(LAG_S)
            now = time.monotonic()
            lag.observe(max(0.0, now - before - LAG_S))
            if now - swept >= SWEEP_S:
                swept = now
                self.server.sweep(now)
                self.engine.sweep(now)
                if self.server.given_back_bytes >= process.TRIMMED_BYTES:
                    self.server.given_back_bytes = 0
                    await process.give_memory_back()

    # ---- stop

    async def drain(self) -> None:
        """Not ready at once, requests in flight finish; new ones are told 503 and when to come
        back, which a refused connection would not say, and those who send them may not have heard
        yet."""
        self.engine.draining = True
        self.server.drain()
        self.sockets.drain()
        log.info("draining", in_flight=len(self.engine.in_flight))
        try:
            async with asyncio.timeout(self.settings.drain_seconds):
                await self.engine.in_flight.idle.wait()
                await self.other_requests.finish()
        except TimeoutError:
            log.warning("drain_over", cut_off=len(self.engine.in_flight))
            self.sockets.end()
            await asyncio.sleep(LAST_BYTES_S)
        else:
            await asyncio.sleep(LAST_BYTES_S)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.server.connections):
            connection.close(reset=False)
        await self.other_requests.close()
        await self.sockets.close()
        await self.passthrough.close()
        self.engine.close()
        for keeper in (self.state, self.held, self.races):
            if keeper is not None:
                keeper.save()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self.credentials.close()
        await self.fetcher.close()
        await self.admin_port.close()
        last_words = []
        if self.pusher is not None:
            last_words.append(self.pusher.close())
        if self.tracer is not None:
            last_words.append(asyncio.to_thread(self.tracer.close))
        with contextlib.suppress(TimeoutError):  # a collector that is away is not waited for
            async with asyncio.timeout(LAST_SPANS_S):
                await asyncio.gather(*last_words)
        self.log.flush()

    # ---- a process of its own

    async def run(self) -> None:
        """Until SIGTERM or SIGINT; a second signal does not wait for requests in flight."""
        process.raise_descriptor_limit(self.settings.max_in_flight)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(process.LoopErrors())
        stop, now = asyncio.Event(), asyncio.Event()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, lambda: now.set() if stop.is_set() else stop.set())
        # At a terminal it says that the terminal has gone, and the proxy goes with it.
        if not sys.stderr.isatty():
            loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        try:
            await self.start()
            await stop.wait()
            draining = loop.create_task(self.drain())
            hurried = loop.create_task(now.wait())
            await asyncio.wait((draining, hurried), return_when=asyncio.FIRST_COMPLETED)
            for task in (draining, hurried):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        finally:
            await self.stop()

    def _hung_up(self) -> None:
        """SIGHUP, by which servers are asked to read their rules again; here they are watched, but
        it must not end the process.
        """
        log.info("reading_again", config=list(self.settings.config))
        if self._source is not None:
            self._spawn(self._source.read(), "reading again")

    async def __aenter__(self) -> App:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def base(self) -> str:
        return f"http://{self.listen}"

    @property
    def admin_base(self) -> str:
        return f"http://127.0.0.1:{self.admin_listen[1]}"
