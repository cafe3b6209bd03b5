"""A release of the chart on a real API server, with its injectors as processes on loopback."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import subprocess

from chart.rendering import CHART
from cluster.control_plane import free_port
from cluster.processes import InjectorProcess
from pilotfish.kube.client import ApiError

MUTATING = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_numbers = itertools.count()


class Release:
    """One release with its injectors."""

    def __init__(self, plane, admin, helm, folder):
        self.plane, self.admin, self.helm_binary, self.folder = plane, admin, helm, folder
        self.namespace = f"pilotfish-{next(_numbers)}"
        self.port = free_port()
        self.injectors, self.shops = [], []
        self.is_installed = False

    async def helm(self, *arguments, values=()):
        settings = [
            f"injector.url=https://127.0.0.1:{self.port}",
            "injector.watchdogSeconds=1",
            *values,
        ]
        sets = (
            [part for value in settings for part in ("--set", value)]
            if arguments[0] in ("install", "upgrade")
            else []
        )
        command = [
            self.helm_binary,
            *arguments,
            *sets,
            "--namespace",
            self.namespace,
            "--kubeconfig",
            str(self.plane.admin_kubeconfig),
        ]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    async def install(self, *values, chart=CHART):
        await self.helm("install", "pf", str(chart), "--create-namespace", values=values)
        self.is_installed = True

    async def injector(self, identity="a", port=0, **settings):
        injector = InjectorProcess(
            self.plane, self.admin, self.namespace, self.folder, port or self.port, identity
        )
        self.injectors.append(injector)
        await injector.start(**settings)
        if self.shops and injector.port == self.port:
            await self._until_trusted(self.shops[-1])
        return injector

    async def _until_trusted(self, shop):
        """An injector is ready when its webhooks name its authority; the API server hears of that a
        moment later.
        """
        for number in range(100):
            with contextlib.suppress(ApiError):
                if "pilotfish" in names(await self.pod(shop, f"first-{number}", dryRun="All")):
                    return
            await asyncio.sleep(0.05)
        raise AssertionError("the webhook is never called")

    async def webhooks(self):
        name = f"pf-pilotfish-injector-{self.namespace}"
        return (await self.admin.request("GET", f"{MUTATING}/{name}"))["webhooks"]

    async def secret(self):
        secret = await self.admin.request(
            "GET", f"/api/v1/namespaces/{self.namespace}/secrets/pf-pilotfish-injector-tls"
        )
        return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}

    async def shop(self, **annotations):
        """A labelled namespace whose service account is there already."""
        name = f"{self.namespace}-shop-{next(_numbers)}"
        metadata = {
            "name": name,
            "labels": {"pilotfish.dev/inject": "enabled"},
            "annotations": annotations,
        }
        await self.admin.request("POST", "/api/v1/namespaces", body={"metadata": metadata})
        await self.eventually(
            f"/api/v1/namespaces/{name}/serviceaccounts/default", lambda account: account
        )
        self.shops.append(name)
        return name

    async def eventually(self, path, is_so, seconds=30):
        for _ in range(int(seconds / 0.1)):
            try:
                if found := is_so(await self.admin.request("GET", path)):
                    return found
            except ApiError as wrong:
                if wrong.status != 404:
                    raise
            await asyncio.sleep(0.1)
        raise AssertionError(f"{path} never was as wanted")

    async def pod(self, namespace, name="web", *, spec=None, metadata=None, **query):
        """Made with one container `app`; `spec` and `metadata` are merged over that."""
        app = {"name": "app", "image": "web:1"}
        body = {
            "metadata": {"name": name, **(metadata or {})},
            "spec": {"containers": [app], **(spec or {})},
        }
        return await self.admin.request(
            "POST", f"/api/v1/namespaces/{namespace}/pods", query=query.items(), body=body
        )

    async def close(self):
        for injector in self.injectors:
            injector.end()
        if self.is_installed:
            await self.helm("uninstall", "pf")


def names(pod):
    """The names of its containers, those that start first first."""
    spec = pod["spec"]
    return [c["name"] for c in [*(spec.get("initContainers") or ()), *spec["containers"]]]


def sidecar_of(pod):
    spec = pod["spec"]
    return next(
        c
        for c in [*(spec.get("initContainers") or ()), *spec["containers"]]
        if c["name"] == "pilotfish"
    )
