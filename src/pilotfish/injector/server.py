"""`POST /mutate` and `POST /validate` over HTTPS. Whatever goes wrong in here, the API server gets
an answer that lets the object through.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import structlog
from aiohttp import web

from pilotfish.errors import Problem
from pilotfish.injector.admission_review import (
    Review,
    allowed,
    denied,
    read_review,
    unread_review,
)
from pilotfish.injector.cluster import Cluster
from pilotfish.injector.patch.pod import inject
from pilotfish.injector.patch.settings import Injected, Reason, Sidecar
from pilotfish.telemetry.registry import Registry
from pilotfish.telemetry.series import INJECTIONS

# An object of etcd is at most 1.5 MiB, a review of an update holds it twice, and JSON may escape
# every character.
MAX_BODY_BYTES = 16 * 1024 * 1024
# The API server takes no larger Pod, nor one with so many values but from a hostile author.
MAX_POD_BYTES = 4 * 1024 * 1024
MAX_POD_MARKS = 100_000
# The API server says in the query how long it waits. Part of that is for the way back.
DEADLINE_S = 4.0
DEADLINE_SHARE = 0.8
_TIMEOUT = re.compile(r"([0-9]{1,6})(ms|s|m)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0}
# What a person who deploys need not be told: it is what they asked for.
_QUIET = {
    Reason.OPTED_OUT,
    Reason.NOT_SELECTED,
    Reason.ALREADY_INJECTED,
    Reason.PROTECTED_NAMESPACE,
}
# The same check, with the same words, as `pilotfish check`.
Validate = Callable[[str, dict[str, Any]], list[Problem]]
log = structlog.get_logger()


class Admission:
    def __init__(
        self, cluster: Cluster, sidecar: Sidecar, registry: Registry, validate: Validate
    ) -> None:
        self._cluster, self._sidecar, self._registry, self._validate = (
            cluster,
            sidecar,
            registry,
            validate,
        )
        # At 0 before they happen: to Prometheus a series that begins with 1 has not increased, and
        # the first failure would go unseen.
        for result, reasons in (
            ("injected", ("native", "classic")),
            ("reinvoked", ("unchanged", "repaired")),
            ("skipped", [r.value for r in Reason if r is not Reason.ALREADY_INJECTED]),
            ("failed", ("internal", "deadline")),
        ):
            for reason in reasons:
                registry[INJECTIONS].counter(result, reason)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/mutate", self.mutate)
        app.router.add_post("/validate", self.validate)
        return app

    async def mutate(self, request: web.Request) -> web.Response:
        body = await request.read()
        if len(body) > MAX_POD_BYTES or _marks(body) > MAX_POD_MARKS:
            return web.json_response(self._refused(body))
        review = _read(body)
        try:
            answer = await _in_time(request, self._injected(review))
        except TimeoutError:
            log.warning("no time to inject", namespace=review.namespace, pod=review.name)
            self._count(review, "failed", "deadline")
            answer = allowed(
                review, warnings=["injection took too long, the Pod runs without the sidecar"]
            )
        except Exception:  # an error of ours must not keep a Pod from running
            log.exception(
                "injection failed; the Pod is let through as it is",
                namespace=review.namespace,
                pod=review.name,
            )
            self._count(review, "failed", "internal")
            answer = allowed(
                review, warnings=["injection failed, the Pod runs without the sidecar"]
            )
        return web.json_response(answer)

    async def validate(self, request: web.Request) -> web.Response:
        review = _read(await request.read())
        try:
            answer = await _in_time(request, self._checked(review))
        except Exception:  # the proxies check again, and keep their last good rules
            log.exception(
                "checking rules failed; the ConfigMap is let through",
                namespace=review.namespace,
                configmap=review.name,
            )
            answer = allowed(review, warnings=["these rules could not be checked"])
        return web.json_response(answer)

    def _refused(self, body: bytes) -> dict[str, Any]:
        """The answer to a Pod that is not even read."""
        try:
            review = unread_review(body)
        except ValueError as wrong:
            raise web.HTTPBadRequest(text=f"{wrong}\n") from None
        detail = f"the Pod is larger than {MAX_POD_BYTES} bytes, or holds too many values"
        self._count(review, "skipped", Reason.TOO_LARGE.value)
        log.warning("skipped", reason=Reason.TOO_LARGE.value, detail=detail, size=len(body))
        return allowed(review, warnings=[f"no sidecar ({Reason.TOO_LARGE.value}): {detail}"])

    async def _injected(self, review: Review) -> dict[str, Any]:
        if review.kind != "Pod" or review.operation not in ("", "CREATE"):
            return allowed(review)
        around = self._cluster.context(review.namespace)
        result = inject(review.object, self._sidecar, around)
        if isinstance(result, Injected) and not result.is_repair:
            # Asked only for Pods that will get the sidecar; the answer may make it another one.
            rules = await self._cluster.look_at_rules(review.object, self._sidecar, around)
            if rules.may_watch is False or rules.missing:
                known = replace(around, may_watch=rules.may_watch, missing_configmaps=rules.missing)
                result = inject(review.object, self._sidecar, known)
        if isinstance(result, Injected):
            done = ("reinvoked", "repaired") if result.is_repair else ("injected", result.mode)
            self._count(review, *done)
            log.info(
                done[0],
                namespace=review.namespace,
                pod=review.name,
                mode=result.mode,
                dry_run=review.dry_run,
                warnings=result.warnings,
            )
            return allowed(review, result.patch, result.warnings)
        if result.reason is Reason.ALREADY_INJECTED:
            # What other webhooks did after us brought the Pod here again: no Pod without a sidecar.
            self._count(review, "reinvoked", "unchanged")
        else:
            self._count(review, "skipped", result.reason.value)
        log.info(
            "skipped",
            namespace=review.namespace,
            pod=review.name,
            reason=result.reason.value,
            detail=result.detail,
            dry_run=review.dry_run,
        )
        told = (
            ()
            if result.reason in _QUIET
            else (f"no sidecar ({result.reason.value}): {result.detail}",)
        )
        return allowed(review, warnings=(*told, *result.warnings))

    async def _checked(self, review: Review) -> dict[str, Any]:
        if review.kind != "ConfigMap" or review.operation == "DELETE":
            return allowed(review)
        # Not on the event loop: rules may be as large as a ConfigMap, and Pods wait.
        problems = await asyncio.to_thread(
            self._validate, f"configmap:{review.namespace}/{review.name}", review.object
        )
        if not problems:
            return allowed(review)
        log.info(
            "refused",
            namespace=review.namespace,
            configmap=review.name,
            problems=[p.as_dict() for p in problems],
        )
        return denied(review, "\n".join(map(repr, problems)))

    def _count(self, review: Review, result: str, reason: str) -> None:
        if not review.dry_run:
            self._registry[INJECTIONS].counter(result, reason).inc()


async def _in_time(request: web.Request, answer: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """Raises TimeoutError a little before the API server stops waiting."""
    found = _TIMEOUT.fullmatch(request.query.get("timeout", ""))
    waits_s = int(found[1]) * _UNITS_S[found[2]] * DEADLINE_SHARE if found else DEADLINE_S
    async with asyncio.timeout(waits_s):
        return await answer


def _marks(body: bytes) -> int:
    """At least as many as there are values in a JSON text, but for strings that hold marks."""
    return body.count(b"{") + body.count(b"[") + body.count(b",")


def _read(body: bytes) -> Review:
    try:
        return read_review(body)
    except ValueError as wrong:
        raise web.HTTPBadRequest(text=f"{wrong}\n") from None
