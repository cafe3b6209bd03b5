"""How the proxy is put together: what is built, in which order it starts and stops. Read this
first.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import os
import random
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from pilotfish import __version__, styles
from pilotfish.admin.port import AdminPort
from pilotfish.admin.routes import Admin
from pilotfish.core.exchange import endpoints
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Provider
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.routing.router import Router
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.credentials import CredentialContext, CredentialStore, Key
from pilotfish.credentials.fetch import Fetcher
from pilotfish.credentials.requirements import Requirements
from pilotfish.errors import StartError
from pilotfish.http1.origin import Connect, connect_directly
from pilotfish.http1.server import Server
from pilotfish.proxy.connection_test import probe
from pilotfish.proxy.engine import Engine
from pilotfish.proxy.local_reply import LocalReplies
from pilotfish.proxy.other_requests import OtherRequests
from pilotfish.proxy.prober import Prober
from pilotfish.settings import Address, Settings, address, log_format
from pilotfish.sources.files import fingerprint, load_files, watch_files
from pilotfish.sources.store import RulesStore
from pilotfish.telemetry import series as s
from pilotfish.telemetry.access_log import AccessLog
from pilotfish.telemetry.gauges import LedgerGauges
from pilotfish.telemetry.logs import line_format
from pilotfish.telemetry.recorder import MetricsRecorder
from pilotfish.telemetry.registry import Registry
from pilotfish.telemetry.reporter import Reporter

if TYPE_CHECKING:
    from pilotfish.shared.redis_limits import SharedState
    from pilotfish.shared.state_file import StateKeeper
    from pilotfish.telemetry.traces import SpanTracer

log = structlog.get_logger(__name__)

SWEEP_S = 1.0
LAG_S = 0.25
GC_THRESHOLDS = (20_000, 20, 50)
BACKLOG = 4096
DESCRIPTORS_BESIDE = 128  # idle connections to providers, the admin port, files
# After the last answer is written, the kernel may still have to send it.
LAST_BYTES_S = 0.05
LAST_SPANS_S = 5.0


class App:
    """One proxy. `start`, then `run_until(stop)`, or as an async context manager in tests and the
    demo.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        access_log: AccessLog | None = None,
        connect: Connect = connect_directly,
    ) -> None:
        self.settings = settings
        self.registry = Registry()
        self.log = access_log or AccessLog(
            enabled=settings.access_log,
            sample=settings.access_log_sample,
            form=line_format(log_format(settings, sys.stdout), colors=sys.stdout.isatty()),
        )
        self.fetcher = Fetcher()
        self.context = CredentialContext(secrets_dir=settings.secrets_dir, fetcher=self.fetcher)
        self.credentials = CredentialStore(self.context)
        self.ledger, self.budgets, self.history = Ledger(), Budgets(), RaceHistory()
        router = Router(self.ledger, self.budgets, self.history, styles.get, random.Random())
        self.tracer = _tracer(settings.otlp_endpoint) if settings.otlp_endpoint else None
        recorder = MetricsRecorder(self.registry)
        reporter = Reporter(recorder, self.log, self.tracer)
        replies = LocalReplies(reporter)
        self.shared = self._shared(settings.redis_url) if settings.redis_url else None
        health_changed = asyncio.Event()
        self.engine = Engine(
            router,
            reporter,
            replies,
            self._keys,
            max_in_flight=settings.max_in_flight,
            health_changed=health_changed,
            shared=self.shared,
            connect=connect,
        )
        gauges = LedgerGauges(recorder.children, self.ledger, self.engine.in_flight_by_rule)
        self.registry.before_scrape.append(gauges.refresh)
        requirements = Requirements(self.context, self._keys)
        self.store = RulesStore(
            self._adopt,
            self.registry,
            unmet=requirements.unmet,
            warnings=requirements.warnings,
            allow_inline_secrets=settings.allow_inline_secrets,
        )
        self.other_requests = OtherRequests(replies, router)
        self.server = Server(
            self.engine.handle,
            self.engine.refuse,
            max_body_bytes=settings.max_body_bytes,
            clock=time.monotonic,
            takes=endpoints.takes,
            hand_over=self.other_requests.protocol,
        )
        admin = Admin(
            self.engine,
            self.store,
            self.registry,
            health_changed,
            max_body_bytes=settings.max_body_bytes,
        )
        self.admin_port = AdminPort(admin.application())
        self.state = self._state_keeper(Path(settings.state_dir)) if settings.state_dir else None
        self.prober = Prober(router, self._probe, health_changed)
        self.listen = self.admin_listen = Address(("", 0))
        self._listener: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: set[asyncio.Task[None]] = set()
        self.registry[s.BUILD_INFO].gauge(__version__).set(1)

    def _state_keeper(self, folder: Path) -> StateKeeper:
        from pilotfish.shared.state_file import StateKeeper

        return StateKeeper(folder, self.ledger, self.history)

    def _shared(self, redis_url: str) -> SharedState:
        # With a client that only installations with several replicas have to pay for.
        from pilotfish.shared.redis_limits import SharedState

        return SharedState(redis_url, self.ledger, self.budgets)

    def _keys(self, provider: Provider) -> Sequence[Key]:
        return self.credentials.of(provider).keys

    # ---- rules

    def _adopt(self, snapshot: Snapshot) -> None:
        self.engine.adopt(snapshot)
        if self.state is not None and self.store.snapshot is None:
            self.state.restore()
        closing = asyncio.get_running_loop().create_task(
            self.credentials.adopt(snapshot.providers.values()), name="credentials"
        )
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _has_cluster(self) -> bool:
        environ = os.environ
        return bool(
            self.settings.kubeconfig
            or environ.get("KUBECONFIG")
            or environ.get("KUBERNETES_SERVICE_HOST")
        )

    async def _from_cluster(self) -> None:
        # The Kubernetes client is imported only where rules come from there: it is dearer than all
        # the rest of the proxy.
        from pilotfish.sources.kubernetes import RulesFromCluster, watch_rules

        s = self.settings
        asked = RulesFromCluster(
            s.configmaps, s.configmap_selector, s.namespace, s.kubeconfig, s.state_dir
        )
        await watch_rules(asked, self.store, self.registry)

    async def _probe(self, provider: Provider) -> tuple[Outcome | None, float | None]:
        result = await probe(provider, self.credentials.of(provider).keys, self.fetcher)
        return result.outcome, result.wait_s

    # ---- start and stop

    async def start(self) -> None:
        """Serving, if not ready yet: rules may still be missing. Raises StartError for a port that
        is taken and the like.
        """
        seen = None
        if not self.settings.config and not self._has_cluster():
            raise StartError(
                "nowhere to read rules from: set PILOTFISH_CONFIG (or --config PATH), or PILOTFISH_CONFIGMAPS with KUBECONFIG, or run in a cluster"
            )
        if self.settings.config:
            seen = fingerprint(self.settings.config)
            if not self._read_files():
                seen = None
        await self.other_requests.start()
        at = address(self.settings.admin_listen)
        try:
            self.admin_listen = await self.admin_port.open(at)
        except OSError as e:
            raise StartError(f"cannot listen on {at} (admin): {_why(e)}") from None
        self._listener, self.listen = await _listening(self.server, address(self.settings.listen))
        # What is alive now stays: the collector need not go through it again and again. A request
        # leaves few cycles behind.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self._spawn(self._housekeeping(), "housekeeping")
        self._spawn(self.prober.run(), "prober")
        if self.state is not None:
            self._spawn(self.state.run(), "state")
        if self.shared is not None:
            self._spawn(self.shared.run(), "shared")
        if not self.settings.config:
            self._spawn(self._from_cluster(), "configmaps")
        else:
            self._spawn(
                watch_files(
                    self.settings.config,
                    self.store.apply,
                    self.store.reject,
                    self.store.connected,
                    seen,
                ),
                "files",
            )
        log.info(
            "listening",
            listen=str(self.listen),
            admin=str(self.admin_listen),
            version=__version__,
            ready=self.engine.ready,
        )

    def _get_descriptors(self) -> None:
        """As many as the system lets us have: each request in flight takes two, and shells give
        1024, or 256.
        """
        needed = DESCRIPTORS_BESIDE + 2 * self.settings.max_in_flight
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
                soft = most
        if soft != resource.RLIM_INFINITY and soft < needed:
            log.warning(
                "few_descriptors",
                limit=soft,
                needed=needed,
                max_in_flight=self.settings.max_in_flight,
            )

    def _read_files(self) -> bool:
        return load_files(
            self.settings.config, self.store.apply, self.store.reject, self.store.connected
        )

    def _hung_up(self) -> None:
        """SIGHUP, by which servers are asked to read their rules again; here they are watched, but
        it must not end the process.
        """
        log.info("reading_again", config=list(self.settings.config))
        if self.settings.config:
            self._read_files()

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        task.add_done_callback(_tell)
        self._tasks.append(task)

    async def drain(self) -> None:
        """Not ready at once, requests in flight finish; new ones are told 503 and when to come
        back, which a refused connection would not say, and those who send them may not have heard
        yet."""
        self.engine.draining = True
        self.server.drain()
        log.info("draining", in_flight=len(self.engine.in_flight))
        try:
            async with asyncio.timeout(self.settings.drain_seconds):
                await self.engine.in_flight.idle.wait()
                await self.other_requests.finish()
        except TimeoutError:
            log.warning("drain_over", cut_off=len(self.engine.in_flight))
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
        self.engine.close()
        if self.state is not None:
            self.state.save()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self.credentials.close()
        await self.fetcher.close()
        await self.admin_port.close()
        if self.tracer is not None:
            with contextlib.suppress(TimeoutError):  # a collector that is away is not waited for
                async with asyncio.timeout(LAST_SPANS_S):
                    await asyncio.to_thread(self.tracer.close)
        self.log.flush()

    async def run(self) -> None:
        """Until SIGTERM or SIGINT; a second signal does not wait for requests in flight."""
        self._get_descriptors()
        asyncio.get_running_loop().set_exception_handler(_LoopErrors())
        stop, now = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, lambda: now.set() if stop.is_set() else stop.set())
        if (
            not sys.stderr.isatty()
        ):  # at a terminal it says that the terminal has gone, and the proxy goes with it
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


