"""Programs around a real API server that has no kubelet: injectors as processes, and a stand-in
that runs `helm test`'s Pod.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp

from cluster.control_plane import ControlPlane, free_port
from pilotfish.kube.client import ApiError, Kube

SOURCE = Path(__file__).parent.parent.parent / "src"


async def give_account(admin: Kube, namespace: str, rules: list[dict[str, Any]]) -> None:
    """A service account `web` with these rights in its namespace; what is there already stays."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    metadata = {"name": "web"}
    subject = {"kind": "ServiceAccount", "name": "web", "namespace": namespace}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "web"}
    made = {
        f"/api/v1/namespaces/{namespace}/serviceaccounts": {"metadata": metadata},
        f"{rbac}/roles": {"metadata": metadata, "rules": rules},
        f"{rbac}/rolebindings": {"metadata": metadata, "subjects": [subject], "roleRef": ref},
    }
    for path, body in made.items():
        try:
            await admin.request("POST", path, body=body)
        except ApiError as wrong:
            if wrong.status != 409:
                raise


async def write_rules(admin: Kube, namespace: str, text: str) -> None:
    """The ConfigMap `rules`, made or changed."""
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    body = {"metadata": {"name": "rules"}, "data": {"rules.yaml": text}}
    try:
        await admin.request("PUT", f"{maps}/rules", body=body)
    except ApiError as wrong:
        if wrong.status != 404:
            raise
        await admin.request("POST", maps, body=body)


async def token_of(admin: Kube, namespace: str, account: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    answer = await admin.request("POST", path, body={"spec": {"expirationSeconds": 3600}})
    return answer["status"]["token"]


def program(*arguments: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return [sys.executable, "-m", "pilotfish", *arguments], {
        **base,
        "PYTHONPATH": str(SOURCE),
        **environment,
    }


class InjectorProcess:
    """`pilotfish injector` with the settings of the chart's Deployment and the rights of its
    account, on loopback.
    """

    def __init__(
        self,
        plane: ControlPlane,
        admin: Kube,
        namespace: str,
        folder: Path,
        port: int,
        identity: str = "a",
    ) -> None:
        self._plane, self._admin, self._namespace, self._folder = plane, admin, namespace, folder
        self.port, self.identity, self.admin_port = port, identity, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, **settings: str) -> InjectorProcess:
        (deployment,) = (
            await self._admin.request(
                "GET", f"/apis/apps/v1/namespaces/{self._namespace}/deployments"
            )
        )["items"]
        spec = deployment["spec"]["template"]["spec"]
        env = {e["name"]: e["value"] for e in spec["containers"][0]["env"] if "value" in e}
        token = await token_of(self._admin, self._namespace, spec["serviceAccountName"])
        kubeconfig = self._plane.write_kubeconfig(
            self._folder / f"injector-{self.identity}.kubeconfig", token
        )
        env |= {
            "KUBECONFIG": str(kubeconfig),
            "PILOTFISH_NAMESPACE": self._namespace,
            "PILOTFISH_IDENTITY": self.identity,
        }
        env |= {
            "PILOTFISH_INJECTOR_LISTEN": f"127.0.0.1:{self.port}",
            "PILOTFISH_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}",
        }
        env |= {"PILOTFISH_DRAIN_SECONDS": "0"} | {
            f"PILOTFISH_{name}": value for name, value in settings.items()
        }
        command, environment = program(*spec["containers"][0]["args"], **env)
        self._spawn(command, environment)
        await self.until("/readyz", lambda text: text == "ready\n")
        return self

    def _spawn(self, command: list[str], environment: dict[str, str]) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    @property
    def log(self) -> Path:
        return self._folder / f"injector-{self.identity}.log"

    async def until(self, path: str, is_so: Any, seconds: float = 30) -> str:
        """Asks the admin port until the answer is as wanted; the log is in the error if it never
        is.
        """
        last = ""
        async with aiohttp.ClientSession() as session:
            for _ in range(int(seconds / 0.1)):
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{self.admin_port}{path}") as answer:
                        last = await answer.text()
                        if is_so(last):
                            return last
                await asyncio.sleep(0.1)
        raise AssertionError(
            f"{path} was never as wanted; last: {last[-500:]}\n{self.log.read_text()[-3000:]}"
        )

    def end(self, *, killed: bool = False) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill() if killed else process.terminate()
            process.wait(timeout=20)


async def run_test_pod(plane: ControlPlane, admin: Kube, namespace: str, folder: Path) -> str:
    """What a kubelet would do for the Pod that `helm test` makes: runs its command with its
    account's rights, reports how it ended.
    """
    pods = f"/api/v1/namespaces/{namespace}/pods"
    while True:
        found = [
            p
            for p in (await admin.request("GET", pods))["items"]
            if "helm.sh/hook" in (p["metadata"].get("annotations") or {})
        ]
        if found:
            break
        await asyncio.sleep(0.1)
    (pod,) = found
    token = await token_of(admin, namespace, pod["spec"]["serviceAccountName"])
    kubeconfig = plane.write_kubeconfig(folder / "test-pod.kubeconfig", token)
    command, environment = program(
        *pod["spec"]["containers"][0]["args"], KUBECONFIG=str(kubeconfig)
    )
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output = (await process.communicate())[0].decode()
    status = {"status": {"phase": "Failed" if process.returncode else "Succeeded"}}
    with contextlib.suppress(ApiError):
        await admin.request(
            "PATCH",
            f"{pods}/{pod['metadata']['name']}/status",
            body=status,
            content_type="application/merge-patch+json",
        )
    return output
