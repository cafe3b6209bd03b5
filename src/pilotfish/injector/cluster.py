"""What the injector knows of the cluster: namespaces, their LimitRanges, whether nodes run native
sidecars, who may watch what.

All of it may be missing (no right to read it, API server away); injection then does what is safe
without.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

import structlog

from pilotfish.injector.patch.pod import rules_needed
from pilotfish.injector.patch.settings import NATIVE_SINCE, PodContext, Sidecar
from pilotfish.kube.client import ApiError, Kube, Lost
from pilotfish.kube.watching import Changed, Listed, Pace, WatchTarget, watched

# Only the cells of the table that kubectl prints: a node's own object is some ten kilobytes.
_AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_VERSION = re.compile(r"v?(\d+)\.(\d+)")
# The API server waits for our answer; what it says about access must come well before it gives up
# on us.
_ACCESS_WITHIN_S = 1.5
_ACCESS_KEPT_S = 30.0
_ACCESS_ENTRIES = 2000
log = structlog.get_logger()


class Cluster:
    def __init__(self, kube: Kube, clock: Callable[[], float]) -> None:
        self._kube, self._clock = kube, clock
        self.namespaces: dict[str, Mapping[str, Any]] = {}
        self.has_native_sidecars = False
        self._limit_ranges: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._access: OrderedDict[tuple[str, str, str, str], tuple[float, bool]] = OrderedDict()

    async def follow_namespaces(self, pace: Pace) -> None:
        await _follow(
            self._kube,
            WatchTarget("/api/v1/namespaces"),
            pace,
            self.namespaces,
            lambda item: item["metadata"]["name"],
        )

    async def follow_limit_ranges(self, pace: Pace) -> None:
        def key(item: Mapping[str, Any]) -> tuple[str, str]:
            return item["metadata"]["namespace"], item["metadata"]["name"]

        await _follow(self._kube, WatchTarget("/api/v1/limitranges"), pace, self._limit_ranges, key)

    async def look_at_versions(self) -> None:
        """Native sidecars need the API server and every kubelet to know them; where that cannot be
        found out, they are not used.
        """
        try:
            version = await self._kube.request("GET", "/version")
            versions = [f"{version['major']}.{version['minor']}"]
        except (ApiError, Lost, KeyError) as wrong:
            log.warning(
                "the cluster's version cannot be read; what was known stays", error=str(wrong)
            )
            return
        try:
            table = await self._kube.request(
                "GET", "/api/v1/nodes", query=[("includeObject", "None")], accept=_AS_TABLE
            )
            column = [c["name"] for c in table["columnDefinitions"]].index("Version")
            versions += [str(row["cells"][column]) for row in table.get("rows") or []]
        except (ApiError, Lost, KeyError, ValueError) as wrong:
            log.info(
                "the nodes' versions cannot be read; the API server's counts", error=str(wrong)
            )
        known, self.has_native_sidecars = (
            self.has_native_sidecars,
            all(map(knows_native_sidecars, versions)),
        )
        if known != self.has_native_sidecars:
            log.info(
                "sidecars are native from now on"
                if self.has_native_sidecars
                else "sidecars are classic from now on",
                versions=sorted(set(versions)),
            )

    def context(self, namespace: str) -> PodContext:
        metadata = (self.namespaces.get(namespace) or {}).get("metadata") or {}
        return PodContext(
            namespace=namespace,
            # Which Pods come here is decided by the webhook's selectors, on fresher labels than
            # these.
            labels=None,
            annotations=metadata.get("annotations") or {},
            limit_ranges=[
                item for (of, _), item in sorted(self._limit_ranges.items()) if of == namespace
            ],
            native=self.has_native_sidecars,
        )

    async def may_watch(
        self, pod: Mapping[str, Any], defaults: Sidecar, around: PodContext
    ) -> bool | None:
        """Whether the Pod's service account may watch the rules it would be given. None: not
        needed, or nobody could say in time.
        """
        needed = rules_needed(pod, defaults, around)
        if needed is None:
            return None
        account, configmaps = needed
        try:
            async with asyncio.timeout(_ACCESS_WITHIN_S):
                for namespace, name in configmaps:
                    if not await self._may(around.namespace, account, namespace, name):
                        return False
        except (ApiError, Lost, TimeoutError) as wrong:
            log.info(
                "whether the account may watch its rules cannot be found out",
                account=account,
                error=str(wrong) or "no answer in time",
            )
            return None
        return True

    async def _may(self, account_namespace: str, account: str, namespace: str, name: str) -> bool:
        key = (account_namespace, account, namespace, name)
        known = self._access.get(key)
        if known and self._clock() < known[0] + _ACCESS_KEPT_S:
            return known[1]
        attributes = {
            "namespace": namespace,
            "verb": "watch",
            "version": "v1",
            "resource": "configmaps",
            **({"name": name} if name else {}),
        }
        groups = [
            "system:serviceaccounts",
            f"system:serviceaccounts:{account_namespace}",
            "system:authenticated",
        ]
        spec = {
            "user": f"system:serviceaccount:{account_namespace}:{account}",
            "groups": groups,
            "resourceAttributes": attributes,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": spec,
        }
        answer = await self._kube.request(
            "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=review
        )
        may = bool((answer.get("status") or {}).get("allowed"))
        self._access[key] = (self._clock(), may)
        while len(self._access) > _ACCESS_ENTRIES:
            self._access.popitem(last=False)
        return may


def knows_native_sidecars(version: str) -> bool:
    found = _VERSION.match(version)
    return bool(found) and (int(found[1]), int(found[2])) >= NATIVE_SINCE if found else False


async def _follow(
    kube: Kube,
    target: WatchTarget,
    pace: Pace,
    into: dict[Any, Mapping[str, Any]],
    key: Callable[[Mapping[str, Any]], Any],
) -> None:
    """Keeps `into` as the collection is. What is not readable for a while stays as it was."""
    async with aclosing(watched(kube, target, pace)) as happenings:
        async for happening in happenings:
            match happening:
                case Listed(objects):
                    into.clear()
                    into.update((key(item), _light(item)) for item in objects)
                case Changed("DELETED", item):
                    into.pop(key(item), None)
                case Changed(_, item):
                    into[key(item)] = _light(item)


def _light(item: dict[str, Any]) -> dict[str, Any]:
    """Without the bookkeeping of server-side apply, which is most of a small object."""
    item["metadata"].pop("managedFields", None)
    return item
