"""Kubernetes Events on a rules ConfigMap: which version is in force, and which was refused and why.

An Event's name is made from the ConfigMap's version and the verdict, so of a fleet of sidecars the
first one writes it and the others are told that it exists. Who may not create Events goes on
without, and tries again with the next verdict.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from pilotfish.errors import Problem
from pilotfish.kube.client import ApiError, Kube, Lost

APPLIED, REFUSED = "RulesApplied", "RulesRefused"
# The API server refuses longer messages.
_MESSAGE_LIMIT = 1024
# A fleet that saw an edit at the same moment does not write at the same moment.
_SPREAD_S = 1.0
log = structlog.get_logger()


class EventWriter:
    """Writes each verdict once. `random` gives 0 to 1, `now` the wall clock."""

    def __init__(
        self,
        kube: Kube,
        instance: str,
        *,
        random: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._kube, self._instance, self._random, self._now, self._sleep = (
            kube,
            instance,
            random,
            now,
            sleep,
        )
        self._written: dict[
            str, str
        ] = {}  # by ConfigMap, the name of the last Event: edits that change nothing are told once
        self._is_forbidden_told = False

    async def tell(self, configmap: Mapping[str, Any], problems: Sequence[Problem]) -> None:
        """Says that this version is in force, or (with problems) that it was refused. Never raises
        for what the API may answer.
        """
        event = event_for(configmap, problems, self._instance, self._now())
        metadata = event["metadata"]
        about = f"{metadata['namespace']}/{configmap['metadata']['name']}"
        if self._written.get(about) == metadata["name"]:
            return
        self._written[about] = metadata["name"]
        await self._sleep(_SPREAD_S * self._random())
        try:
            await self._kube.request(
                "POST", f"/api/v1/namespaces/{metadata['namespace']}/events", body=event
            )
            self._is_forbidden_told = False
        except ApiError as wrong:
            if wrong.status == 403:
                # Tried again with the next verdict: rights are given later, or were away while a
                # release was upgraded.
                if self._is_forbidden_told:
                    return
                self._is_forbidden_told = True
                log.info(
                    "events on rules ConfigMaps are not written: the service account may not "
                    "create them",
                    namespace=metadata["namespace"],
                )
            elif wrong.status != 409:
                log.warning(
                    "an event on a rules ConfigMap was not written",
                    configmap=about,
                    error=str(wrong),
                )
        except Lost as wrong:
            log.warning(
                "an event on a rules ConfigMap was not written", configmap=about, error=str(wrong)
            )


def event_for(
    configmap: Mapping[str, Any], problems: Sequence[Problem], instance: str, now: datetime
) -> dict[str, Any]:
    """The Event (core/v1). Its name is the same wherever the same version got the same verdict."""
    about = configmap["metadata"]
    reason = REFUSED if problems else APPLIED
    version = str(about.get("resourceVersion", ""))
    digest = hashlib.sha256(f"{about.get('uid')}/{version}/{reason}".encode()).hexdigest()[:16]
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about['name'][:200]}.{digest}", "namespace": about["namespace"]},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "namespace": about["namespace"],
            "name": about["name"],
            "uid": about.get("uid", ""),
            "resourceVersion": version,
        },
        "type": "Warning" if problems else "Normal",
        "reason": reason,
        "message": _message(version, problems),
        "source": {"component": "pilotfish", "host": instance},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


def _message(version: str, problems: Sequence[Problem]) -> str:
    if not problems:
        return f"version {version} is in force"
    text = f"version {version} is refused, the rules before it stay in force: " + "; ".join(
        map(repr, problems)
    )
    return text if len(text) <= _MESSAGE_LIMIT else text[: _MESSAGE_LIMIT - 4] + " ..."
