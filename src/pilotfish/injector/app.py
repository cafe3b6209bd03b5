"""The injector, put together: what is built, in which order it starts, and how it stops. Read this
first.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import structlog
from aiohttp import web

from pilotfish import __version__
from pilotfish.injector.certificate_rotation import Step
from pilotfish.injector.certificates import (
    WEBHOOKS,
    Keeper,
    SharedCertificates,
    follow_secret,
    follow_webhooks,
)
from pilotfish.injector.cluster import Cluster
from pilotfish.injector.patch.settings import Sidecar
from pilotfish.injector.server import Admission, Validate
from pilotfish.injector.settings import InjectorSettings
from pilotfish.injector.tls import Tls, follow_files
from pilotfish.injector.trust import Trust
from pilotfish.injector.watchdog import Watchdog
from pilotfish.kube.client import ApiError, Kube, Lost
from pilotfish.kube.configuration import ClusterAccess, own_namespace
from pilotfish.kube.lease import Leadership, LeaseSettings
from pilotfish.kube.watching import Pace
from pilotfish.settings import Address
from pilotfish.telemetry.exposition import exposition
from pilotfish.telemetry.registry import Registry
from pilotfish.telemetry.series import BUILD_INFO, CERTIFICATE_EXPIRY, INJECTOR_ONLY

_VERSIONS_EVERY_S = 300.0
_LEADER_EVERY_S = 1.0
# However much later a certificate is due: clocks are set, and watches may miss something.
_LOOK_EVERY_S = 600.0
# After a failure, such as a conflict with another writer.
_AGAIN_S = 2.0
# One step may be followed by another.
_SOON_S = 0.1
log = structlog.get_logger()


class Injector:
    """Runs until `stop` is set. `ready` is set once admission calls can be served, and API servers
    trust us to answer them.
    """

    def __init__(self, settings: InjectorSettings, sidecar: Sidecar, validate: Validate) -> None:
        self.settings = settings
        access = ClusterAccess(kubeconfig=settings.kubeconfig)
        namespace = settings.namespace or own_namespace(access)
        self.stop, self.ready = asyncio.Event(), asyncio.Event()
        self.ports: dict[str, int] = {}
        self._changed = asyncio.Event()  # the shared certificates, or a webhook's configuration
        self.kube = Kube.at(access)
        self.tls, self.trust = Tls(), Trust(WEBHOOKS)
        self.registry = Registry((*INJECTOR_ONLY, BUILD_INFO))
        self.registry[BUILD_INFO].gauge(__version__).set(1)
        self.registry.before_scrape.append(
            lambda: self.registry[CERTIFICATE_EXPIRY].gauge().set(self.tls.expires_at)
        )
        self.cluster = Cluster(self.kube, time.monotonic)
        # Where we run ourselves nothing is injected: an injector that waits for its own sidecar
        # never starts.
        sidecar = replace(sidecar, excluded_namespaces=(*sidecar.excluded_namespaces, namespace))
        self.admission = Admission(self.cluster, sidecar, self.registry, validate)
        self.watchdog = Watchdog(self.kube, self.cluster, sidecar, self.registry)
        self.leadership = Leadership(
            self.kube,
            LeaseSettings(
                namespace, settings.lease, settings.lease_seconds, settings.lease_seconds / 4
            ),
            settings.identity,
            clock=time.monotonic,
        )
        self.shared = SharedCertificates(
            namespace,
            settings.certificate_secret,
            settings.certificate_names,
            settings.webhooks,
            settings.lifetimes,
        )

    async def run(self) -> None:
        await self.cluster.look_at_versions()
        runners = [await self._serve("admin", self._admin(), self.settings.admin_listen, None)]
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._never_ending(work), name=name)
                for name, work in self._works().items()
            ]
            installed = asyncio.create_task(self.tls.installed.wait())
            stopped = asyncio.create_task(self.stop.wait())
            await asyncio.wait({installed, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not self.stop.is_set():
                runners.append(
                    await self._serve(
                        "admission",
                        self.admission.application(),
                        self.settings.injector_listen,
                        self.tls.context,
                    )
                )
                log.info("serving", version=__version__, ports=self.ports)
                trusted = tasks.create_task(self._trusted(), name="trust")
                running.append(trusted)
                await asyncio.wait({trusted, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not self.stop.is_set():
                    self.ready.set()
                    log.info("ready")
                await stopped
                # The Service still sends calls here until every node has heard that we are not
                # ready.
                self.ready.clear()
                await asyncio.sleep(self.settings.drain_seconds)
            installed.cancel()
            for task in running:
                task.cancel()
        for runner in reversed(runners):
            await runner.cleanup()
        await self.kube.close()

    def _works(self) -> dict[str, Callable[[], Awaitable[None]]]:
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "namespaces": lambda: self.cluster.follow_namespaces(Pace()),
            "limit ranges": lambda: self.cluster.follow_limit_ranges(Pace()),
            "versions": self._look_at_versions,
            "lease": self.leadership.run,
            "watchdog": self._watch_for_missed,
        }
        certificate, key = self.settings.tls_cert_file, self.settings.tls_key_file
        if self.settings.certificates == "files" and certificate and key:
            works["certificate files"] = lambda: follow_files(self.tls, certificate, key)
        else:
            works["certificate secret"] = lambda: follow_secret(
                self.kube, self.shared, self.tls, self.trust, Pace(), self._changed
            )
            for kind in WEBHOOKS:
                works[kind] = partial(
                    follow_webhooks,
                    self.kube,
                    self.shared,
                    kind,
                    self.trust,
                    Pace(),
                    self._changed,
                )
            works["certificates"] = self._keep_certificates
        return works

    async def _never_ending(self, work: Callable[[], Awaitable[None]]) -> None:
        """A bug in one of the works must not take admission down with it."""
        while True:
            try:
                await work()
            except Exception:
                log.exception("a task failed and begins anew")
            await asyncio.sleep(1.0)

    async def _trusted(self) -> None:
        """With certificates of others' making, whoever makes them has the webhooks trust them."""
        if self.settings.certificates != "files":
            await self.trust.wait()

    async def _look_at_versions(self) -> None:
        while True:
            await asyncio.sleep(_VERSIONS_EVERY_S)
            await self.cluster.look_at_versions()

    async def _keep_certificates(self) -> None:
        """The leader acts when it begins to lead, when something changed, and when it is due."""
        keeper, due_at = Keeper(self.kube, self.shared, time.time), 0.0
        while True:
            if not self.leadership.is_leading:
                due_at = 0.0
                await asyncio.sleep(_LEADER_EVERY_S)
                continue
            if self._changed.is_set() or time.monotonic() >= due_at:
                self._changed.clear()
                due_at = time.monotonic() + await self._looked_after(keeper)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(_LEADER_EVERY_S, due_at - time.monotonic())):
                    await self._changed.wait()

    async def _looked_after(self, keeper: Keeper) -> float:
        """Seconds until it is to be done again, if nothing changes."""
        try:
            if await keeper.step() is not Step.NOTHING:
                return _SOON_S
            return max(_SOON_S, min(keeper.due_in_s, _LOOK_EVERY_S))
        except (ApiError, Lost, ValueError) as wrong:
            log.warning("certificates could not be looked after", error=str(wrong))
            return _AGAIN_S

    async def _watch_for_missed(self) -> None:
        while True:
            await asyncio.sleep(self.settings.watchdog_seconds)
            if not self.leadership.is_leading:
                self.watchdog.rest()
                continue
            try:
                await self.watchdog.look()
            except (ApiError, Lost) as wrong:
                self.watchdog.fail(str(wrong))

    def _admin(self) -> web.Application:
        async def healthz(_: web.Request) -> web.Response:
            return web.Response(text="ok\n")

        async def readyz(_: web.Request) -> web.Response:
            return (
                web.Response(text="ready\n")
                if self.ready.is_set()
                else web.Response(
                    status=503,
                    text="no certificate yet, or not trusted by the webhooks, or stopping\n",
                )
            )

        async def metrics(request: web.Request) -> web.Response:
            body, content_type = await exposition(
                self.registry, accept=request.headers.get("accept", "")
            )
            return web.Response(body=body, headers={"content-type": content_type})

        app = web.Application()
        app.router.add_get("/healthz", healthz)
        app.router.add_get("/readyz", readyz)
        app.router.add_get("/metrics", metrics)
        return app

    async def _serve(
        self, name: str, app: web.Application, address: Address, context: ssl.SSLContext | None
    ) -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=10)
        await runner.setup()
        await web.TCPSite(runner, *address, ssl_context=context).start()
        self.ports[name] = runner.addresses[0][1]
        return runner


async def serve(settings: InjectorSettings, sidecar: Sidecar, validate: Validate) -> None:
    """Until SIGTERM or SIGINT."""
    injector = Injector(settings, sidecar, validate)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, injector.stop.set)
    await injector.run()
