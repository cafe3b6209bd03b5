"""`pilotfish injector --check`: asks the API server what would become of a labelled Pod. Nothing is
made: it is a dry run.

`helm test` runs it; it goes the whole way (API server, webhook's selectors, TLS, our answer, the
patch applied).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pilotfish.errors import StartError
from pilotfish.injector.patch.settings import CONTAINER, LABEL, STATUS
from pilotfish.kube.client import ApiError, Kube, Lost
from pilotfish.kube.configuration import ClusterAccess

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "pilotfish-check-", "labels": {LABEL: "enabled"}},
    "spec": {"containers": [{"name": "app", "image": "pilotfish-check", "resources": {}}]},
}


# A namespace has no service account at first, and an injector no certificate.
_TRIES, _EVERY_S = 10, 3.0


async def check(
    kubeconfig: str, namespace: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> str:
    """What is wrong after several tries; empty where the Pod got the sidecar."""
    kube = Kube.at(ClusterAccess(kubeconfig=kubeconfig))
    try:
        for _ in range(_TRIES - 1):
            if not await _tried(kube, namespace):
                return ""
            await sleep(_EVERY_S)
        return await _tried(kube, namespace)
    finally:
        await kube.close()


async def _tried(kube: Kube, namespace: str) -> str:
    try:
        pod = await kube.request(
            "POST", f"/api/v1/namespaces/{namespace}/pods", query=[("dryRun", "All")], body=POD
        )
    except (ApiError, Lost, StartError) as wrong:
        return f"a Pod could not be tried in {namespace}: {wrong}"
    spec = pod["spec"]
    names = [
        container["name"]
        for container in [*(spec.get("initContainers") or ()), *spec["containers"]]
    ]
    if CONTAINER not in names:
        return (
            f"a labelled Pod in {namespace} does not get the sidecar (containers: "
            f"{', '.join(names)}): see the injector's log"
        )
    if STATUS not in (pod["metadata"].get("annotations") or {}):
        return (
            f"a labelled Pod in {namespace} has a container {CONTAINER} that the injector has "
            "not made"
        )
    return ""