def _tell(task: asyncio.Task[None]) -> None:
    """What runs beside the requests is to run for ever: if it does not, somebody must hear of
    it.
    """
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task_failed", task=task.get_name(), exc_info=error)


class _LoopErrors:
    """What the event loop tells of. asyncio tells of each connection that it cannot take for want
    of a descriptor, thousands of times a second; once is enough."""

    def __init__(self) -> None:
        self._told_at = -math.inf

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "socket.accept()" not in context.get("message", ""):
            loop.default_exception_handler(context)
        elif loop.time() - self._told_at >= SWEEP_S:
            self._told_at = loop.time()
            log.error("cannot_accept", error=str(context.get("exception")))


def _tracer(endpoint: str) -> SpanTracer:
    """Imported only here: who has no traces pays nothing for them. Raises StartError."""
    if not endpoint.startswith(("http://", "https://")):
        raise StartError(
            f"PILOTFISH_OTLP_ENDPOINT: expected http:// or https://, found {endpoint.rpartition('@')[2]!r}"
        )
    try:
        from pilotfish.telemetry.traces import SpanTracer
    except ImportError:
        raise StartError(
            "PILOTFISH_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: pip install 'pilotfish[otlp]'"
        ) from None
    return SpanTracer(endpoint)


async def _listening(server: Server, at: Address) -> tuple[asyncio.Server, Address]:
    try:
        listener = await asyncio.get_running_loop().create_server(
            server.protocol, at[0], at[1], backlog=BACKLOG
        )
    except OSError as e:
        raise StartError(f"cannot listen on {at}: {_why(e)}") from None
    return listener, Address(listener.sockets[0].getsockname()[:2])


def _why(error: OSError) -> str:
    if error.errno in (98, 48):
        return "the port is taken"
    if isinstance(error, socket.gaierror):
        return "no such host"
    return os.strerror(error.errno) if error.errno else str(error)


def run_loop(main: Callable[[], Coroutine[Any, Any, None]], event_loop: str) -> None:
    """Runs a coroutine on the event loop that the settings name: uvloop where it is installed,
    unless asyncio is asked for.
    """
    factory = None
    if event_loop != "asyncio":
        try:
            import uvloop

            factory = uvloop.new_event_loop
        except ImportError:
            if event_loop == "uvloop":
                raise StartError(
                    "PILOTFISH_EVENT_LOOP is uvloop, which is not installed; expected it installed, or asyncio"
                ) from None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
