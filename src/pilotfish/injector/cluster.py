"""What the injector knows of the cluster: namespaces, their LimitRanges, whether nodes run native
sidecars, who may watch what.

All of it may be missing (no right to read it, API server away); injection then does what is safe
without.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from pilotfish.injector.patch.pod import RulesNeeded, rules_needed
from pilotfish.injector.patch.settings import NATIVE_SINCE, PodContext, Sidecar
from pilotfish.kube.client import ApiError, Kube, Lost
from pilotfish.kube.watching import Changed, Listed, Pace, WatchTarget, watched

# Only the cells of the table that kubectl prints: a node's own object is some ten kilobytes.
_AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
_VERSION = re.compile(r"v?(\d+)\.(\d+)")
# The API server waits for our answer; what it says about access must come well before it gives up
# on us.
_ACCESS_WITHIN_S = 1.5
_ACCESS_KEPT_S = 30.0
# A ConfigMap that is made next must not be called missing for long.
_THERE_KEPT_S = 5.0
_ANSWERS = 4000
_Answer = TypeVar("_Answer")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RulesAccess:
    """`may_watch`: whether the Pod's service account may watch the rules; None: it need not, or
    nobody could say in time. `missing`: ConfigMaps (`namespace/name`) that are not there.
    """

    may_watch: bool | None = None
    missing: tuple[str, ...] = ()


class Cluster:
    def __init__(self, kube: Kube, clock: Callable[[], float]) -> None:
        self._kube, self._clock = kube, clock
        self.namespaces: dict[str, Mapping[str, Any]] = {}
        self.has_native_sidecars = False
        self._limit_ranges: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._answers: OrderedDict[tuple[str, ...], tuple[float, bool]] = OrderedDict()

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

    async def look_at_rules(
        self, pod: Mapping[str, Any], defaults: Sidecar, around: PodContext
    ) -> RulesAccess:
        """What can be found out in time of the rules that the Pod would be given."""
        needed = rules_needed(pod, defaults, around)
        if needed is None:
            return RulesAccess()
        may, missing = await asyncio.gather(
            self._in_time("whether it may watch its rules", self._may_watch(needed, around)),
            self._in_time("whether its rules are there", self._missing(needed.configmaps)),
        )
        return RulesAccess(may, tuple(missing or ()))

    async def _in_time(self, what: str, answer: Awaitable[_Answer]) -> _Answer | None:
        try:
            async with asyncio.timeout(_ACCESS_WITHIN_S):
                return await answer
        except (ApiError, Lost, TimeoutError) as wrong:
            log.info(
                "of a Pod at admission it cannot be found out " + what,
                error=str(wrong) or "no answer in time",
            )
            return None

    async def _may_watch(self, needed: RulesNeeded, around: PodContext) -> bool | None:
        """Both rights are needed: a watch begins with a list. None: it is not to watch at all."""
        if not needed.account:
            return None
        answers = await asyncio.gather(
            *(
                self._may(verb, around.namespace, needed.account, namespace, name)
                for namespace, name in needed.configmaps
                for verb in ("list", "watch")
            )
        )
        return all(answers)

    async def _missing(self, configmaps: Sequence[tuple[str, str]]) -> list[str]:
        """Those that are not there; what we may not look at counts as there."""
        answers = await asyncio.gather(
            *(self._is_there(namespace, name) for namespace, name in configmaps)
        )
        return [
            f"{namespace}/{name}"
            for (namespace, name), is_there in zip(configmaps, answers, strict=True)
            if not is_there
        ]

    async def _is_there(self, namespace: str, name: str) -> bool:
        if not name:
            return True  # by selector: which they are nobody knows beforehand
        key = ("configmap", namespace, name)
        if (known := self._known(key, _THERE_KEPT_S)) is not None:
            return known
        path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        try:
            await self._kube.request("GET", path, accept=_METADATA)
            is_there = True
        except ApiError as wrong:
            if wrong.status not in (403, 404):
                raise
            is_there = wrong.status == 403
        return self._remember(key, is_there)

    async def _may(
        self, verb: str, account_namespace: str, account: str, namespace: str, name: str
    ) -> bool:
        key = (verb, account_namespace, account, namespace, name)
        if (known := self._known(key, _ACCESS_KEPT_S)) is not None:
            return known
        attributes = {
            "namespace": namespace,
            "verb": verb,
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
        return self._remember(key, bool((answer.get("status") or {}).get("allowed")))

    def _known(self, key: tuple[str, ...], kept_s: float) -> bool | None:
        known = self._answers.get(key)
        return known[1] if known and self._clock() < known[0] + kept_s else None

    def _remember(self, key: tuple[str, ...], answer: bool) -> bool:
        self._answers[key] = (self._clock(), answer)
        self._answers.move_to_end(key)
        while len(self._answers) > _ANSWERS:
            self._answers.popitem(last=False)
        return answer


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
