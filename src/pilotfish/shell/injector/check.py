"""`pilotfish injector --check`: asks the API server what would become of a labelled Pod. Nothing is made: it is a dry run.

`helm test` runs it; it goes the whole way (API server, webhook's selectors, TLS, our answer, the patch applied).
"""

from __future__ import annotations

from typing import Any

from pilotfish.core.inject.settings import CONTAINER, LABEL, STATUS
from pilotfish.errors import StartError
from pilotfish.shell.kube.connection import ApiError, Kube, Lost, Where

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "pilotfish-check-", "labels": {LABEL: "enabled"}},
    "spec": {"containers": [{"name": "app", "image": "pilotfish-check", "resources": {}}]},
}


async def check(kubeconfig: str, namespace: str) -> str:
    """What is wrong; empty where the Pod got the sidecar."""
    kube = Kube.at(Where(kubeconfig=kubeconfig))
    try:
        pod = await kube.request("POST", f"/api/v1/namespaces/{namespace}/pods", query=[("dryRun", "All")], body=POD)
    except (ApiError, Lost, StartError) as wrong:
        return f"a Pod could not be tried in {namespace}: {wrong}"
    finally:
        await kube.close()
    spec = pod["spec"]
    names = [container["name"] for container in [*(spec.get("initContainers") or ()), *spec["containers"]]]
    if CONTAINER not in names:
        return f"a labelled Pod in {namespace} does not get the sidecar (containers: {', '.join(names)}): see the injector's log"
    if STATUS not in (pod["metadata"].get("annotations") or {}):
        return f"a labelled Pod in {namespace} has a container {CONTAINER} that the injector has not made"
    return ""
